// The 32-bit shared-window address, simulated: dynamic shared memory begins 1 KiB into the window, as on hardware.
#pragma once
#include <tl/traits.h>

namespace tl::detail {

inline uint32_t smem_address(const void* pointer) {
  return static_cast<uint32_t>(static_cast<const char*>(pointer) - tl_sim_self->shared_memory) + 1024u;
}

}  // namespace tl::detail

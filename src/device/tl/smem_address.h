// The 32-bit shared-window address that PTX instructions on shared memory take.
#pragma once
#include <tl/traits.h>

namespace tl::detail {

TL_FUNC uint32_t smem_address(const void* pointer) { return static_cast<uint32_t>(__cvta_generic_to_shared(pointer)); }

}  // namespace tl::detail

// The tensor map that TMA instructions read: 128 opaque bytes which the host encodes. A kernel takes it by value, as
// `const __grid_constant__ tl::tensor_map map`, and passes its address on.
#pragma once
#include <tl/backend.h>

namespace tl {

struct alignas(64) tensor_map {
  uint64_t opaque[16];
};

}  // namespace tl

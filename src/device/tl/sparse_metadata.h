// Metadata of sparse matrix instructions, before it becomes their operand.
#pragma once
#include <tl/backend.h>

namespace tl {

// Zero bits are what a guard fills in past the end of a matrix, where all elements are zero. PTX has no meaning for them: they
// become 0b0100, the first two elements (the first of two 32-bit ones).
TL_FUNC uint32_t sparse_metadata(uint32_t bits) {
  uint32_t any = bits | bits >> 1;
  any |= any >> 2;
  return bits | (~any & 0x11111111u) << 2;
}

}  // namespace tl

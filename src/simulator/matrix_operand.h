// Operands of asynchronous matrix instructions in shared memory, as a 64-bit descriptor tells: wgmma (PTX ISA 9.7.15.5.1.2.2
// "Matrix Descriptor Format") and tcgen05 (9.7.16.4.1 "Shared memory descriptor"), whose canonical layouts are the same.
#pragma once
#include <cstdint>

#include "tensor_map.h"

namespace tl::sim {

constexpr int operand_row_bytes = 32;  // along K, of one instruction: k16 of 16 bits, k8 of 32, k32 of 8; B of a sparse product has twice that

struct MatrixDescriptor {
  uint32_t start, leading_offset, stride_offset;  // bytes; start in the shared window
  int swizzle;                                    // as in tensor maps: 0 none, 1 32B, 2 64B, 3 128B
  int base_offset;

  // What both have in common.
  explicit MatrixDescriptor(uint64_t bits)
      : start(static_cast<uint32_t>(bits & 0x3fff) << 4),
        leading_offset(static_cast<uint32_t>(bits >> 16 & 0x3fff) << 4),
        stride_offset(static_cast<uint32_t>(bits >> 32 & 0x3fff) << 4),
        swizzle(0),
        base_offset(static_cast<int>(bits >> 49 & 7)) {}

  static MatrixDescriptor of_wgmma(uint64_t bits) {
    MatrixDescriptor descriptor(bits);
    const int mode = static_cast<int>(bits >> 62);  // 0 none, 1 128B, 2 64B, 3 32B
    descriptor.swizzle = mode ? 4 - mode : 0;
    return descriptor;
  }
  static MatrixDescriptor of_tcgen05(uint64_t bits) {
    MatrixDescriptor descriptor(bits);
    const int mode = static_cast<int>(bits >> 61);  // 0 none, 2 128B, 4 64B, 6 32B
    descriptor.swizzle = mode ? 4 - mode / 2 : 0;
    return descriptor;
  }

  // Whether the repeating pattern of the swizzle starts where the address does, beside an offset within a row.
  bool aligned() const { return !swizzle || (start >> 7 & ((1u << swizzle) - 1)) == 0; }
};

// Calls visit(first_row, chunk, address): 16 bytes of one operand of `rows` rows of `bytes`, as it lies in shared memory. K-major: row
// `first_row`, part `chunk` of its K. MN-major: the 16 / element_bytes rows from first_row at k = chunk.
// Layouts: 9.7.15.5.1.2.1 "Shared Memory Matrix Layout", canonical forms; the swizzle is an XOR of the final address.
template <class Visit>
void walk_operand(const MatrixDescriptor& d, int rows, int bytes, bool transposed, int element_bytes, Visit visit) {
  const uint32_t width = d.swizzle ? 16u << d.swizzle : 16;  // bytes of a row of a core matrix group
  const int per_chunk = 16 / element_bytes, depth = bytes / element_bytes;
  for (int i = 0; i < (transposed ? depth : rows); ++i) {
    for (int j = 0; j < (transposed ? rows / per_chunk : bytes / 16); ++j) {
      const auto outer = static_cast<uint32_t>(i), inner = static_cast<uint32_t>(j);
      uint32_t address = d.start;
      if (!transposed) {
        address += outer % 8 * width + outer / 8 * d.stride_offset + (d.swizzle ? inner * 16 : inner * d.leading_offset);
        visit(i, j, swizzled(address, d.swizzle));
      } else {
        const uint32_t per_row = width / 16;
        address += outer % 8 * width;
        if (d.swizzle) address += inner % per_row * 16 + inner / per_row * d.leading_offset + outer / 8 * d.stride_offset;
        else address += inner * d.stride_offset + outer / 8 * d.leading_offset;
        visit(j * per_chunk, i, swizzled(address, d.swizzle));
      }
    }
  }
}

}  // namespace tl::sim

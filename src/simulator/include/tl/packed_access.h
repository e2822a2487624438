// Arithmetic on two 16-bit floats, and bytes by selector, on a CPU. The GPU's packed_access.h has the same names.
#pragma once
#include <tl/float_bits.h>

namespace tl::detail {

// Out of line: kernels call these many times in a row, and a host compiler would spend seconds on the copies.
__attribute__((noinline)) inline uint32_t permute_bytes(uint32_t low, uint32_t high, uint32_t selector) {
  uint64_t bytes = static_cast<uint64_t>(high) << 32 | low;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) result |= static_cast<uint32_t>(bytes >> (selector >> (4 * i) & 7) * 8 & 0xff) << (8 * i);
  return result;
}

TL_FUNC uint32_t and_xor(uint32_t a, uint32_t b, uint32_t c) { return (a & b) ^ c; }

template <class Format>
__attribute__((noinline)) uint32_t fma_pair(uint32_t a, uint32_t b, uint32_t c) {
  uint16_t low = Format::fma(static_cast<uint16_t>(a), static_cast<uint16_t>(b), static_cast<uint16_t>(c));
  uint16_t high = Format::fma(static_cast<uint16_t>(a >> 16), static_cast<uint16_t>(b >> 16), static_cast<uint16_t>(c >> 16));
  return static_cast<uint32_t>(high) << 16 | low;
}

}  // namespace tl::detail

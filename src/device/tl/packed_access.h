// Arithmetic on two 16-bit floats, and bytes by selector, in one register each: PTX ISA 9.7.9.7 "prmt", 9.7.4 "fma".
// The simulator's packed_access.h has the same names.
#pragma once
#include <tl/float_bits.h>

namespace tl::detail {

// Byte i of the result is byte (selector >> 4 i) & 7 of the eight bytes of `high:low`.
TL_FUNC uint32_t permute_bytes(uint32_t low, uint32_t high, uint32_t selector) { return __byte_perm(low, high, selector); }

// (a & b) ^ c in one instruction: of two constants one is then kept in a register (PTX ISA 9.7.8.6 "lop3").
TL_FUNC uint32_t and_xor(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t r;
  asm("lop3.b32 %0, %1, %2, %3, 0x6a;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  return r;
}

template <class Format>
TL_FUNC uint32_t fma_pair(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t r;
  if constexpr (is_same<Format, half_format>) {
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  } else {
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
  }
  return r;
}

}  // namespace tl::detail

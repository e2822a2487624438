// Codes of 1 to 4 bits in the orders of `tilelang.quantize.interleave_weight`, and 4-bit floats in "twiddled" order, to elements.
// Whoever stored the weights put the codes so that one shift and one mask leave two (or four) of them in place. Included by the
// text that tilelang.quantize gives to T.import_source.
#pragma once
#include <tl/unpack.h>

namespace tl {
namespace detail {

template <int Bytes, class Packed>
TL_FUNC uint32_t read_unit(const Packed* packed, int unit) {
  uint32_t word = 0;
  __builtin_memcpy(&word, reinterpret_cast<const char*>(packed) + unit * Bytes, Bytes);
  return word;
}

template <class Element>
TL_FUNC void write_word(Element* values, uint32_t word) {
  __builtin_memcpy(values, &word, sizeof(word));
}

}  // namespace detail

// Eight codes are a unit: those of even number in its lower half, the others in its upper half. `values[i] = code + Bias`, exactly.
template <class Format, int Bits, int Bias, class Packed, class Element>
TL_FUNC void decode_to_halves(const Packed* packed, Element* values, int count) {
  constexpr int unit = 1 << detail::mantissa_bits<Format>;  // added to a code, it is the code in the mantissa
  constexpr uint32_t exponents = detail::integer_bits<Format>(unit) * 0x10001u, one = detail::integer_bits<Format>(1) * 0x10001u;
  constexpr uint32_t offset = detail::integer_bits<Format>(Bias - unit) * 0x10001u;
#pragma unroll
  for (int g = 0; g < count / 8; ++g) {
    uint32_t word = detail::read_unit<Bits>(packed, g);
    if constexpr (Bits < 4) word = (word & ((1u << 4 * Bits) - 1)) | word >> 4 * Bits << 16;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      uint32_t pair = ((word >> k * Bits) & ((1u << Bits) - 1) * 0x10001u) | exponents;
      detail::write_word(values + g * 8 + k * 2, detail::fma_pair<Format>(pair, one, offset));
    }
  }
}

// Units of 32 bits, or of 16 where a code is one bit: code i is in byte i % 4, after the shift for i / 4.
template <int Bits, int Bias, class Packed, class Element>
TL_FUNC void decode_to_bytes(const Packed* packed, Element* values, int count) {
  constexpr int each = Bits == 4 ? 8 : 16;
#pragma unroll
  for (int g = 0; g < count / each; ++g) {
    uint32_t word = detail::read_unit<each * Bits / 8>(packed, g);
    if constexpr (Bits == 1) word = (word & 0x0f0fu) | (word & 0xf0f0u) << 12;
#pragma unroll
    for (int k = 0; k < each / 4; ++k) {
      uint32_t four = (word >> k * Bits) & ((1u << Bits) - 1) * 0x1010101u;
      if constexpr (Bias != 0) four = ((four | 0x80808080u) - static_cast<uint32_t>(-Bias) * 0x1010101u) ^ 0x80808080u;
      detail::write_word(values + g * each + k * 4, four);
    }
  }
}

// Four bytes hold eight float4_e2m1fn: of each two bytes (the first is the higher one) the sign, exponent and mantissa bits of four
// values lie where bfloat16 has them after a shift by 0, 3 and 6, the fourth one's in what is left. A product by 2^126 makes up for
// the exponent's bias.
template <class Packed, class Element>
TL_FUNC void decode_twiddled_float4(const Packed* packed, Element* values, int groups) {
  constexpr uint32_t kept = 0x81c081c0u, scale = 0x7e807e80u, minus_zero = 0x80008000u;
#pragma unroll
  for (int g = 0; g < groups; ++g) {
    uint32_t word = detail::permute_bytes(detail::read_unit<4>(packed, g), 0, 0x0123u);
    uint32_t rest = ((word << 1) & 0x80008000u) | ((word >> 3) & 0x01800180u) | ((word >> 7) & 0x00400040u);
    uint32_t parts[4] = {word & kept, (word << 3) & kept, (word << 6) & kept, rest};
    uint32_t pairs[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) pairs[k] = detail::fma_pair<detail::bfloat16_format>(parts[k], scale, minus_zero);
#pragma unroll
    for (int k = 0; k < 2; ++k) {  // the upper halves are the first four values
      detail::write_word(values + g * 8 + k * 2, detail::permute_bytes(pairs[k * 2], pairs[k * 2 + 1], 0x7632u));
      detail::write_word(values + g * 8 + 4 + k * 2, detail::permute_bytes(pairs[k * 2], pairs[k * 2 + 1], 0x5410u));
    }
  }
}

// Two 4-bit floats a byte, the lower half first.
template <class Packed, class Element>
TL_FUNC void decode_plain_float4(const Packed* packed, Element* values, int groups) {
#pragma unroll
  for (int i = 0; i < groups * 8; ++i) {
    uint32_t code = detail::read_unit<1>(packed, i / 2) >> i % 2 * 4 & 15u, magnitude = code & 7u;
    uint32_t bits = magnitude > 1 ? (magnitude << 6) + 0x3f00u : magnitude * 0x3f00u;  // 0.5 is the one subnormal
    values[i] = Element(reinterpret<float>((bits | code >> 3 << 15) << 16));
  }
}

}  // namespace tl

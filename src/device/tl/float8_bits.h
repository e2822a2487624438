// The 8-bit floating formats in integer arithmetic: for the simulator, and for sm_80, which has no instruction for them.
// Encoding rounds to nearest even and saturates to the largest finite value, infinity included (PTX cvt .satfinite).
#pragma once
#include <tl/traits.h>

namespace tl::detail {

// Arithmetic of a format that has only conversions: through float, then one rounding.
template <class Format>
struct through_float {
  template <class S>
  static TL_FUNC S add(S a, S b) {
    return Format::encode(Format::decode(a) + Format::decode(b));
  }
  template <class S>
  static TL_FUNC S sub(S a, S b) {
    return Format::encode(Format::decode(a) - Format::decode(b));
  }
  template <class S>
  static TL_FUNC S mul(S a, S b) {
    return Format::encode(Format::decode(a) * Format::decode(b));
  }
  template <class S>
  static TL_FUNC S div(S a, S b) {
    return Format::encode(Format::decode(a) / Format::decode(b));
  }
  template <class S>
  static TL_FUNC S fma(S a, S b, S c) {
    return Format::encode(Format::decode(a) * Format::decode(b) + Format::decode(c));  // the product is exact in float
  }
};

// Mantissa bits, exponent bias, largest finite code; NaN is 0x7f in both formats (e5m2 has more, hardware writes this one).
template <int Mantissa, int Bias, unsigned Largest>
TL_FUNC uint8_t encode_float8(float f) {
  uint32_t bits = reinterpret<uint32_t>(f);
  uint32_t sign = bits >> 24 & 0x80u, magnitude = bits & 0x7fffffffu;
  constexpr int shift = 23 - Mantissa;
  constexpr uint32_t least_normal = static_cast<uint32_t>(127 - Bias + 1) << 23;
  // All cases are computed and one is chosen: no branches on a GPU, vector code on a CPU. Adding 2^k, k chosen so that a unit in the
  // last place of the sum is the smallest subnormal, rounds correctly.
  constexpr uint32_t magic = static_cast<uint32_t>(127 - Bias + 1 + shift) << 23;
  const uint32_t subnormal = reinterpret<uint32_t>(reinterpret<float>(magnitude) + reinterpret<float>(magic)) - magic;
  const uint32_t rounded = magnitude + ((1u << (shift - 1)) - 1u) + (magnitude >> shift & 1u);
  const uint32_t normal = (rounded >> shift) - (static_cast<uint32_t>(127 - Bias) << Mantissa);
  uint32_t code = magnitude < least_normal ? subnormal : normal;
  code = code < Largest ? code : Largest;
  return static_cast<uint8_t>(magnitude > 0x7f800000u ? 0x7fu : sign | code);
}

struct float8_e4m3_software : through_float<float8_e4m3_software> {
  using storage = uint8_t;
  static TL_FUNC storage encode(float f) { return encode_float8<3, 7, 0x7e>(f); }
  static TL_FUNC float decode(storage x) {
    uint32_t magnitude = x & 0x7fu, sign = static_cast<uint32_t>(x & 0x80u) << 24;
    uint32_t scaled = reinterpret<uint32_t>(reinterpret<float>(magnitude << 20) * 0x1p120f);  // bias 7 -> 127, subnormals included
    return reinterpret<float>(sign | (magnitude == 0x7fu ? 0x7fc00000u : scaled));
  }
};

struct float8_e5m2_software : through_float<float8_e5m2_software> {
  using storage = uint8_t;
  static TL_FUNC storage encode(float f) { return encode_float8<2, 15, 0x7b>(f); }
  static TL_FUNC float decode(storage x) {
    uint32_t magnitude = x & 0x7fu, sign = static_cast<uint32_t>(x & 0x80u) << 24;
    uint32_t scaled = reinterpret<uint32_t>(reinterpret<float>(magnitude << 21) * 0x1p112f);
    return reinterpret<float>(sign | (magnitude >= 0x7cu ? 0x7f800000u | (magnitude & 3u) << 21 : scaled));
  }
};

}  // namespace tl::detail

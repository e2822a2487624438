// float4_e2m1fn: sign, two exponent bits, one mantissa bit: 0 0.5 1 1.5 2 3 4 6. Elements travel as codes in bytes.
#pragma once
#include <tl/traits.h>

namespace tl {

// The nearest code, ties to even, infinity saturates, NaN is +6 (PTX ISA 9.7.9.21, cvt.rn.satfinite.e2m1x2). Counting the midpoints
// below a magnitude is its code; a midpoint counts where the code above it is the even one.
TL_FUNC uint8_t encode_float4(float x) {
  uint32_t bits = reinterpret<uint32_t>(x), magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 7;
  float m = reinterpret<float>(magnitude);
  int code = (m > 0.25f) + (m >= 0.75f) + (m > 1.25f) + (m >= 1.75f) + (m > 2.5f) + (m >= 3.5f) + (m > 5.0f);
  return static_cast<uint8_t>(bits >> 28 & 8u | static_cast<uint32_t>(code));
}

}  // namespace tl

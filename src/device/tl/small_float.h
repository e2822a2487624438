// The 8-bit formats beside e4m3fn and e5m2, and the 6-bit ones, an element of which takes a byte (OCP Microscaling Formats 1.0;
// "fnuz": NaN is the code of minus zero; ml_dtypes). They convert to and from float, and compute through it. Encoding rounds to
// nearest even and saturates, as that of e4m3fn and e5m2 does.
#pragma once
#include <tl/limits.h>

namespace tl::detail {

enum class nan_codes { all_ones, minus_zero, ieee, none };

// Sign, Exponent bits, Mantissa bits; Largest is the code of the largest finite magnitude.
template <int Exponent, int Mantissa, int Bias, unsigned Largest, nan_codes Nan>
struct small_format : through_float<small_format<Exponent, Mantissa, Bias, Largest, Nan>> {
  using storage = uint8_t;
  static constexpr int sign_bit = Exponent + Mantissa;
  static TL_FUNC storage encode(float f) {
    if (f != f) return Nan == nan_codes::minus_zero ? 1u << sign_bit : Nan == nan_codes::none ? Largest : (2u << (sign_bit - 1)) - 1;
    unsigned code = encode_float8<Mantissa, Bias, Largest>(f);
    unsigned magnitude = code & 0x7fu;
    if (Nan == nan_codes::minus_zero && magnitude == 0) return 0;
    return static_cast<storage>(magnitude | (code >> 7) << sign_bit);
  }
  static TL_FUNC float decode(storage x) {
    uint32_t magnitude = x & ((1u << sign_bit) - 1), sign = static_cast<uint32_t>(x >> sign_bit & 1u) << 31;
    if (Nan == nan_codes::minus_zero && magnitude == 0 && sign) return reinterpret<float>(0x7fc00000u);
    if (Nan == nan_codes::ieee && magnitude > Largest) {
      return reinterpret<float>(sign | (magnitude == Largest + 1 ? 0x7f800000u : 0x7fc00000u));
    }
    float unit = reinterpret<float>(static_cast<uint32_t>(254 - Bias) << 23);  // 2^(127 - Bias)
    return reinterpret<float>(sign | reinterpret<uint32_t>(reinterpret<float>(magnitude << (23 - Mantissa)) * unit));
  }
};

// Powers of two: 2^(code - 127), 0xff is NaN. The sign is dropped, zero becomes the smallest.
struct float8_e8m0_format : through_float<float8_e8m0_format> {
  using storage = uint8_t;
  static TL_FUNC storage encode(float f) {
    uint32_t magnitude = reinterpret<uint32_t>(f) & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return 0xff;
    uint32_t exponent = magnitude >> 23, mantissa = magnitude & 0x7fffffu;
    // From 1.5 times a power on the next one is taken (torch's rounding); of subnormals only 2^-127 itself is code 0.
    uint32_t code = exponent == 0 ? mantissa > 0x400000u : exponent + (mantissa >> 22);
    return static_cast<storage>(code < 0xfeu ? code : 0xfeu);
  }
  static TL_FUNC float decode(storage x) {
    return reinterpret<float>(x == 0xff ? 0x7fc00000u : x == 0 ? 0x00400000u : static_cast<uint32_t>(x) << 23);
  }
};

}  // namespace tl::detail

namespace tl {

using float8_e8m0_t = narrow_float<detail::float8_e8m0_format>;
using float8_e4m3fnuz_t = narrow_float<detail::small_format<4, 3, 8, 0x7f, detail::nan_codes::minus_zero>>;
using float8_e5m2fnuz_t = narrow_float<detail::small_format<5, 2, 16, 0x7f, detail::nan_codes::minus_zero>>;
using float8_e4m3b11fnuz_t = narrow_float<detail::small_format<4, 3, 11, 0x7f, detail::nan_codes::minus_zero>>;
using float8_e3m4_t = narrow_float<detail::small_format<3, 4, 3, 0x6f, detail::nan_codes::ieee>>;
using float6_e2m3_t = narrow_float<detail::small_format<2, 3, 1, 0x1f, detail::nan_codes::none>>;
using float6_e3m2_t = narrow_float<detail::small_format<3, 2, 3, 0x1f, detail::nan_codes::none>>;

template <>
inline constexpr uint8_t infinity_code<float8_e3m4_t> = 0x70;

// These have their sign elsewhere than in the top bit of the byte, or no minus zero, or no sign.
template <int E, int M, int B, unsigned L, detail::nan_codes N>
TL_FUNC narrow_float<detail::small_format<E, M, B, L, N>> operator-(narrow_float<detail::small_format<E, M, B, L, N>> a) {
  return narrow_float<detail::small_format<E, M, B, L, N>>(-float(a));
}
TL_FUNC float8_e8m0_t operator-(float8_e8m0_t a) { return float8_e8m0_t(-float(a)); }

}  // namespace tl

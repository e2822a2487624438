// Encodings and arithmetic of the 16- and 8-bit floating types on a GPU, by PTX (PTX ISA 9.7.4 "Half Precision Floating
// Point Instructions", 9.7.9.21 "cvt"). The simulator's float_bits.h offers the same names for a host compiler.
#pragma once
#include <tl/float8_bits.h>

namespace tl::detail {

struct half_format {
  using storage = uint16_t;
  static TL_FUNC float decode(storage h) {
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(h));
    return f;
  }
  static TL_FUNC storage encode(float f) {
    storage h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
  }
  static TL_FUNC uint32_t encode_pair(float low, float high) {
    uint32_t r;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
  }
  static TL_FUNC storage add(storage a, storage b) {
    storage r;
    asm("add.rn.f16 %0, %1, %2;" : "=h"(r) : "h"(a), "h"(b));
    return r;
  }
  static TL_FUNC storage sub(storage a, storage b) {
    storage r;
    asm("sub.rn.f16 %0, %1, %2;" : "=h"(r) : "h"(a), "h"(b));
    return r;
  }
  static TL_FUNC storage mul(storage a, storage b) {
    storage r;
    asm("mul.rn.f16 %0, %1, %2;" : "=h"(r) : "h"(a), "h"(b));
    return r;
  }
  // 24 bits of quotient are enough: rounding them again to 11 bits never differs from rounding the exact quotient.
  static TL_FUNC storage div(storage a, storage b) { return encode(__fdiv_rn(decode(a), decode(b))); }
  static TL_FUNC storage fma(storage a, storage b, storage c) {
    storage r;
    asm("fma.rn.f16 %0, %1, %2, %3;" : "=h"(r) : "h"(a), "h"(b), "h"(c));
    return r;
  }
  static TL_FUNC storage min(storage a, storage b) {
    storage r;
    asm("min.f16 %0, %1, %2;" : "=h"(r) : "h"(a), "h"(b));
    return r;
  }
  static TL_FUNC storage max(storage a, storage b) {
    storage r;
    asm("max.f16 %0, %1, %2;" : "=h"(r) : "h"(a), "h"(b));
    return r;
  }
};

struct bfloat16_format {
  using storage = uint16_t;
  static TL_FUNC float decode(storage h) { return __uint_as_float(static_cast<uint32_t>(h) << 16); }
  static TL_FUNC storage encode(float f) {
    storage h;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h) : "f"(f));
    return h;
  }
  static TL_FUNC uint32_t encode_pair(float low, float high) {
    uint32_t r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
  }
  static TL_FUNC storage fma(storage a, storage b, storage c) {
    storage r;
    asm("fma.rn.bf16 %0, %1, %2, %3;" : "=h"(r) : "h"(a), "h"(b), "h"(c));
    return r;
  }
  // sm_80 has only the fused form; these are exact restatements of it: a*1+b, b*-1+a, a*b+(-0).
  static TL_FUNC storage add(storage a, storage b) { return fma(a, 0x3f80, b); }
  static TL_FUNC storage sub(storage a, storage b) { return fma(b, 0xbf80, a); }
  static TL_FUNC storage mul(storage a, storage b) { return fma(a, b, 0x8000); }
  // In double, since a float quotient may already have been rounded among the subnormals.
  static TL_FUNC storage div(storage a, storage b);
  static TL_FUNC storage min(storage a, storage b) {
    storage r;
    asm("min.bf16 %0, %1, %2;" : "=h"(r) : "h"(a), "h"(b));
    return r;
  }
  static TL_FUNC storage max(storage a, storage b) {
    storage r;
    asm("max.bf16 %0, %1, %2;" : "=h"(r) : "h"(a), "h"(b));
    return r;
  }
};

// Toward zero, with the last bit set if anything was lost ("round to odd"): rounding the result once more to a narrower
// format equals rounding the original.
template <class T>
TL_FUNC float to_float_odd(T x) {
  float f;
  if constexpr (is_same<T, double>) {
    f = __double2float_rz(x);
  } else if constexpr (sizeof(T) == 8) {
    if constexpr (is_signed<T>) f = __ll2float_rz(x);
    else f = __ull2float_rz(x);
  } else {
    if constexpr (is_signed<T>) f = __int2float_rz(x);
    else f = __uint2float_rz(x);
  }
  return static_cast<T>(f) == x ? f : __uint_as_float(__float_as_uint(f) | 1u);
}

TL_FUNC bfloat16_format::storage bfloat16_format::div(storage a, storage b) {
  return encode(to_float_odd(static_cast<double>(decode(a)) / static_cast<double>(decode(b))));
}

// Truncation with saturation to 32 or 64 bits; NaN becomes 0. PTX gives that except for NaN where one side has 64 bits
// (9.7.9.21: the lowest integer, or 2^63 for unsigned), hence the selections.
template <class To>
TL_FUNC To truncate(float x) {
  if constexpr (sizeof(To) == 8) {
    To r;
    if constexpr (is_signed<To>) r = __float2ll_rz(x);
    else r = __float2ull_rz(x);
    return x == x ? r : To(0);
  } else if constexpr (is_signed<To>) {
    return __float2int_rz(x);
  } else {
    return __float2uint_rz(x);
  }
}

template <class To>
TL_FUNC To truncate(double x) {
  To r;
  if constexpr (sizeof(To) == 8) {
    if constexpr (is_signed<To>) r = __double2ll_rz(x);
    else r = __double2ull_rz(x);
  } else if constexpr (is_signed<To>) {
    r = __double2int_rz(x);
  } else {
    r = __double2uint_rz(x);
  }
  return x == x ? r : To(0);
}

// fmin and fmax: a NaN yields the other operand, -0 is less than +0.
TL_FUNC float float_min(float a, float b) { return ::fminf(a, b); }
TL_FUNC float float_max(float a, float b) { return ::fmaxf(a, b); }
TL_FUNC double float_min(double a, double b) { return ::fmin(a, b); }
TL_FUNC double float_max(double a, double b) { return ::fmax(a, b); }

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
// From sm_89 on (cvt of e4m3x2 and e5m2x2); older architectures convert in float8_bits.h.
struct float8_e4m3_format : through_float<float8_e4m3_format> {
  using storage = uint8_t;
  static TL_FUNC uint16_t encode_pair(float low, float high) {
    uint16_t r;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(r) : "f"(high), "f"(low));
    return r;
  }
  static TL_FUNC storage encode(float f) { return static_cast<storage>(encode_pair(f, 0.0f)); }
  static TL_FUNC float decode(storage x) {
    uint32_t pair;
    asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(pair) : "h"(static_cast<uint16_t>(x)));
    return half_format::decode(static_cast<uint16_t>(pair));
  }
};
struct float8_e5m2_format : through_float<float8_e5m2_format> {
  using storage = uint8_t;
  static TL_FUNC uint16_t encode_pair(float low, float high) {
    uint16_t r;
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(r) : "f"(high), "f"(low));
    return r;
  }
  static TL_FUNC storage encode(float f) { return static_cast<storage>(encode_pair(f, 0.0f)); }
  static TL_FUNC float decode(storage x) { return half_format::decode(static_cast<uint16_t>(x << 8)); }
};
#else
using float8_e4m3_format = float8_e4m3_software;
using float8_e5m2_format = float8_e5m2_software;
#endif

}  // namespace tl::detail

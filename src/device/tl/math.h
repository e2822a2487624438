// Elementary functions for every floating type: float and double by the math library, narrower types through float with
// one rounding. round() is C's, halves away from zero; nearbyint() takes halves to even. fast_* trade accuracy for the
// special function unit (CUDA C++ Programming Guide, "Intrinsic Functions").
#pragma once
#include <tl/cast.h>
#include <tl/math_library.h>

namespace tl {

#define TL_MATH_UNARY(name)                                                  \
  template <class T>                                                         \
  TL_FUNC T name(T x) {                                                      \
    static_assert(is_float<T>, #name " takes a floating type");              \
    if constexpr (is_same<T, double>) return TL_LIBRARY_DOUBLE(name)(x);     \
    else return T(TL_LIBRARY_FLOAT(name)(float(x)));                         \
  }
TL_MATH_UNARY(exp)
TL_MATH_UNARY(exp2)
TL_MATH_UNARY(exp10)
TL_MATH_UNARY(log)
TL_MATH_UNARY(log2)
TL_MATH_UNARY(log10)
TL_MATH_UNARY(log1p)
TL_MATH_UNARY(expm1)
TL_MATH_UNARY(sqrt)
TL_MATH_UNARY(sin)
TL_MATH_UNARY(cos)
TL_MATH_UNARY(tan)
TL_MATH_UNARY(sinh)
TL_MATH_UNARY(cosh)
TL_MATH_UNARY(tanh)
TL_MATH_UNARY(asin)
TL_MATH_UNARY(acos)
TL_MATH_UNARY(atan)
TL_MATH_UNARY(asinh)
TL_MATH_UNARY(acosh)
TL_MATH_UNARY(atanh)
TL_MATH_UNARY(erf)
TL_MATH_UNARY(floor)
TL_MATH_UNARY(ceil)
TL_MATH_UNARY(round)
TL_MATH_UNARY(trunc)
TL_MATH_UNARY(nearbyint)
#undef TL_MATH_UNARY

#define TL_MATH_BINARY(name)                                                 \
  template <class T>                                                         \
  TL_FUNC T name(T x, T y) {                                                 \
    static_assert(is_float<T>, #name " takes floating types");               \
    if constexpr (is_same<T, double>) return TL_LIBRARY_DOUBLE(name)(x, y);  \
    else return T(TL_LIBRARY_FLOAT(name)(float(x), float(y)));               \
  }
TL_MATH_BINARY(atan2)
TL_MATH_BINARY(pow)
TL_MATH_BINARY(fmod)
TL_MATH_BINARY(hypot)
#undef TL_MATH_BINARY

// On bits for narrow types: the GPU drops the sign of a half that is NaN where it becomes a float.
template <class T>
TL_FUNC T copysign(T x, T y) {
  static_assert(is_float<T>, "copysign takes floating types");
  if constexpr (is_same<T, double>) {
    return TL_LIBRARY_DOUBLE(copysign)(x, y);
  } else if constexpr (is_same<T, float>) {
    return TL_LIBRARY_FLOAT(copysign)(x, y);
  } else {
    constexpr unsigned sign = 1u << (sizeof(T) * 8 - 1);
    return T::from_bits(static_cast<typename T::storage>((x.bits & ~sign) | (y.bits & sign)));
  }
}

// a*b + c with one rounding.
template <class T>
TL_FUNC T fma(T a, T b, T c) {
  if constexpr (is_same<T, double>) return TL_LIBRARY_DOUBLE(fma)(a, b, c);
  else if constexpr (is_same<T, float>) return TL_LIBRARY_FLOAT(fma)(a, b, c);
  else return T::from_bits(T::format::fma(a.bits, b.bits, c.bits));
}

template <class T>
TL_FUNC T rsqrt(T x) {
  if constexpr (is_same<T, double>) return detail::library_rsqrt(x);
  else return T(detail::library_rsqrt(float(x)));
}

template <class T>
TL_FUNC T sigmoid(T x) {
  if constexpr (is_same<T, double>) return 1.0 / (1.0 + exp(-x));
  else return T(1.0f / (1.0f + exp(-float(x))));
}

// Magnitude of a number of any type; the lowest integer stays itself.
template <class T>
TL_FUNC T abs(T x) {
  if constexpr (is_narrow_float<T>) {
    return T::from_bits(static_cast<typename T::storage>(x.bits & ~(1u << (sizeof(T) * 8 - 1))));
  } else if constexpr (is_same<T, double>) {
    return reinterpret<double>(reinterpret<uint64_t>(x) & ~(1ull << 63));
  } else if constexpr (is_same<T, float>) {
    return reinterpret<float>(reinterpret<uint32_t>(x) & 0x7fffffffu);
  } else if constexpr (is_signed<T>) {
    using U = typename unsigned_of_size<sizeof(T)>::type;
    return x < 0 ? static_cast<T>(static_cast<U>(0) - static_cast<U>(x)) : x;
  } else {
    return x;
  }
}
template <class T>
TL_FUNC T fabs(T x) {
  static_assert(is_float<T>, "fabs takes a floating type");
  return abs(x);
}

template <class T>
TL_FUNC bool isnan(T x) {
  return x != x;
}
template <class T>
TL_FUNC bool isinf(T x) {
  if constexpr (is_narrow_float<T>) return isinf(float(x));
  else if constexpr (is_same<T, double>) return abs(x) == reinterpret<double>(0x7ff0000000000000ull);
  else if constexpr (is_same<T, float>) return abs(x) == reinterpret<float>(0x7f800000u);
  else return false;
}
template <class T>
TL_FUNC bool isfinite(T x) {
  return !isnan(x) && !isinf(x);
}

// Set bits, and leading zeros (the width for 0), of an integer of any width.
template <class T>
TL_FUNC int popcount(T x) {
  static_assert(is_integer<T>, "popcount takes an integer");
  if constexpr (sizeof(T) == 8) return detail::library_popcount(static_cast<uint64_t>(x));
  else return detail::library_popcount(static_cast<uint32_t>(static_cast<typename unsigned_of_size<sizeof(T)>::type>(x)));
}
template <class T>
TL_FUNC int clz(T x) {
  static_assert(is_integer<T>, "clz takes an integer");
  if constexpr (sizeof(T) == 8) return detail::library_clz(static_cast<uint64_t>(x));
  else return detail::library_clz(static_cast<uint32_t>(static_cast<typename unsigned_of_size<sizeof(T)>::type>(x))) - (32 - int(sizeof(T)) * 8);
}

// The position of the lowest set bit, counted from 1; 0 for 0.
template <class T>
TL_FUNC int ffs(T x) {
  static_assert(is_integer<T>, "ffs takes an integer");
  return x == 0 ? 0 : int(sizeof(T)) * 8 - clz(static_cast<T>(x & (T(0) - x)));
}

// The position of the |offset|-th set bit of `mask` from bit `base` on, upwards (offset > 0) or downwards (offset < 0); with
// offset 0 `base` itself if it is set; all ones if there is none (CUDA's __fns).
TL_FUNC uint32_t fns(uint32_t mask, uint32_t base, int offset) {
  int count = offset < 0 ? -offset : offset == 0 ? 1 : offset;
  for (int bit = static_cast<int>(base); bit >= 0 && bit < 32; bit += offset < 0 ? -1 : 1) {
    if ((mask >> bit & 1u) != 0 && --count == 0) return static_cast<uint32_t>(bit);
    if (offset == 0) break;
  }
  return 0xffffffffu;
}

// x * 2^n.
template <class T>
TL_FUNC T ldexp(T x, int n) {
  static_assert(is_float<T>, "ldexp takes a floating type");
  if constexpr (is_same<T, double>) return TL_LIBRARY_DOUBLE(ldexp)(x, n);
  else return T(TL_LIBRARY_FLOAT(ldexp)(float(x), n));
}

// The next number after x toward y.
template <class T>
TL_FUNC T nextafter(T x, T y) {
  static_assert(is_float<T>, "nextafter takes a floating type");
  using U = typename unsigned_of_size<sizeof(T)>::type;
  if (x != x || x == y) return x != x ? x : y;
  if (y != y) return y;
  if (x == T(0.0f)) return reinterpret<T>(static_cast<U>((y > x ? U(0) : static_cast<U>(U(1) << (sizeof(T) * 8 - 1))) | U(1)));
  return reinterpret<T>(static_cast<U>(reinterpret<U>(x) + ((y > x) == (x > T(0.0f)) ? 1 : -1)));
}

#define TL_MATH_FAST(name)                                                   \
  template <class T>                                                         \
  TL_FUNC T fast_##name(T x) {                                               \
    if constexpr (is_same<T, double>) return name(x);                        \
    else return T(detail::fast_##name(float(x)));                            \
  }
TL_MATH_FAST(exp)
TL_MATH_FAST(exp2)
TL_MATH_FAST(exp10)
TL_MATH_FAST(log)
TL_MATH_FAST(log2)
TL_MATH_FAST(log10)
TL_MATH_FAST(sin)
TL_MATH_FAST(cos)
TL_MATH_FAST(tan)
TL_MATH_FAST(tanh)
TL_MATH_FAST(sqrt)
TL_MATH_FAST(rsqrt)
#undef TL_MATH_FAST

template <class T>
TL_FUNC T fast_rcp(T x) {
  if constexpr (is_same<T, double>) return 1.0 / x;
  else return T(detail::fast_rcp(float(x)));
}
template <class T>
TL_FUNC T fast_div(T x, T y) {
  if constexpr (is_same<T, double>) return x / y;
  else return T(detail::fast_div(float(x), float(y)));
}
template <class T>
TL_FUNC T fast_pow(T x, T y) {
  if constexpr (is_same<T, double>) return pow(x, y);
  else return T(detail::fast_pow(float(x), float(y)));
}

}  // namespace tl

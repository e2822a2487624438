// cast<To>(x): conversion between any two scalar types, the same on every back end.
//   float -> integer   truncates, saturates to the range of To, NaN becomes 0
//   anything -> float  one rounding to nearest even; float8 saturates, half and bfloat16 overflow to infinity
//   anything -> bool   x != 0
//   integer -> integer keeps the low bits
#pragma once
#include <tl/float_types.h>

namespace tl {

template <class To, class From>
TL_FUNC To cast(From x) {
  if constexpr (is_same<To, From>) {
    return x;
  } else if constexpr (is_narrow_float<From>) {
    return cast<To>(From::format::decode(x.bits));  // widening is exact
  } else if constexpr (is_same<To, bool>) {
    return x != From(0);
  } else if constexpr (is_same<From, bool>) {
    return cast<To>(static_cast<int>(x));
  } else if constexpr (is_narrow_float<To>) {
    if constexpr (is_same<From, float>) {
      return To::from_bits(To::format::encode(x));
    } else if constexpr (sizeof(From) <= 2) {
      return To::from_bits(To::format::encode(static_cast<float>(x)));
    } else {
      return To::from_bits(To::format::encode(detail::to_float_odd(x)));  // avoids a double rounding
    }
  } else if constexpr (is_integer<To> && is_wide_float<From>) {
    if constexpr (sizeof(To) >= 4) {
      return detail::truncate<To>(x);
    } else {
      int wide = detail::truncate<int>(x);
      constexpr int low = lowest_integer<To>, high = highest_integer<To>;
      return static_cast<To>(wide < low ? low : wide > high ? high : wide);
    }
  } else {
    return static_cast<To>(x);
  }
}

namespace detail {

// Whether two floats convert to To in one instruction.
template <class To>
inline constexpr bool has_pair_conversion =
#if !defined(__CUDA_ARCH__)
    false;
#elif __CUDA_ARCH__ < 890
    is_narrow_float<To> && sizeof(To) == 2;
#else
    is_narrow_float<To> && (sizeof(To) == 2 || is_same<To, float8_e4m3_t> || is_same<To, float8_e5m2_t>);
#endif

}  // namespace detail

// N elements at once, in pairs where the target packs two in one instruction.
template <int N, class To, class From>
TL_FUNC void cast_array(To* to, const From* from) {
  if constexpr (N % 2 == 0 && is_same<From, float> && detail::has_pair_conversion<To>) {
#pragma unroll
    for (int i = 0; i < N; i += 2) {
      auto pair = To::format::encode_pair(from[i], from[i + 1]);
      to[i] = To::from_bits(static_cast<typename To::storage>(pair));
      to[i + 1] = To::from_bits(static_cast<typename To::storage>(pair >> (sizeof(To) * 8)));
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] = cast<To>(from[i]);
  }
}

namespace detail {

// For float8: one of the operands itself, since encoding infinity again would saturate.
template <class T>
TL_FUNC T lesser(T a, T b) {
  float x = float(a), y = float(b);
  if (x != x) return b;
  if (x == y) return a.bits >> (sizeof(T) * 8 - 1) ? a : b;
  return y < x ? b : a;
}
template <class T>
TL_FUNC T greater(T a, T b) {
  float x = float(a), y = float(b);
  if (x != x) return b;
  if (x == y) return a.bits >> (sizeof(T) * 8 - 1) ? b : a;
  return x < y ? b : a;
}

}  // namespace detail

// CUDA's fmin and fmax for floating types (a NaN yields the other operand), plain order for integers.
template <class T>
TL_FUNC T min(T a, T b) {
  if constexpr (is_same<T, half_t> || is_same<T, bfloat16_t>) {
    return T::from_bits(T::format::min(a.bits, b.bits));
  } else if constexpr (is_narrow_float<T>) {
    return detail::lesser(a, b);
  } else if constexpr (is_wide_float<T>) {
    return detail::float_min(a, b);
  } else {
    return b < a ? b : a;
  }
}

template <class T>
TL_FUNC T max(T a, T b) {
  if constexpr (is_same<T, half_t> || is_same<T, bfloat16_t>) {
    return T::from_bits(T::format::max(a.bits, b.bits));
  } else if constexpr (is_narrow_float<T>) {
    return detail::greater(a, b);
  } else if constexpr (is_wide_float<T>) {
    return detail::float_max(a, b);
  } else {
    return a < b ? b : a;
  }
}

}  // namespace tl

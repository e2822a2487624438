// Arithmetic and conversions with a rounding mode: to nearest even, toward zero, up, down, to nearest with halves away from
// zero, stochastic (CUDA C++ Programming Guide, "Intrinsic Functions"; IEEE 754-2019, 4.3).
#pragma once
#include <tl/math.h>
#include <tl/rounding_library.h>

namespace tl {

enum class rounding { rn, rz, ru, rd, rna };

#define TL_IEEE_BINARY(name)                                                              \
  template <rounding Mode, class T>                                                       \
  TL_FUNC T ieee_##name(T x, T y) {                                                       \
    static_assert(is_wide_float<T>, "operations with a rounding mode take float and double"); \
    return detail::directed_##name<static_cast<int>(Mode)>(x, y);                         \
  }
TL_IEEE_BINARY(add)
TL_IEEE_BINARY(sub)
TL_IEEE_BINARY(mul)
TL_IEEE_BINARY(div)
#undef TL_IEEE_BINARY

template <rounding Mode, class T>
TL_FUNC T ieee_fma(T x, T y, T z) {
  return detail::directed_fma<static_cast<int>(Mode)>(x, y, z);
}
template <rounding Mode, class T>
TL_FUNC T ieee_sqrt(T x) {
  return detail::directed_sqrt<static_cast<int>(Mode)>(x);
}
template <rounding Mode, class T>
TL_FUNC T ieee_rcp(T x) {
  return detail::directed_div<static_cast<int>(Mode)>(T(1), x);
}
TL_FUNC float ieee_rsqrt(float x) { return detail::nearest_rsqrt(x); }

namespace detail {

template <class T>
using bits_of = typename unsigned_of_size<sizeof(T)>::type;

// The neighbour of a finite number toward zero or away from it; floating formats count magnitudes in order.
template <class T>
TL_FUNC T neighbour(T x, bool away) {
  return reinterpret<T>(static_cast<bits_of<T>>(reinterpret<bits_of<T>>(x) + (away ? 1 : -1)));
}
template <class T>
TL_FUNC T with_sign_of(T magnitude, bool negative) {
  constexpr int top = sizeof(T) * 8 - 1;
  bits_of<T> bits = reinterpret<bits_of<T>>(magnitude);
  bits = static_cast<bits_of<T>>((bits & ~(bits_of<T>(1) << top)) | (bits_of<T>(negative) << top));
  return reinterpret<T>(bits);
}

// The largest magnitude of To that is not above that of x (x finite).
template <class To, class From>
TL_FUNC To toward_zero(From x) {
  To nearest = cast<To>(x);
  From back = cast<From>(nearest), magnitude = x < From(0) ? -x : x;
  if ((back < From(0) ? -back : back) > magnitude) nearest = neighbour(nearest, false);
  return with_sign_of(nearest, reinterpret<bits_of<From>>(x) >> (sizeof(From) * 8 - 1));
}

template <class T>
TL_FUNC T infinite() {
  if constexpr (sizeof(T) == 8) return reinterpret<T>(0x7ff0000000000000ull);
  else return reinterpret<T>(0x7f800000u);
}

// True if the neighbour of `x` away from zero is no finite number.
template <class T>
TL_FUNC bool exceeds_range(T x, bool away) {
  if constexpr (is_same<T, float8_e4m3_t>) return away && (x.bits & 0x7f) == 0x7e;
  else if constexpr (is_same<T, float8_e5m2_t>) return away && (x.bits & 0x7f) == 0x7b;
  else return false;  // the other formats have infinities for this
}

// What a number too large for To becomes.
template <class To, bool Saturate, class From>
TL_FUNC To overflowed(To nearest, From x) {
  if constexpr (is_narrow_float<To> && sizeof(To) == 1) {
    uint8_t code = is_same<To, float8_e4m3_t> ? (Saturate ? 0x7e : 0x7f) : (Saturate ? 0x7b : 0x7c);
    return To::from_bits(static_cast<uint8_t>(code | (x < From(0) ? 0x80 : 0)));
  } else {
    return nearest;
  }
}

// True if x rounds to a magnitude above the largest float8: 448 + 16 is the tie to 448 for e4m3, 57344 + 4096 for e5m2.
template <class To>
TL_FUNC bool beyond_float8(float x) {
  float magnitude = x < 0 ? -x : x;
  return is_same<To, float8_e4m3_t> ? magnitude > 464.0f : magnitude >= 61440.0f;
}

}  // namespace detail

// x, a float or double, as To. Without Saturate a float8 overflows to NaN (e4m3) or infinity (e5m2).
template <class To, rounding Mode, bool Saturate, class From>
TL_FUNC To cast_rounded(From x) {
  if constexpr (is_narrow_float<From>) {
    return cast_rounded<To, Mode, Saturate>(float(x));
  } else if constexpr (is_integer<To>) {
    From r = x;
    if constexpr (Mode == rounding::rn) r = nearbyint(x);
    if constexpr (Mode == rounding::ru) r = ceil(x);
    if constexpr (Mode == rounding::rd) r = floor(x);
    if constexpr (Mode == rounding::rna) r = round(x);
    return cast<To>(r);
  } else {
    To nearest = cast<To>(x);
    if (x != x) return nearest;
    const From infinite = detail::infinite<From>();
    if (x == infinite || x == -infinite) return detail::overflowed<To, Saturate>(nearest, x);
    if constexpr (Mode != rounding::rn) {
      To low = detail::toward_zero<To>(x);
      From below = cast<From>(low);
      if (below != x) {
        bool away = (Mode == rounding::ru && x > From(0)) || (Mode == rounding::rd && x < From(0));
        if constexpr (Mode == rounding::rna) {
          // Beyond the largest number the places go on as below it.
          From above = cast<From>(detail::neighbour(low, true)), step = above - below;
          if (!(step - step == From(0))) step = below - cast<From>(detail::neighbour(low, false));
          From middle = below + step / From(2);
          away = x > From(0) ? x >= middle : x <= middle;
        }
        nearest = away ? detail::neighbour(low, true) : low;
        if (detail::exceeds_range(low, away)) return detail::overflowed<To, Saturate>(low, x);
      } else {
        nearest = low;
      }
    } else if constexpr (!Saturate && is_narrow_float<To> && sizeof(To) == 1) {
      if (detail::beyond_float8<To>(float(x))) return detail::overflowed<To, false>(nearest, x);
    }
    return nearest;
  }
}

// Up with the probability of the part lost: `bits`, 32 random bits, against it.
template <class To, bool Saturate, class From>
TL_FUNC To cast_stochastic(From x, uint32_t bits) {
  if constexpr (is_narrow_float<From>) {
    return cast_stochastic<To, Saturate>(float(x), bits);
  } else {
    if (x != x || x - x != x - x) return cast_rounded<To, rounding::rn, Saturate>(x);
    To low = detail::toward_zero<To>(x);
    From below = cast<From>(low);
    if (below == x) return low;
    if (detail::exceeds_range(low, true)) return detail::overflowed<To, Saturate>(low, x);
    From above = cast<From>(detail::neighbour(low, true));
    From part = (x - below) / (above - below);
    return part * From(4294967296.0) > From(bits) ? detail::neighbour(low, true) : low;
  }
}

}  // namespace tl

// Integer operations that C++ leaves to the machine or defines differently from Python: division, shifts, bit counts.
#pragma once
#include <tl/traits.h>

namespace tl {

// Quotient rounded toward minus infinity, and its remainder (the sign of the divisor), for operands of any sign.
template <class T>
TL_FUNC T floordiv(T a, T b) {
  static_assert(is_integer<T>, "floordiv takes integers");
  T q = a / b;
  if constexpr (is_signed<T>) {
    if (q * b != a && ((a < 0) != (b < 0))) --q;
  }
  return q;
}

template <class T>
TL_FUNC T floormod(T a, T b) {
  static_assert(is_integer<T>, "floormod takes integers");
  T r = a % b;
  if constexpr (is_signed<T>) {
    if (r != 0 && ((r < 0) != (b < 0))) r += b;
  }
  return r;
}

// PTX shifts clamp the amount to the width (C++ leaves that undefined, x86 takes it modulo the width): bits shifted
// out are gone, a signed right shift ends at the sign. A negative amount reads as a huge unsigned one.
template <class T, class S>
TL_FUNC T shl(T x, S amount) {
  using U = typename unsigned_of_size<sizeof(T)>::type;
  constexpr unsigned width = sizeof(T) * 8;
  uint64_t n = static_cast<uint64_t>(amount);
  return n < width ? static_cast<T>(static_cast<U>(static_cast<uint64_t>(static_cast<U>(x)) << n)) : T(0);
}

template <class T, class S>
TL_FUNC T shr(T x, S amount) {
  constexpr unsigned width = sizeof(T) * 8;
  uint64_t n = static_cast<uint64_t>(amount);
  if constexpr (is_signed<T>) {
    return static_cast<T>(x >> (n < width ? n : width - 1));
  } else {
    return n < width ? static_cast<T>(x >> n) : T(0);
  }
}

}  // namespace tl

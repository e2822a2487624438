// Values that C++ has no literal for.
#pragma once
#include <tl/cast.h>

namespace tl {

template <class T>
TL_FUNC T infinity() {
  if constexpr (is_same<T, double>) return reinterpret<double>(0x7ff0000000000000ull);
  else if constexpr (is_same<T, float8_e5m2_t>) return T::from_bits(0x7c);  // a cast would saturate; e4m3 has no infinity
  else return cast<T>(reinterpret<float>(0x7f800000u));
}

template <class T>
TL_FUNC T quiet_nan() {
  if constexpr (is_same<T, double>) return reinterpret<double>(0x7ff8000000000000ull);
  else return cast<T>(reinterpret<float>(0x7fc00000u));
}

}  // namespace tl

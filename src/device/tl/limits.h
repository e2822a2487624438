// Values that C++ has no literal for.
#pragma once
#include <tl/cast.h>

namespace tl {

// That of 8-bit formats, which a cast would saturate; e4m3 has none.
template <class T>
inline constexpr uint8_t infinity_code = 0x7c;

template <class T>
TL_FUNC T infinity() {
  if constexpr (is_same<T, double>) return reinterpret<double>(0x7ff0000000000000ull);
  else if constexpr (sizeof(T) == 1) return T::from_bits(infinity_code<T>);
  else return cast<T>(reinterpret<float>(0x7f800000u));
}

template <class T>
TL_FUNC T quiet_nan() {
  if constexpr (is_same<T, double>) return reinterpret<double>(0x7ff8000000000000ull);
  else return cast<T>(reinterpret<float>(0x7fc00000u));
}

}  // namespace tl

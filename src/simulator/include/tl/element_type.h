// The number of an element type in the simulator's interface.
#pragma once
#include <tl/float_types.h>

namespace tl::detail {

template <class T>
constexpr int element_type() {
  if constexpr (is_integer<T> && sizeof(T) == 4) return is_signed<T> ? TL_SIM_TYPE_S32 : TL_SIM_TYPE_U32;
  if constexpr (is_integer<T> && sizeof(T) == 8) return is_signed<T> ? TL_SIM_TYPE_S64 : TL_SIM_TYPE_U64;
  if (is_same<T, half_t>) return TL_SIM_TYPE_F16;
  if (is_same<T, bfloat16_t>) return TL_SIM_TYPE_BF16;
  if (is_same<T, float>) return TL_SIM_TYPE_F32;
  if (is_same<T, double>) return TL_SIM_TYPE_F64;
  return -1;
}

}  // namespace tl::detail

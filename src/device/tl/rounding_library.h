// Directed rounding by CUDA's intrinsics; modes are 0 nearest even, 1 toward zero, 2 up, 3 down.
#pragma once
#include <tl/traits.h>

namespace tl::detail {

#define TL_DIRECTED(name, single, wide, parameters, arguments)                          \
  template <int Mode>                                                                   \
  TL_FUNC float directed_##name parameters(float) {                                     \
    static_assert(Mode < 4, "rn, rz, ru or rd");                                        \
    if constexpr (Mode == 0) return single##_rn arguments;                              \
    else if constexpr (Mode == 1) return single##_rz arguments;                         \
    else if constexpr (Mode == 2) return single##_ru arguments;                         \
    else return single##_rd arguments;                                                  \
  }                                                                                     \
  template <int Mode>                                                                   \
  TL_FUNC double directed_##name parameters(double) {                                   \
    static_assert(Mode < 4, "rn, rz, ru or rd");                                        \
    if constexpr (Mode == 0) return wide##_rn arguments;                                \
    else if constexpr (Mode == 1) return wide##_rz arguments;                           \
    else if constexpr (Mode == 2) return wide##_ru arguments;                           \
    else return wide##_rd arguments;                                                    \
  }
#define TL_ONE(T) (T x)
#define TL_TWO(T) (T x, T y)
#define TL_THREE(T) (T x, T y, T z)
TL_DIRECTED(add, __fadd, __dadd, TL_TWO, (x, y))
TL_DIRECTED(sub, __fsub, __dsub, TL_TWO, (x, y))
TL_DIRECTED(mul, __fmul, __dmul, TL_TWO, (x, y))
TL_DIRECTED(div, __fdiv, __ddiv, TL_TWO, (x, y))
TL_DIRECTED(fma, __fmaf, __fma, TL_THREE, (x, y, z))
TL_DIRECTED(sqrt, __fsqrt, __dsqrt, TL_ONE, (x))
#undef TL_DIRECTED
#undef TL_ONE
#undef TL_TWO
#undef TL_THREE

TL_FUNC float nearest_rsqrt(float x) { return __frsqrt_rn(x); }

}  // namespace tl::detail

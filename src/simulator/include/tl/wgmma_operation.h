// Which of tl_sim_wgmma_op multiplies A by B into C.
#pragma once
#include <tl/float_types.h>

namespace tl::detail {

template <class A, class B, class C>
constexpr int wgmma_operation() {
  if (is_same<A, half_t>) return is_same<C, half_t> ? TL_SIM_WGMMA_F16_F16 : TL_SIM_WGMMA_F16_F32;
  if (is_same<A, bfloat16_t>) return TL_SIM_WGMMA_BF16;
  if (is_same<A, float>) return TL_SIM_WGMMA_TF32;
  if constexpr (is_integer<A>) return TL_SIM_WGMMA_S8S8 + (is_signed<A> ? 0 : 2) + (is_signed<B> ? 0 : 1);
  constexpr int first = is_same<C, half_t> ? TL_SIM_WGMMA_E4E4_F16 : TL_SIM_WGMMA_E4E4_F32;
  return first + (is_same<A, float8_e4m3_t> ? 0 : 2) + (is_same<B, float8_e4m3_t> ? 0 : 1);
}

}  // namespace tl::detail

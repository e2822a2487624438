// Warp matrix multiply-accumulate, simulated; the fragment orders are described in src/device/tl/mma.h.
#pragma once
#include <tl/float_types.h>

namespace tl {
namespace detail {

template <class A, class B, class C>
constexpr int mma_operation() {
  if constexpr (is_same<A, half_t> && is_same<B, half_t>) {
    if constexpr (is_same<C, float>) return TL_SIM_MMA_F16_F32;
    if constexpr (is_same<C, half_t>) return TL_SIM_MMA_F16_F16;
  }
  if constexpr (is_same<A, bfloat16_t> && is_same<B, bfloat16_t> && is_same<C, float>) return TL_SIM_MMA_BF16;
  if constexpr (is_integer<A> && is_integer<B> && sizeof(A) == 1 && sizeof(B) == 1 && is_same<C, int32_t>) {
    return TL_SIM_MMA_S8S8 + (is_signed<A> ? 0 : 2) + (is_signed<B> ? 0 : 1);
  }
  if constexpr (is_narrow_float<A> && is_narrow_float<B> && sizeof(A) == 1 && sizeof(B) == 1 && is_same<C, float>) {
    return TL_SIM_MMA_E4E4 + (is_same<A, float8_e4m3_t> ? 0 : 2) + (is_same<B, float8_e4m3_t> ? 0 : 1);
  }
  return -1;
}

}  // namespace detail

template <class A, class B, class C>
inline void mma_m16n8k16(C* c, const A* a, const B* b, int site = __builtin_LINE()) {
  constexpr int operation = detail::mma_operation<A, B, C>();
  static_assert(sizeof(A) == 2 && operation >= 0, "mma_m16n8k16 takes half_t (to float or half_t) or bfloat16_t (to float)");
  tl_sim_mma(operation, c, a, b, site);
}

template <class A, class B, class C>
inline void mma_m16n8k8(C* c, const A* a, const B* b, int site = __builtin_LINE()) {
  static_assert(is_same<A, float> && is_same<B, float> && is_same<C, float>, "mma_m16n8k8 is tf32: float in, float out");
  tl_sim_mma(TL_SIM_MMA_TF32, c, a, b, site);
}

template <class A, class B, class C>
inline void mma_m16n8k32(C* c, const A* a, const B* b, int site = __builtin_LINE()) {
  constexpr int operation = detail::mma_operation<A, B, C>();
  static_assert(sizeof(A) == 1 && operation >= 0, "8-bit integers multiply to int32_t, 8-bit floats to float");
  tl_sim_mma(operation, c, a, b, site);
}

template <class A, class B, class C>
inline void mma_m8n8k4(C* c, const A* a, const B* b, int site = __builtin_LINE()) {
  static_assert(is_same<A, double> && is_same<B, double> && is_same<C, double>, "mma_m8n8k4 is double precision");
  tl_sim_mma(TL_SIM_MMA_F64, c, a, b, site);
}

inline void mma_ready(int site = __builtin_LINE()) { tl_sim_mma_ready(site); }

}  // namespace tl

// wgmma, simulated.
#pragma once
#include <tl/smem_address.h>
#include <tl/wgmma_operation.h>
#include <tl/wgmma_rules.h>

namespace tl {

inline void wgmma_fence(int site = __builtin_LINE()) { tl_sim_wgmma_fence(site); }
inline void wgmma_commit(int site = __builtin_LINE()) { tl_sim_wgmma_commit(site); }
template <int Pending>
inline void wgmma_wait(int site = __builtin_LINE()) {
  tl_sim_wgmma_wait(Pending, site);
}
template <int N, class C>
inline void wgmma_pin(C*) {}

namespace detail {

template <bool TransA, bool TransB, int ScaleA, int ScaleB>
constexpr int wgmma_flags(bool accumulate) {
  return (accumulate ? TL_SIM_WGMMA_ACCUMULATE : 0) | (ScaleA < 0 ? TL_SIM_WGMMA_NEGATE_A : 0) | (ScaleB < 0 ? TL_SIM_WGMMA_NEGATE_B : 0) |
         (TransA ? TL_SIM_WGMMA_TRANS_A : 0) | (TransB ? TL_SIM_WGMMA_TRANS_B : 0);
}

template <class A, class B, int N, bool TransA, bool TransB, int ScaleA, int ScaleB, class C>
inline void wgmma_ss(C* d, uint64_t a, uint64_t b, bool accumulate, int site) {
  tl_sim_wgmma(wgmma_operation<A, B, C>(), N, d, nullptr, a, b, wgmma_flags<TransA, TransB, ScaleA, ScaleB>(accumulate), site);
}
template <class A, class B, int N, bool TransB, int ScaleA, int ScaleB, class C>
inline void wgmma_rs(C* d, const A* a, uint64_t b, bool accumulate, int site) {
  tl_sim_wgmma(wgmma_operation<A, B, C>(), N, d, a, 0, b, wgmma_flags<false, TransB, ScaleA, ScaleB>(accumulate), site);
}

template <class A, class B, int N, bool TransA, bool TransB, int Steps, int StrideA, int StrideB, int HalfA, int HalfB, class C>
inline void wgmma_ss_steps(C* d, uint64_t a, uint64_t b, bool accumulate, int site) {
  for (int s = 0; s < Steps; ++s) {
    const int half = s / (Steps / 2), step = s % (Steps / 2);
    const uint64_t at = a + ((half * HalfA + step * StrideA) >> 4), bt = b + ((half * HalfB + step * StrideB) >> 4);
    detail::wgmma_ss<A, B, N, TransA, TransB, 1, 1>(d, at, bt, s > 0 || accumulate, site);
  }
}
template <class A, class B, int N, bool TransB, int Steps, int StrideB, int HalfB, class C>
inline void wgmma_rs_steps(C* d, const A* a, uint64_t b, bool accumulate, int site) {
  for (int s = 0; s < Steps; ++s) {
    const uint64_t bt = b + ((s / (Steps / 2) * HalfB + s % (Steps / 2) * StrideB) >> 4);
    detail::wgmma_rs<A, B, N, TransB, 1, 1>(d, a + s * (16 / sizeof(A)), bt, s > 0 || accumulate, site);
  }
}

}  // namespace detail

}  // namespace tl

// Sparse wgmma, simulated.
#pragma once
#include <tl/wgmma_access.h>

namespace tl::detail {

template <class A, class B, int N, bool TransA, bool TransB, int Selector, int ScaleA, int ScaleB, class C>
inline void wgmma_sp_ss(C* d, uint64_t a, uint64_t b, uint32_t metadata, bool accumulate, int site) {
  const int flags = wgmma_flags<TransA, TransB, ScaleA, ScaleB>(accumulate);
  tl_sim_wgmma_sp(wgmma_operation<A, B, C>(), N, d, nullptr, a, b, metadata, Selector, flags, site);
}
template <class A, class B, int N, bool TransB, int Selector, int ScaleA, int ScaleB, class C>
inline void wgmma_sp_rs(C* d, const A* a, uint64_t b, uint32_t metadata, bool accumulate, int site) {
  const int flags = wgmma_flags<false, TransB, ScaleA, ScaleB>(accumulate);
  tl_sim_wgmma_sp(wgmma_operation<A, B, C>(), N, d, a, 0, b, metadata, Selector, flags, site);
}

}  // namespace tl::detail

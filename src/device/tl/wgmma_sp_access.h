// Sparse wgmma instructions of a GPU; <tl/wgmma_sp.h> says what they mean.
#pragma once
#include <tl/wgmma_access.h>

#if TL_HOPPER

namespace tl::detail {

// One specialization for each N, in <tl/wgmma_sp/m64n<N>.h>.
template <int N>
struct wgmma_sp_shape;

template <class A, class B, int N, bool TransA, bool TransB, int Selector, int ScaleA, int ScaleB, class C>
TL_FUNC void wgmma_sp_ss(C* d, uint64_t a, uint64_t b, uint32_t metadata, bool accumulate) {
  if constexpr (is_same<C, half_t>) {
    auto* halves = reinterpret_cast<uint32_t*>(d);
    wgmma_sp_shape<N>::template ss_half<A, B, TransA, TransB, Selector, ScaleA, ScaleB>(halves, a, b, metadata, accumulate);
  } else {
    wgmma_sp_shape<N>::template ss<A, B, TransA, TransB, Selector, ScaleA, ScaleB>(d, a, b, metadata, accumulate);
  }
}
template <class A, class B, int N, bool TransB, int Selector, int ScaleA, int ScaleB, class C>
TL_FUNC void wgmma_sp_rs(C* d, const A* elements, uint64_t b, uint32_t metadata, bool accumulate) {
  uint32_t a[4];
  __builtin_memcpy(a, elements, sizeof(a));
  if constexpr (is_same<C, half_t>) {
    auto* halves = reinterpret_cast<uint32_t*>(d);
    wgmma_sp_shape<N>::template rs_half<A, B, TransB, Selector, ScaleA, ScaleB>(halves, a, b, metadata, accumulate);
  } else {
    wgmma_sp_shape<N>::template rs<A, B, TransB, Selector, ScaleA, ScaleB>(d, a, b, metadata, accumulate);
  }
}

}  // namespace tl::detail

#endif

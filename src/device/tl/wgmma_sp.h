// Warpgroup matrix multiply-accumulate with a 2:4 sparse A (PTX ISA 9.7.15.6 "wgmma.mma_async.sp"). As <tl/wgmma.h>, with K of 64
// bytes: A is the tile of kept elements, 64 x K/2, B is K x N. A K-major B needs a swizzle of at least 64 bytes, or none.
// Include <tl/wgmma_sp/m64n<N>.h> for each N in use.
//   metadata  each warp's is that of <tl/mma_sp.h> for its own 16 rows, with the same Selector
#pragma once
#include <tl/sparse_metadata.h>
#include <tl/wgmma.h>
#include <tl/wgmma_sp_access.h>

#if TL_HOPPER

namespace tl {

template <class A, class B, int N, bool TransA = false, bool TransB = false, int Selector = 0, int ScaleA = 1, int ScaleB = 1, class C>
TL_FUNC void wgmma_sp_ss(C* d, uint64_t a, uint64_t b, uint32_t metadata, bool accumulate TL_SITE_PARAMETER) {
  detail::check_wgmma<A, B, C, N, TransA, TransB, ScaleA, ScaleB>();
  static_assert(Selector == 0 || (Selector == 1 && sizeof(A) > 1), "the selector is 0, or 1 for elements of 16 and 32 bits");
  detail::wgmma_sp_ss<A, B, N, TransA, TransB, Selector, ScaleA, ScaleB>(d, a, b, metadata, accumulate TL_SITE_ARGUMENT);
}

// A in registers, which must not change until the group has been waited for.
template <class A, class B, int N, bool TransB = false, int Selector = 0, int ScaleA = 1, int ScaleB = 1, class C>
TL_FUNC void wgmma_sp_rs(C* d, const A* a, uint64_t b, uint32_t metadata, bool accumulate TL_SITE_PARAMETER) {
  detail::check_wgmma<A, B, C, N, false, TransB, ScaleA, ScaleB>();
  static_assert(Selector == 0 || (Selector == 1 && sizeof(A) > 1), "the selector is 0, or 1 for elements of 16 and 32 bits");
  detail::wgmma_sp_rs<A, B, N, TransB, Selector, ScaleA, ScaleB>(d, a, b, metadata, accumulate TL_SITE_ARGUMENT);
}

}  // namespace tl

#endif

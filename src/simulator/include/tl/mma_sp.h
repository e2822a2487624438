// Sparse warp matrix multiply-accumulate, simulated; the fragment orders are described in src/device/tl/mma_sp.h.
#pragma once
#include <tl/mma.h>
#include <tl/sparse_metadata.h>
#include <tl/wgmma_operation.h>

namespace tl {

template <int Selector = 0, class A, class B, class C>
inline void mma_sp_m16n8k32(C* c, const A* a, const B* b, uint32_t metadata, int site = __builtin_LINE()) {
  static_assert(is_same<A, B> && ((is_same<A, half_t> && (is_same<C, float> || is_same<C, half_t>)) ||
                                  (is_same<A, bfloat16_t> && is_same<C, float>)),
                "mma_sp_m16n8k32 takes half_t (to float or half_t) or bfloat16_t (to float)");
  static_assert(Selector == 0 || Selector == 1, "the selector names a pair of threads: 0 or 1");
  tl_sim_mma_sp(detail::wgmma_operation<A, B, C>(), c, a, b, metadata, Selector, site);
}

template <int Selector = 0, class A, class B, class C>
inline void mma_sp_m16n8k16(C* c, const A* a, const B* b, uint32_t metadata, int site = __builtin_LINE()) {
  static_assert(is_same<A, float> && is_same<B, float> && is_same<C, float>, "mma_sp_m16n8k16 is tf32: float in, float out");
  static_assert(Selector == 0 || Selector == 1, "the selector names a pair of threads: 0 or 1");
  float rounded[8];
  for (int i = 0; i < 8; ++i) {  // cvt.rna.tf32
    const uint32_t bits = reinterpret<uint32_t>(i < 4 ? a[i] : b[i - 4]);
    rounded[i] = reinterpret<float>((bits & 0x7f800000u) != 0x7f800000u ? (bits + 0x1000u) & ~0x1fffu : bits);
  }
  tl_sim_mma_sp(TL_SIM_WGMMA_TF32, c, rounded, rounded + 4, metadata, Selector, site);
}

template <int Selector = 0, class A, class B, class C>
inline void mma_sp_m16n8k64(C* c, const A* a, const B* b, uint32_t metadata, int site = __builtin_LINE()) {
  static_assert(sizeof(A) == 1 && sizeof(B) == 1 && is_integer<A> == is_integer<B> &&
                    (is_integer<A> ? is_same<C, int32_t> : is_narrow_float<A> && is_narrow_float<B> && is_same<C, float>),
                "8-bit integers multiply to int32_t, 8-bit floats to float");
  static_assert(Selector == 0, "all four threads of a group hold metadata: the selector is 0");
  tl_sim_mma_sp(detail::wgmma_operation<A, B, C>(), c, a, b, metadata, Selector, site);
}

}  // namespace tl

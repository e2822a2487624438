// Warp matrix multiply-accumulate with a 2:4 sparse A: C += A * B (PTX ISA 9.7.14.6 "mma.sp"). A holds the kept elements: of each
// four neighbours along K two, of 32-bit ones one of each two. Fragments, with g = lane/4, t = lane%4:
//   a, c     those of the dense instruction of half of K in <tl/mma.h>
//   b        two of its fragments: the first half of K, then the second
//   metadata four bits for each four neighbours (two of 32 bits), lowest K first: the index of the first kept element and, two bits
//            up, of the second, which is larger; of 32-bit elements 0b0100 the first or 0b1110 the second
//     16, 32 bits  t = 2 Selector holds the first half of K, t = 2 Selector + 1 the second: bits 0-15 row g, bits 16-31 row g+8
//     8 bits       t = 0 row g and t = 1 row g+8 of the first half of K, t = 2 and 3 of the second; Selector is 0
#pragma once
#include <tl/mma.h>
#include <tl/sparse_metadata.h>

namespace tl {

#define TL_MMA_SP(constraint, instruction, c, a, b)                                                                              \
  asm volatile("mma.sp::ordered_metadata.sync.aligned." instruction " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9,%10,%11}, "           \
               "{%0,%1,%2,%3}, %12, %13;"                                                                                        \
               : constraint(c[0]), constraint(c[1]), constraint(c[2]), constraint(c[3])                                          \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]), "r"(metadata), "n"(Selector))

// half_t x half_t -> float or half_t; bfloat16_t x bfloat16_t -> float.
template <int Selector = 0, class A, class B, class C>
TL_FUNC void mma_sp_m16n8k32(C* c, const A* a_elements, const B* b_elements, uint32_t metadata) {
  static_assert(is_same<A, B> && ((is_same<A, half_t> && (is_same<C, float> || is_same<C, half_t>)) ||
                                  (is_same<A, bfloat16_t> && is_same<C, float>)),
                "mma_sp_m16n8k32 takes half_t (to float or half_t) or bfloat16_t (to float)");
  static_assert(Selector == 0 || Selector == 1, "the selector names a pair of threads: 0 or 1");
  detail::registers<4> a(a_elements), b(b_elements);
  if constexpr (is_same<C, half_t>) {
    detail::registers<2> d(c);
    asm volatile("mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, {%6,%7,%8,%9}, "
                 "{%0,%1}, %10, %11;"
                 : "+r"(d.word[0]), "+r"(d.word[1])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(b[2]), "r"(b[3]), "r"(metadata), "n"(Selector));
    __builtin_memcpy(c, d.word, sizeof(d.word));
  } else if constexpr (is_same<A, half_t>) {
    TL_MMA_SP("+f", "m16n8k32.row.col.f32.f16.f16.f32", c, a, b);
  } else {
    TL_MMA_SP("+f", "m16n8k32.row.col.f32.bf16.bf16.f32", c, a, b);
  }
}

// float x float in tf32: each operand is first rounded to 10 mantissa bits, ties away from zero (cvt.rna.tf32).
template <int Selector = 0, class A, class B, class C>
TL_FUNC void mma_sp_m16n8k16(C* c, const A* a_elements, const B* b_elements, uint32_t metadata) {
  static_assert(is_same<A, float> && is_same<B, float> && is_same<C, float>, "mma_sp_m16n8k16 is tf32: float in, float out");
  static_assert(Selector == 0 || Selector == 1, "the selector names a pair of threads: 0 or 1");
  uint32_t a[4], b[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(a[i]) : "f"(a_elements[i]));
#pragma unroll
  for (int i = 0; i < 4; ++i) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(b[i]) : "f"(b_elements[i]));
  TL_MMA_SP("+f", "m16n8k16.row.col.f32.tf32.tf32.f32", c, a, b);
}

// int8_t and uint8_t in any mix -> int32_t (wraps); float8_e4m3_t and float8_e5m2_t in any mix -> float (sm_89 on).
template <int Selector = 0, class A, class B, class C>
TL_FUNC void mma_sp_m16n8k64(C* c, const A* a_elements, const B* b_elements, uint32_t metadata) {
  static_assert(Selector == 0, "all four threads of a group hold metadata: the selector is 0");
  detail::registers<4> a(a_elements), b(b_elements);
  if constexpr (is_integer<A>) {
    static_assert(sizeof(A) == 1 && sizeof(B) == 1 && is_integer<B> && is_same<C, int32_t>, "8-bit integers multiply to int32_t");
    if constexpr (is_signed<A> && is_signed<B>) TL_MMA_SP("+r", "m16n8k64.row.col.s32.s8.s8.s32", c, a, b);
    if constexpr (is_signed<A> && !is_signed<B>) TL_MMA_SP("+r", "m16n8k64.row.col.s32.s8.u8.s32", c, a, b);
    if constexpr (!is_signed<A> && is_signed<B>) TL_MMA_SP("+r", "m16n8k64.row.col.s32.u8.s8.s32", c, a, b);
    if constexpr (!is_signed<A> && !is_signed<B>) TL_MMA_SP("+r", "m16n8k64.row.col.s32.u8.u8.s32", c, a, b);
  } else {
    static_assert(is_narrow_float<A> && is_narrow_float<B> && sizeof(A) == 1 && sizeof(B) == 1 && is_same<C, float>,
                  "8-bit floats multiply to float");
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 890
    static_assert(sizeof(A) == 0, "float8 matrix instructions need sm_89 or newer");
#else
    constexpr bool a4 = is_same<A, float8_e4m3_t>, b4 = is_same<B, float8_e4m3_t>;
    if constexpr (a4 && b4) TL_MMA_SP("+f", "m16n8k64.row.col.f32.e4m3.e4m3.f32", c, a, b);
    if constexpr (a4 && !b4) TL_MMA_SP("+f", "m16n8k64.row.col.f32.e4m3.e5m2.f32", c, a, b);
    if constexpr (!a4 && b4) TL_MMA_SP("+f", "m16n8k64.row.col.f32.e5m2.e4m3.f32", c, a, b);
    if constexpr (!a4 && !b4) TL_MMA_SP("+f", "m16n8k64.row.col.f32.e5m2.e5m2.f32", c, a, b);
#endif
  }
}

#undef TL_MMA_SP

}  // namespace tl

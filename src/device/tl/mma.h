// Warp matrix multiply-accumulate, C += A * B with A row-major and B column-major (PTX ISA 9.7.14.5 "mma").
// Fragments are element arrays, 16-byte aligned, in the order of the PTX ISA's figures. With g = lane/4, t = lane%4:
//   m16n8k16 16-bit  a[8]: rows g, g, g+8, g+8, g, g, g+8, g+8; columns 2t+{0,1}, same, 8+2t+{0,1}, same
//                    b[4]: rows 2t+{0,1}, 8+2t+{0,1}; column g
//   m16n8k8 tf32     a[4]: rows g, g+8, g, g+8; columns t, t, t+4, t+4        b[2]: rows t, t+4; column g
//   m16n8k32 8-bit   a[16]: rows g, g+8, g, g+8, four columns each: 4t.., 4t.., 16+4t.., 16+4t..
//                    b[8]: rows 4t.., 16+4t..; column g
//   m8n8k4 f64       a[1]: row g, column t     b[1]: row t, column g          c[2]: row g, columns 2t+{0,1}
//   c[4] of the m16n8 shapes: rows g, g, g+8, g+8; columns 2t+{0,1}, same
#pragma once
#include <tl/float_types.h>

namespace tl {
namespace detail {

// The operands as 32-bit registers.
template <int Words>
struct registers {
  uint32_t word[Words];
  template <class T>
  TL_FUNC explicit registers(const T* elements) {
    __builtin_memcpy(word, elements, sizeof(word));
  }
  TL_FUNC uint32_t operator[](int i) const { return word[i]; }
};

}  // namespace detail

#define TL_MMA_F32(instruction, c, a, b)                                                                                  \
  asm volatile("mma.sync.aligned." instruction " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                   \
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                                           \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#define TL_MMA_S32(instruction, c, a, b)                                                                                  \
  asm volatile("mma.sync.aligned." instruction " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                   \
               : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])                                                           \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

// half_t x half_t -> float or half_t; bfloat16_t x bfloat16_t -> float.
template <class A, class B, class C>
TL_FUNC void mma_m16n8k16(C* c, const A* a_elements, const B* b_elements) {
  static_assert(is_same<A, B> && ((is_same<A, half_t> && (is_same<C, float> || is_same<C, half_t>)) ||
                                  (is_same<A, bfloat16_t> && is_same<C, float>)),
                "mma_m16n8k16 takes half_t (to float or half_t) or bfloat16_t (to float)");
  detail::registers<4> a(a_elements);
  detail::registers<2> b(b_elements);
  if constexpr (is_same<C, half_t>) {
    detail::registers<2> d(c);
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, {%6,%7}, {%0,%1};"
                 : "+r"(d.word[0]), "+r"(d.word[1])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    __builtin_memcpy(c, d.word, sizeof(d.word));
  } else if constexpr (is_same<A, half_t>) {
    TL_MMA_F32("m16n8k16.row.col.f32.f16.f16.f32", c, a, b);
  } else {
    TL_MMA_F32("m16n8k16.row.col.f32.bf16.bf16.f32", c, a, b);
  }
}

// float x float in tf32: each operand is first rounded to 10 mantissa bits, ties away from zero (cvt.rna.tf32).
template <class A, class B, class C>
TL_FUNC void mma_m16n8k8(C* c, const A* a_elements, const B* b_elements) {
  static_assert(is_same<A, float> && is_same<B, float> && is_same<C, float>, "mma_m16n8k8 is tf32: float in, float out");
  uint32_t a[4], b[2];
#pragma unroll
  for (int i = 0; i < 4; ++i) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(a[i]) : "f"(a_elements[i]));
#pragma unroll
  for (int i = 0; i < 2; ++i) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(b[i]) : "f"(b_elements[i]));
  TL_MMA_F32("m16n8k8.row.col.f32.tf32.tf32.f32", c, a, b);
}

// int8_t and uint8_t in any mix -> int32_t (wraps); float8_e4m3_t and float8_e5m2_t in any mix -> float (sm_89 on).
template <class A, class B, class C>
TL_FUNC void mma_m16n8k32(C* c, const A* a_elements, const B* b_elements) {
  detail::registers<4> a(a_elements);
  detail::registers<2> b(b_elements);
  if constexpr (is_integer<A>) {
    static_assert(sizeof(A) == 1 && sizeof(B) == 1 && is_integer<B> && is_same<C, int32_t>, "8-bit integers multiply to int32_t");
    if constexpr (is_signed<A> && is_signed<B>) TL_MMA_S32("m16n8k32.row.col.s32.s8.s8.s32", c, a, b);
    if constexpr (is_signed<A> && !is_signed<B>) TL_MMA_S32("m16n8k32.row.col.s32.s8.u8.s32", c, a, b);
    if constexpr (!is_signed<A> && is_signed<B>) TL_MMA_S32("m16n8k32.row.col.s32.u8.s8.s32", c, a, b);
    if constexpr (!is_signed<A> && !is_signed<B>) TL_MMA_S32("m16n8k32.row.col.s32.u8.u8.s32", c, a, b);
  } else {
    static_assert(is_narrow_float<A> && is_narrow_float<B> && sizeof(A) == 1 && sizeof(B) == 1 && is_same<C, float>,
                  "8-bit floats multiply to float");
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 890
    static_assert(sizeof(A) == 0, "float8 matrix instructions need sm_89 or newer");
#else
    constexpr bool a4 = is_same<A, float8_e4m3_t>, b4 = is_same<B, float8_e4m3_t>;
    if constexpr (a4 && b4) TL_MMA_F32("m16n8k32.row.col.f32.e4m3.e4m3.f32", c, a, b);
    if constexpr (a4 && !b4) TL_MMA_F32("m16n8k32.row.col.f32.e4m3.e5m2.f32", c, a, b);
    if constexpr (!a4 && b4) TL_MMA_F32("m16n8k32.row.col.f32.e5m2.e4m3.f32", c, a, b);
    if constexpr (!a4 && !b4) TL_MMA_F32("m16n8k32.row.col.f32.e5m2.e5m2.f32", c, a, b);
#endif
  }
}

template <class A, class B, class C>
TL_FUNC void mma_m8n8k4(C* c, const A* a, const B* b) {
  static_assert(is_same<A, double> && is_same<B, double> && is_same<C, double>, "mma_m8n8k4 is double precision");
  asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};"
               : "+d"(c[0]), "+d"(c[1])
               : "d"(a[0]), "d"(b[0]));
}

#undef TL_MMA_F32
#undef TL_MMA_S32

// Call before accumulators are read or written by anything but mma: the simulator defers matrix instructions until then.
TL_FUNC void mma_ready() {}

}  // namespace tl

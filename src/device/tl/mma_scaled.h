// Warp matrix multiply-accumulate whose operands have block scales, sm_120a: C += (A * SA) * (B * SB) (PTX ISA 9.7.14.3 "Block Scaling
// for mma.sync"). Each row of A and each column of B is 1, 2 or 4 blocks along K with a scale each. Fragments, with g = lane/4, t = lane%4:
//   m16n8k64 4-bit   16 bytes of A, 8 of B, two elements a byte, the first in the low nibble: as bytes those of m16n8k32 in <tl/mma.h>
//   m16n8k32 8-bit   those of m16n8k32 in <tl/mma.h>
//   scales           a byte a block, lowest K in the lowest: of A those of row g + 8 * (t%2), of B those of column g. The instruction
//                    reads those of t = 0 and 1, of t = 0 (byte and thread selectors {0, 0})
#pragma once
#include <tl/mma.h>
#include <tl/mma_scaled_rules.h>

namespace tl {

#define TL_MMA_SCALED(instruction, c, a, b, sa, sb)                                                                                 \
  asm volatile("mma.sync.aligned." instruction " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3}, %10, {0,0}, %11, {0,0};"     \
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                                                     \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(sa), "r"(sb))

// Pairs of float4_e2m1fn; scales are the codes of Scale: float8_e4m3_t without signs, four blocks of 16 elements (NVFP4), or
// float8_e8m0_t, two of 32 (MXFP4).
template <class Scale>
TL_FUNC void mma_scaled_m16n8k64(float* c, const uint8_t* a_pairs, const uint8_t* b_pairs, uint32_t sa, uint32_t sb) {
  detail::registers<4> a(a_pairs);
  detail::registers<2> b(b_pairs);
  if constexpr (detail::scale_blocks<Scale>() == 4) {
    TL_MMA_SCALED("m16n8k64.row.col.kind::mxf4nvf4.block_scale.scale_vec::4X.f32.e2m1.e2m1.f32.ue4m3", c, a, b, sa, sb);
  } else {
    TL_MMA_SCALED("m16n8k64.row.col.kind::mxf4.block_scale.scale_vec::2X.f32.e2m1.e2m1.f32.ue8m0", c, a, b, sa, sb);
  }
}

#define TL_MMA_SCALED_8(a_type, b_type) \
  TL_MMA_SCALED("m16n8k32.row.col.kind::mxf8f6f4.block_scale.scale_vec::1X.f32." a_type "." b_type ".f32.ue8m0", c, a, b, sa, sb)

// float8_e4m3_t and float8_e5m2_t in any mix, one block: the lowest byte of a scale register is a float8_e8m0_t.
template <class A, class B>
TL_FUNC void mma_scaled_m16n8k32(float* c, const A* a_elements, const B* b_elements, uint32_t sa, uint32_t sb) {
  detail::check_scaled_operands<A, B>();
  detail::registers<4> a(a_elements);
  detail::registers<2> b(b_elements);
  constexpr bool a4 = is_same<A, float8_e4m3_t>, b4 = is_same<B, float8_e4m3_t>;
  if constexpr (a4 && b4) TL_MMA_SCALED_8("e4m3", "e4m3");
  if constexpr (a4 && !b4) TL_MMA_SCALED_8("e4m3", "e5m2");
  if constexpr (!a4 && b4) TL_MMA_SCALED_8("e5m2", "e4m3");
  if constexpr (!a4 && !b4) TL_MMA_SCALED_8("e5m2", "e5m2");
}

#undef TL_MMA_SCALED_8
#undef TL_MMA_SCALED

}  // namespace tl

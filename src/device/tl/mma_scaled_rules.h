// Which operands the block-scaled matrix instructions of a warp take (PTX ISA 9.7.14.3, table "Valid combinations of .scale_vec_size and
// .kind qualifier").
#pragma once
#include <tl/small_float.h>

namespace tl::detail {

// Blocks along K of one m16n8k64 whose scales have a type.
template <class Scale>
TL_FUNC constexpr int scale_blocks() {
  static_assert(is_same<Scale, float8_e4m3_t> || is_same<Scale, float8_e8m0_t>, "scales of 4-bit floats are float8_e4m3_t or float8_e8m0_t");
  return is_same<Scale, float8_e4m3_t> ? 4 : 2;
}

template <class A, class B>
TL_FUNC constexpr void check_scaled_operands() {
  static_assert((is_same<A, float8_e4m3_t> || is_same<A, float8_e5m2_t>) && (is_same<B, float8_e4m3_t> || is_same<B, float8_e5m2_t>),
                "mma_scaled_m16n8k32 takes float8_e4m3_t and float8_e5m2_t, with scales of float8_e8m0_t");
}

}  // namespace tl::detail

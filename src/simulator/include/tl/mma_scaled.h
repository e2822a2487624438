// Block-scaled warp matrix multiply-accumulate, simulated; the fragment orders are described in src/device/tl/mma_scaled.h.
#pragma once
#include <tl/mma.h>
#include <tl/mma_scaled_rules.h>

namespace tl {

template <class Scale>
inline void mma_scaled_m16n8k64(float* c, const uint8_t* a, const uint8_t* b, uint32_t sa, uint32_t sb, int site = __builtin_LINE()) {
  tl_sim_mma_scaled(detail::scale_blocks<Scale>() == 4 ? TL_SIM_MMA_SCALED_NVF4 : TL_SIM_MMA_SCALED_MXF4, c, a, b, sa, sb, site);
}

template <class A, class B>
inline void mma_scaled_m16n8k32(float* c, const A* a, const B* b, uint32_t sa, uint32_t sb, int site = __builtin_LINE()) {
  detail::check_scaled_operands<A, B>();
  constexpr int operation = TL_SIM_MMA_SCALED_E4E4 + (is_same<A, float8_e4m3_t> ? 0 : 2) + (is_same<B, float8_e4m3_t> ? 0 : 1);
  tl_sim_mma_scaled(operation, c, a, b, sa, sb, site);
}

}  // namespace tl

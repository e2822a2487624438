// tcgen05, simulated.
#pragma once
#include <tl/smem_address.h>
#include <tl/tcgen05_rules.h>

namespace tl {
namespace detail {

template <int Columns, int Group>
inline void tcgen05_alloc(uint32_t* address, int site) {
  tl_sim_tcgen05_alloc(address, Columns, Group, site);
}
template <int Columns, int Group>
inline void tcgen05_dealloc(uint32_t address, int site) {
  tl_sim_tcgen05_dealloc(address, Columns, Group, site);
}
template <int Group>
inline void tcgen05_relinquish(int site) {
  tl_sim_tcgen05_relinquish(Group, site);
}
inline void tcgen05_fence_before(int site) { tl_sim_tcgen05_fence(0, site); }
inline void tcgen05_fence_after(int site) { tl_sim_tcgen05_fence(1, site); }
inline void tcgen05_wait_ld(int site) { tl_sim_tcgen05_wait(0, site); }
inline void tcgen05_wait_st(int site) { tl_sim_tcgen05_wait(1, site); }
template <int Columns, class T>
inline void tcgen05_ld(T* registers, uint32_t address, int site) {
  tl_sim_tcgen05_ld(registers, address, Columns, TL_SIM_TCGEN05_32X32B, 0, site);
}
template <int Columns, class T>
inline void tcgen05_st(uint32_t address, const T* registers, int site) {
  tl_sim_tcgen05_st(address, registers, Columns, TL_SIM_TCGEN05_32X32B, 0, site);
}

template <tcgen05_kind Kind, int Group>
inline void tcgen05_mma_ss(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction, bool accumulate, int site) {
  const tl_sim_tcgen05_product product{Kind, Group, accumulate, 0, d, instruction, a, b, 0, 0, {}, 0};
  tl_sim_tcgen05_mma(&product, site);
}
template <tcgen05_kind Kind, int Group>
inline void tcgen05_mma_ts(uint32_t d, uint32_t a, uint64_t b, uint32_t instruction, bool accumulate, int site) {
  const tl_sim_tcgen05_product product{Kind, Group, accumulate, 1, d, instruction, a, b, 0, 0, {}, 0};
  tl_sim_tcgen05_mma(&product, site);
}
template <tcgen05_kind Kind>
inline void tcgen05_mma_masked_ss(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction, bool accumulate, const uint32_t* kept, int site) {
  const tl_sim_tcgen05_product product{Kind, 1, accumulate, 0, d, instruction, a, b, 0, 0, {kept[0], kept[1], kept[2], kept[3]}, 0};
  tl_sim_tcgen05_mma(&product, site);
}
template <tcgen05_kind Kind>
inline void tcgen05_mma_masked_ts(uint32_t d, uint32_t a, uint64_t b, uint32_t instruction, bool accumulate, const uint32_t* kept, int site) {
  const tl_sim_tcgen05_product product{Kind, 1, accumulate, 1, d, instruction, a, b, 0, 0, {kept[0], kept[1], kept[2], kept[3]}, 0};
  tl_sim_tcgen05_mma(&product, site);
}
template <tcgen05_kind Kind>
inline void tcgen05_mma_wide_ss(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction, bool accumulate, int site) {
  const tl_sim_tcgen05_product product{Kind, 1, accumulate, 0, d, instruction, a, b, 0, 0, {}, 1};
  tl_sim_tcgen05_mma(&product, site);
}
template <tcgen05_kind Kind>
inline void tcgen05_mma_wide_ts(uint32_t d, uint32_t a, uint64_t b, uint32_t instruction, bool accumulate, int site) {
  const tl_sim_tcgen05_product product{Kind, 1, accumulate, 1, d, instruction, a, b, 0, 0, {}, 1};
  tl_sim_tcgen05_mma(&product, site);
}
template <int Group>
inline void tcgen05_mma_scaled(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction, uint32_t scale_a, uint32_t scale_b, bool accumulate,
                               int site) {
  const tl_sim_tcgen05_product product{tcgen05_mxf8f6f4, Group, accumulate, 0, d, instruction, a, b, scale_a, scale_b, {}, 0};
  tl_sim_tcgen05_mma(&product, site);
}
template <int Group>
inline void tcgen05_cp_warpx4(uint32_t address, uint64_t rows, int site) {
  tl_sim_tcgen05_cp(address, rows, Group, site);
}
template <int Group>
inline void tcgen05_shift(uint32_t address, int site) {
  tl_sim_tcgen05_shift(address, Group, site);
}
template <int Group>
inline void tcgen05_commit(uint64_t* barrier, int site) {
  tl_sim_tcgen05_commit(barrier, Group, 0, site);
}
inline void tcgen05_commit_pair(uint64_t* barrier, uint16_t blocks, int site) { tl_sim_tcgen05_commit(barrier, 2, blocks, site); }

}  // namespace detail

template <int Columns, class T>
inline void tcgen05_pin(T*) {}

}  // namespace tl

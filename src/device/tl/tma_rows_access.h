// Copies of four rows of a GPU; <tl/tma_rows.h> says what they mean.
#pragma once
#include <tl/tma_access.h>

#if TL_BLACKWELL

namespace tl::detail {

#define TL_TMA_ROWS "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]), "r"(c[4])

template <bool Hint>
TL_FUNC void gather_rows(void* smem, map_argument map, uint64_t* barrier, const int32_t* c, uint64_t policy) {
  const uint32_t target = smem_address(smem), signal = smem_address(barrier);
  if constexpr (Hint) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cta.global.tile::gather4.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1, {%4, %5, %6, %7, %8}], "
        "[%2], %3;" ::"r"(target), "l"(map), "r"(signal), "l"(policy), TL_TMA_ROWS : "memory");
  } else {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cta.global.tile::gather4.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6, %7}], [%2];" ::"r"(target),
        "l"(map), "r"(signal), TL_TMA_ROWS : "memory");
  }
}
template <bool Hint>
TL_FUNC void scatter_rows(map_argument map, const void* smem, const int32_t* c, uint64_t policy) {
  const uint32_t source = smem_address(smem);
  if constexpr (Hint) {
    asm volatile(
        "cp.async.bulk.tensor.2d.global.shared::cta.tile::scatter4.bulk_group.L2::cache_hint [%0, {%3, %4, %5, %6, %7}], [%1], %2;" ::"l"(map),
        "r"(source), "l"(policy), TL_TMA_ROWS : "memory");
  } else {
    asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile::scatter4.bulk_group [%0, {%2, %3, %4, %5, %6}], [%1];" ::"l"(map), "r"(source),
                 TL_TMA_ROWS
                 : "memory");
  }
}

#undef TL_TMA_ROWS

}  // namespace tl::detail

#endif

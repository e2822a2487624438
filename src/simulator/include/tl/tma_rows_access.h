// Copies of four rows, simulated.
#pragma once
#include <tl/tma_access.h>

namespace tl::detail {

template <bool Hint>
inline void gather_rows(void* smem, map_argument map, uint64_t* barrier, const int32_t* c, uint64_t) {
  tl_sim_tensor_gather(smem, map.map, barrier, c, map.site);
}
template <bool Hint>
inline void scatter_rows(map_argument map, const void* smem, const int32_t* c, uint64_t) {
  tl_sim_tensor_scatter(map.map, smem, c, map.site);
}

}  // namespace tl::detail

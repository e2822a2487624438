// Tensor copies, simulated.
#pragma once
#include <tl/bulk_op.h>
#include <tl/tensor_map.h>

namespace tl::detail {

// Functions with any number of coordinates have no room for a call site: the map brings it.
struct map_argument {
  const tensor_map* map;
  int site;
  map_argument(const tensor_map* map, int site = __builtin_LINE()) : map(map), site(site) {}
};

inline void prefetch_map(map_argument map) { tl_sim_tensor_prefetch(map.map, 0, map.site); }

template <int Rank, bool Multicast, bool Hint>
inline void tensor_load(void* smem, map_argument map, uint64_t* barrier, const int32_t* c, uint16_t mask, uint64_t) {
  static_assert(Rank >= 1 && Rank <= 5, "a tensor map has 1 to 5 dimensions");
  tl_sim_tensor_load(smem, map.map, barrier, Rank, c, nullptr, Multicast ? mask : 0, map.site);
}
template <int Rank, bool Multicast>
inline void im2col_load(void* smem, map_argument map, uint64_t* barrier, const int32_t* c, uint16_t mask) {
  tl_sim_tensor_load(smem, map.map, barrier, Rank, c, c + Rank, Multicast ? mask : 0, map.site);
}
template <int Rank, bool Hint>
inline void tensor_store(map_argument map, const void* smem, const int32_t* c, uint64_t) {
  static_assert(Rank >= 1 && Rank <= 5, "a tensor map has 1 to 5 dimensions");
  tl_sim_tensor_store(map.map, smem, Rank, c, -1, 0, map.site);
}
template <int Rank>
inline void im2col_store(map_argument map, const void* smem, const int32_t* c) {
  static_assert(Rank >= 3 && Rank <= 5, "im2col takes 3 to 5 dimensions");
  tl_sim_tensor_store(map.map, smem, Rank, c, -1, 1, map.site);
}
template <bulk_op Op, int Rank>
inline void tensor_reduce(map_argument map, const void* smem, const int32_t* c) {
  static_assert(Rank >= 1 && Rank <= 5, "a tensor map has 1 to 5 dimensions");
  tl_sim_tensor_store(map.map, smem, Rank, c, static_cast<int>(Op), 0, map.site);
}
template <int Rank>
inline void tensor_prefetch(map_argument map, const int32_t*) {
  tl_sim_tensor_prefetch(map.map, Rank, map.site);
}

}  // namespace tl::detail

// Tensor copies between global and shared memory by tensor maps (PTX ISA 9.7.9.25.5 "cp.async.bulk.tensor"). One thread
// issues; coordinates are element indices, innermost first: that one on a multiple of 16 bytes, those of stores not below 0.
// Shared addresses are aligned to 128 bytes. Loads add the bytes of the whole box to what `barrier`, in the same block as
// `smem`, has received; elements outside the tensor arrive as zeros (or NaN, as encoded), and are not stored. Stores and
// reductions belong to the thread's bulk group (<tl/bulk.h>).
#pragma once
#include <tl/bulk_group.h>
#include <tl/tma_access.h>

#if TL_HOPPER

namespace tl {

// Brings the tensor map itself into the descriptor cache.
TL_FUNC void tma_prefetch(detail::map_argument map) { detail::prefetch_map(map); }

template <class... Coordinates>
TL_FUNC void tma_load(void* smem, detail::map_argument map, uint64_t* barrier, Coordinates... coordinates) {
  const int32_t at[] = {static_cast<int32_t>(coordinates)...};
  detail::tensor_load<sizeof...(Coordinates), false, false>(smem, map, barrier, at, 0, 0);
}
// With an L2 policy of <tl/cache_policy.h>.
template <class... Coordinates>
TL_FUNC void tma_load_hint(void* smem, detail::map_argument map, uint64_t* barrier, uint64_t policy, Coordinates... coordinates) {
  const int32_t at[] = {static_cast<int32_t>(coordinates)...};
  detail::tensor_load<sizeof...(Coordinates), false, true>(smem, map, barrier, at, 0, policy);
}
// To the same place in every block of the cluster whose bit is set in `mask`, and to the barrier at the same place there.
template <class... Coordinates>
TL_FUNC void tma_load_multicast(void* smem, detail::map_argument map, uint64_t* barrier, uint16_t mask, Coordinates... coordinates) {
  const int32_t at[] = {static_cast<int32_t>(coordinates)...};
  detail::tensor_load<sizeof...(Coordinates), true, false>(smem, map, barrier, at, mask, 0);
}
template <class... Coordinates>
TL_FUNC void tma_load_multicast_hint(void* smem, detail::map_argument map, uint64_t* barrier, uint16_t mask, uint64_t policy,
                                     Coordinates... coordinates) {
  const int32_t at[] = {static_cast<int32_t>(coordinates)...};
  detail::tensor_load<sizeof...(Coordinates), true, true>(smem, map, barrier, at, mask, policy);
}

// im2col: 3 to 5 coordinates (channel, pixel, image), then one offset for each dimension between channel and image.
template <class... Numbers>
TL_FUNC void tma_load_im2col(void* smem, detail::map_argument map, uint64_t* barrier, Numbers... numbers) {
  static_assert(sizeof...(Numbers) == 4 || sizeof...(Numbers) == 6 || sizeof...(Numbers) == 8,
                "im2col takes 3, 4 or 5 coordinates and 1, 2 or 3 offsets");
  const int32_t at[] = {static_cast<int32_t>(numbers)...};
  detail::im2col_load<sizeof...(Numbers) / 2 + 1, false>(smem, map, barrier, at, 0);
}
template <class... Numbers>
TL_FUNC void tma_load_im2col_multicast(void* smem, detail::map_argument map, uint64_t* barrier, uint16_t mask, Numbers... numbers) {
  static_assert(sizeof...(Numbers) == 4 || sizeof...(Numbers) == 6 || sizeof...(Numbers) == 8,
                "im2col takes 3, 4 or 5 coordinates and 1, 2 or 3 offsets");
  const int32_t at[] = {static_cast<int32_t>(numbers)...};
  detail::im2col_load<sizeof...(Numbers) / 2 + 1, true>(smem, map, barrier, at, mask);
}

template <class... Coordinates>
TL_FUNC void tma_store(detail::map_argument map, const void* smem, Coordinates... coordinates) {
  const int32_t at[] = {static_cast<int32_t>(coordinates)...};
  detail::tensor_store<sizeof...(Coordinates), false>(map, smem, at, 0);
}
template <class... Coordinates>
TL_FUNC void tma_store_hint(detail::map_argument map, const void* smem, uint64_t policy, Coordinates... coordinates) {
  const int32_t at[] = {static_cast<int32_t>(coordinates)...};
  detail::tensor_store<sizeof...(Coordinates), true>(map, smem, at, policy);
}
template <class... Coordinates>
TL_FUNC void tma_store_im2col(detail::map_argument map, const void* smem, Coordinates... coordinates) {
  const int32_t at[] = {static_cast<int32_t>(coordinates)...};
  detail::im2col_store<sizeof...(Coordinates)>(map, smem, at);
}

// Combines each element of the box with the one in global memory, by one atomic operation.
template <bulk_op Op, class... Coordinates>
TL_FUNC void tma_reduce(detail::map_argument map, const void* smem, Coordinates... coordinates) {
  const int32_t at[] = {static_cast<int32_t>(coordinates)...};
  detail::tensor_reduce<Op, sizeof...(Coordinates)>(map, smem, at);
}

// Brings a box into L2.
template <class... Coordinates>
TL_FUNC void tma_prefetch_box(detail::map_argument map, Coordinates... coordinates) {
  const int32_t at[] = {static_cast<int32_t>(coordinates)...};
  detail::tensor_prefetch<sizeof...(Coordinates)>(map, at);
}

}  // namespace tl

#endif

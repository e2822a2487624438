// Warp primitives among some lanes on a GPU; <tl/masked.h> says what they mean.
#pragma once
#include <tl/lanes.h>

namespace tl {

TL_FUNC void sync_lanes(uint32_t mask) { __syncwarp(mask); }
TL_FUNC uint32_t ballot_among(bool predicate, uint32_t mask) { return __ballot_sync(mask, predicate); }
TL_FUNC bool any_among(bool predicate, uint32_t mask) { return __any_sync(mask, predicate); }
TL_FUNC bool all_among(bool predicate, uint32_t mask) { return __all_sync(mask, predicate); }
template <class T>
TL_FUNC uint32_t match_any_among(T value, uint32_t mask) {
  return __match_any_sync(mask, reinterpret<typename unsigned_of_size<sizeof(T)>::type>(value));
}
template <class T>
TL_FUNC uint32_t match_all_among(T value, uint32_t mask) {
  int same;
  return __match_all_sync(mask, reinterpret<typename unsigned_of_size<sizeof(T)>::type>(value), &same);
}

namespace detail {

TL_FUNC uint32_t fetch_among(uint32_t word, int lane, uint32_t mask) { return __shfl_sync(mask, word, lane); }

}  // namespace detail

}  // namespace tl

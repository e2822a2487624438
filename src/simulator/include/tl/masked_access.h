// Warp primitives among some lanes, simulated.
#pragma once
#include <tl/lanes.h>

namespace tl {

inline void sync_lanes(uint32_t mask, int site = __builtin_LINE()) { tl_sim_warp_sync_among(mask, site); }
inline uint32_t ballot_among(bool predicate, uint32_t mask, int site = __builtin_LINE()) {
  return tl_sim_ballot_among(predicate, mask, site);
}
inline bool any_among(bool predicate, uint32_t mask, int site = __builtin_LINE()) {
  return tl_sim_ballot_among(predicate, mask, site) != 0;
}
inline bool all_among(bool predicate, uint32_t mask, int site = __builtin_LINE()) {
  return tl_sim_ballot_among(!predicate, mask, site) == 0;
}

namespace detail {

inline uint32_t fetch_among(uint32_t word, int lane, uint32_t mask, int site) {
  tl_sim_shuffle_among(&word, 1, TL_SIM_SHUFFLE_INDEX, lane, mask, site);
  return word;
}

}  // namespace detail

template <class T>
inline uint32_t match_any_among(T value, uint32_t mask, int site = __builtin_LINE()) {
  uint32_t found = 0, live = tl_sim_ballot_among(1, mask, site);
  for (int lane = 0; lane < 32; ++lane) {
    if (!(live >> lane & 1)) continue;
    uint32_t words[sizeof(T) / 4];
    __builtin_memcpy(words, &value, sizeof(T));
    for (uint32_t& word : words) word = detail::fetch_among(word, lane, mask, site);
    if (__builtin_memcmp(words, &value, sizeof(T)) == 0) found |= 1u << lane;
  }
  return found;
}
template <class T>
inline uint32_t match_all_among(T value, uint32_t mask, int site = __builtin_LINE()) {
  uint32_t live = tl_sim_ballot_among(1, mask, site), same = match_any_among(value, mask, site);
  return tl_sim_ballot_among(same == live, mask, site) == live ? live : 0;
}

}  // namespace tl

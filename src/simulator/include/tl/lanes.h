// Warp primitives, simulated.
#pragma once
#include <tl/traits.h>

namespace tl {
namespace detail {

enum class lane_mode {
  index = TL_SIM_SHUFFLE_INDEX,
  up = TL_SIM_SHUFFLE_UP,
  down = TL_SIM_SHUFFLE_DOWN,
  exclusive_or = TL_SIM_SHUFFLE_XOR
};

template <lane_mode Mode, int Words>
inline void exchange_words(uint32_t* words, int argument, int site) {
  tl_sim_shuffle(words, Words, static_cast<int>(Mode), argument, site);
}

}  // namespace detail

// This thread's lane in its warp.
inline int lane_id() {
  const tl_sim_dim3 &index = tl_sim_self->thread_index, &extent = tl_sim_self->block_extent;
  return static_cast<int>(((index.z * extent.y + index.y) * extent.x + index.x) % 32);
}

inline uint32_t ballot(bool predicate, int site = __builtin_LINE()) { return tl_sim_ballot(predicate, site); }
inline bool any(bool predicate, int site = __builtin_LINE()) { return tl_sim_ballot(predicate, site) != 0; }
inline bool all(bool predicate, int site = __builtin_LINE()) { return tl_sim_ballot(!predicate, site) == 0; }

// The lanes that hold the same 32- or 64-bit value; all of them or none.
template <class T>
inline uint32_t match_any(T value, int site = __builtin_LINE()) {
  uint32_t found = 0, live = tl_sim_ballot(1, site);
  for (int lane = 0; lane < 32; ++lane) {
    T other = value;
    uint32_t words[sizeof(T) / 4];
    __builtin_memcpy(words, &other, sizeof(T));
    tl_sim_shuffle(words, sizeof(T) / 4, TL_SIM_SHUFFLE_INDEX, lane, site);
    if (__builtin_memcmp(words, &value, sizeof(T)) == 0) found |= 1u << lane;
  }
  return found & live;
}
template <class T>
inline uint32_t match_all(T value, int site = __builtin_LINE()) {
  uint32_t live = tl_sim_ballot(1, site), same = match_any(value, site);
  return tl_sim_ballot(same == live, site) == live ? live : 0;
}
// Lanes run in lockstep as far as a kernel can tell: those that have not exited.
inline uint32_t activemask(int site = __builtin_LINE()) { return tl_sim_ballot(1, site); }

// True in exactly one lane, the same at every call (PTX ISA 9.7.13.9: "the election of a leader thread happens
// deterministically"); which one, hardware does not promise: the launch's seed chooses.
inline bool elect_one() {
  return static_cast<uint32_t>(lane_id()) == tl_sim_self->elected_lane;
}

}  // namespace tl

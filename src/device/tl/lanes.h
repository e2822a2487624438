// Warp primitives on a GPU: shuffles of words, votes, election (PTX ISA 9.7.9.6 "shfl.sync", 9.7.13.9 "elect.sync").
#pragma once
#include <tl/traits.h>

namespace tl {
namespace detail {

enum class lane_mode { index, up, down, exclusive_or };

template <lane_mode Mode, int Words>
TL_FUNC void exchange_words(uint32_t* words, int argument) {
#pragma unroll
  for (int i = 0; i < Words; ++i) {
    if constexpr (Mode == lane_mode::index) words[i] = __shfl_sync(0xffffffffu, words[i], argument);
    if constexpr (Mode == lane_mode::up) words[i] = __shfl_up_sync(0xffffffffu, words[i], argument);
    if constexpr (Mode == lane_mode::down) words[i] = __shfl_down_sync(0xffffffffu, words[i], argument);
    if constexpr (Mode == lane_mode::exclusive_or) words[i] = __shfl_xor_sync(0xffffffffu, words[i], argument);
  }
}

}  // namespace detail

// This thread's lane in its warp.
TL_FUNC int lane_id() {
  uint32_t lane;
  asm("mov.u32 %0, %%laneid;" : "=r"(lane));
  return static_cast<int>(lane);
}

TL_FUNC uint32_t ballot(bool predicate) { return __ballot_sync(0xffffffffu, predicate); }
TL_FUNC bool any(bool predicate) { return __any_sync(0xffffffffu, predicate); }
TL_FUNC bool all(bool predicate) { return __all_sync(0xffffffffu, predicate); }

// The lanes that hold the same 32- or 64-bit value; all of them or none.
template <class T>
TL_FUNC uint32_t match_any(T value) {
  return __match_any_sync(0xffffffffu, reinterpret<typename unsigned_of_size<sizeof(T)>::type>(value));
}
template <class T>
TL_FUNC uint32_t match_all(T value) {
  int same;
  return __match_all_sync(0xffffffffu, reinterpret<typename unsigned_of_size<sizeof(T)>::type>(value), &same);
}
TL_FUNC uint32_t activemask() { return __activemask(); }

// True in exactly one lane of a converged warp.
TL_FUNC bool elect_one() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  uint32_t elected;
  asm volatile("{\n .reg .pred p;\n elect.sync _|p, 0xffffffff;\n selp.u32 %0, 1, 0, p;\n}" : "=r"(elected));
  return elected != 0;
#else
  return lane_id() == 0;
#endif
}

}  // namespace tl

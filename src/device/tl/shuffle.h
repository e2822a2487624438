// Exchange between the 32 lanes of a warp; every lane that has not exited takes part.
#pragma once
#include <tl/lanes.h>

namespace tl {
namespace detail {

template <lane_mode Mode, class T>
TL_FUNC T exchange(T value, int argument TL_SITE_PARAMETER) {
  static_assert(sizeof(T) >= 1 && sizeof(T) <= 16, "a shuffle moves 1 to 16 bytes");
  constexpr int words = (sizeof(T) + 3) / 4;
  uint32_t raw[words];
  raw[words - 1] = 0;
  __builtin_memcpy(raw, &value, sizeof(T));
  exchange_words<Mode, words>(raw, argument TL_SITE_ARGUMENT);
  __builtin_memcpy(&value, raw, sizeof(T));
  return value;
}

}  // namespace detail

// The value of lane `own ^ mask`.
template <class T>
TL_FUNC T shfl_xor(T value, int mask TL_SITE_PARAMETER) {
  return detail::exchange<detail::lane_mode::exclusive_or>(value, mask TL_SITE_ARGUMENT);
}

// The value of lane `lane & 31`.
template <class T>
TL_FUNC T shfl(T value, int lane TL_SITE_PARAMETER) {
  return detail::exchange<detail::lane_mode::index>(value, lane TL_SITE_ARGUMENT);
}

// A condition that all lanes of a warp agree on, as the compiler cannot see: what it guards does not split the warp.
TL_FUNC bool warp_uniform(bool condition TL_SITE_PARAMETER) {
  return shfl(static_cast<int>(condition), 0 TL_SITE_ARGUMENT) != 0;
}

// The value of the lane `delta` below or above; lanes without such a neighbour keep their own.
template <class T>
TL_FUNC T shfl_up(T value, int delta TL_SITE_PARAMETER) {
  return detail::exchange<detail::lane_mode::up>(value, delta TL_SITE_ARGUMENT);
}
template <class T>
TL_FUNC T shfl_down(T value, int delta TL_SITE_PARAMETER) {
  return detail::exchange<detail::lane_mode::down>(value, delta TL_SITE_ARGUMENT);
}

// The same inside segments of `Width` lanes, a power of two (CUDA C++ Programming Guide, "Warp Shuffle Functions"): a lane
// reads from its own segment, and keeps its value where there is no such neighbour. shfl_xor may read an earlier segment.
template <int Width, class T>
TL_FUNC T shfl(T value, int lane TL_SITE_PARAMETER) {
  return shfl(value, (lane_id() & ~(Width - 1)) | (lane & (Width - 1)) TL_SITE_ARGUMENT);
}
template <int Width, class T>
TL_FUNC T shfl_up(T value, int delta TL_SITE_PARAMETER) {
  const int own = lane_id(), source = own - delta;
  return shfl(value, source < (own & ~(Width - 1)) ? own : source TL_SITE_ARGUMENT);
}
template <int Width, class T>
TL_FUNC T shfl_down(T value, int delta TL_SITE_PARAMETER) {
  const int own = lane_id(), source = own + delta;
  return shfl(value, source > (own | (Width - 1)) ? own : source TL_SITE_ARGUMENT);
}
template <int Width, class T>
TL_FUNC T shfl_xor(T value, int mask TL_SITE_PARAMETER) {
  const int own = lane_id(), source = own ^ mask;
  return shfl(value, source > (own | (Width - 1)) ? own : source TL_SITE_ARGUMENT);
}

}  // namespace tl

// Exchange and votes among the lanes of a mask, which every lane of it calls with the same mask; the others go their own way
// (CUDA C++ Programming Guide, "Warp Vote Functions", "Warp Shuffle Functions"). A lane outside the mask, or one that has exited,
// has no value to read.
#pragma once
#include <tl/masked_access.h>

namespace tl {
namespace detail {

template <class T>
TL_FUNC T take_among(T value, int lane, uint32_t mask TL_SITE_PARAMETER) {
  static_assert(sizeof(T) >= 1 && sizeof(T) <= 16, "a shuffle moves 1 to 16 bytes");
  constexpr int words = (sizeof(T) + 3) / 4;
  uint32_t raw[words];
  raw[words - 1] = 0;
  __builtin_memcpy(raw, &value, sizeof(T));
#pragma unroll
  for (int i = 0; i < words; ++i) raw[i] = fetch_among(raw[i], lane, mask TL_SITE_ARGUMENT);
  __builtin_memcpy(&value, raw, sizeof(T));
  return value;
}

}  // namespace detail

// As the functions of <tl/shuffle.h>, in segments of `Width` lanes.
template <int Width = 32, class T>
TL_FUNC T shfl_among(T value, int lane, uint32_t mask TL_SITE_PARAMETER) {
  return detail::take_among(value, (lane_id() & ~(Width - 1)) | (lane & (Width - 1)), mask TL_SITE_ARGUMENT);
}
template <int Width = 32, class T>
TL_FUNC T shfl_up_among(T value, int delta, uint32_t mask TL_SITE_PARAMETER) {
  const int own = lane_id(), source = own - delta;
  return detail::take_among(value, source < (own & ~(Width - 1)) ? own : source, mask TL_SITE_ARGUMENT);
}
template <int Width = 32, class T>
TL_FUNC T shfl_down_among(T value, int delta, uint32_t mask TL_SITE_PARAMETER) {
  const int own = lane_id(), source = own + delta;
  return detail::take_among(value, source > (own | (Width - 1)) ? own : source, mask TL_SITE_ARGUMENT);
}
template <int Width = 32, class T>
TL_FUNC T shfl_xor_among(T value, int lanes, uint32_t mask TL_SITE_PARAMETER) {
  const int own = lane_id(), source = own ^ lanes;
  return detail::take_among(value, source > (own | (Width - 1)) ? own : source, mask TL_SITE_ARGUMENT);
}

}  // namespace tl

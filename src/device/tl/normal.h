// Box and Muller's normal numbers from a generator of 32-bit words; the second of a pair is held for the next call. Words 11 to 13
// of a generator's state: what is held (0: nothing), and it.
#pragma once
#include <tl/math.h>

namespace tl::detail {

template <uint32_t (*Next)(uint32_t*)>
TL_FUNC float normal32(uint32_t* s) {
  if (s[11] == 1) {
    s[11] = 0;
    return reinterpret<float>(s[12]);
  }
  uint32_t x = Next(s), y = Next(s);
  float u = static_cast<float>(x) * 2.3283064e-10f + 1.1641532e-10f;
  float v = static_cast<float>(y) * 1.4629180e-09f + 7.3145898e-10f;  // the same, times 2 pi
  float radius = sqrt(-2.0f * log(u));
  s[12] = reinterpret<uint32_t>(radius * cos(v));
  s[11] = 1;
  return radius * sin(v);
}

// Two words as 53 bits: 2^-53 x + 2^-54.
TL_FUNC double fraction53(uint64_t x, uint64_t y) { return (x ^ y << 21) * 0x1p-53 + 0x1p-54; }

template <uint32_t (*Next)(uint32_t*)>
TL_FUNC double normal64(uint32_t* s) {
  if (s[11] == 2) {
    s[11] = 0;
    return reinterpret<double>(static_cast<uint64_t>(s[13]) << 32 | s[12]);
  }
  uint64_t x0 = Next(s), x1 = Next(s), y0 = Next(s), y1 = Next(s);
  double v = fraction53(y0, y1) * 6.283185307179586, radius = sqrt(-2.0 * log(fraction53(x0, x1)));
  uint64_t held = reinterpret<uint64_t>(radius * cos(v));
  s[12] = static_cast<uint32_t>(held);
  s[13] = static_cast<uint32_t>(held >> 32);
  s[11] = 2;
  return radius * sin(v);
}

}  // namespace tl::detail

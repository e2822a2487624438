// XORWOW (Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8, 2003): five words that xorshift, and a counter. Sequences
// are 2^67 numbers apart, seeds scatter the words.
#pragma once
#include <tl/normal.h>
#include <tl/xorwow_jumps.h>

namespace tl {
namespace detail {

// Words of a state: the five of the xorshift 0..4, the counter 5, a held normal number 11..13.
TL_FUNC void xorwow_step(uint32_t* s) {
  uint32_t t = s[0] ^ s[0] >> 2;
  s[0] = s[1];
  s[1] = s[2];
  s[2] = s[3];
  s[3] = s[4];
  s[4] = s[4] ^ s[4] << 4 ^ t ^ t << 1;
}

// Moves the five words as a polynomial in the step says.
TL_FUNC void xorwow_jump(uint32_t* s, const uint32_t* polynomial) {
  uint32_t sum[5] = {};
  for (int i = 0; i < 160; ++i) {
    if (polynomial[i / 32] >> i % 32 & 1u) {
      for (int k = 0; k < 5; ++k) sum[k] ^= s[k];
    }
    xorwow_step(s);
  }
  for (int k = 0; k < 5; ++k) s[k] = sum[k];
}

}  // namespace detail

// Sequences beyond 2^48 start over.
TL_FUNC void xorwow_init(uint32_t* s, uint64_t seed, uint64_t sequence, uint64_t offset) {
  const uint32_t low = 1099087573u * (static_cast<uint32_t>(seed) ^ 0xaad26b49u);
  const uint32_t high = 2591861531u * (static_cast<uint32_t>(seed >> 32) ^ 0xf7dcefddu);
  s[0] = 123456789u + low;
  s[1] = 362436069u ^ low;
  s[2] = 521288629u + high;
  s[3] = 88675123u ^ high;
  s[4] = 5783321u + low;
  s[5] = 6615241u + high + low + 362437u * static_cast<uint32_t>(offset);
  s[11] = 0;
  for (int k = 0; k < 48; ++k) {
    if (sequence >> k & 1u) detail::xorwow_jump(s, detail::xorwow_sequences(k));
  }
  for (int k = 0; k < 64; ++k) {
    if (offset >> k & 1u) detail::xorwow_jump(s, detail::xorwow_steps(k));
  }
}

TL_FUNC uint32_t xorwow_next(uint32_t* s) {
  detail::xorwow_step(s);
  s[5] += 362437u;
  return s[5] + s[4];
}

TL_FUNC float xorwow_uniform32(uint32_t* s) { return static_cast<float>(xorwow_next(s)) * 2.3283064e-10f + 1.1641532e-10f; }
TL_FUNC double xorwow_uniform64(uint32_t* s) {
  uint32_t x = xorwow_next(s), y = xorwow_next(s);
  return detail::fraction53(x, y);
}
TL_FUNC float xorwow_normal32(uint32_t* s) { return detail::normal32<xorwow_next>(s); }
TL_FUNC double xorwow_normal64(uint32_t* s) { return detail::normal64<xorwow_next>(s); }

}  // namespace tl

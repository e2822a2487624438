// Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), with the state, the
// order of numbers and the distributions of cuRAND's device API (cuRAND Library, "Device API"): the key is the seed, the
// counter holds position / 4 in its low half and the sequence in its high half.
#pragma once
#include <tl/normal.h>

namespace tl {
namespace detail {

// Words of a state: counter 0..3, key 4..5, output 6..9, position in it 10, whether a normal is held 11, the normal 12..13.
TL_FUNC void philox_block(uint32_t* s) {
  uint32_t c0 = s[0], c1 = s[1], c2 = s[2], c3 = s[3], k0 = s[4], k1 = s[5];
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    uint64_t p = static_cast<uint64_t>(0xD2511F53u) * c0, q = static_cast<uint64_t>(0xCD9E8D57u) * c2;
    uint32_t n0 = static_cast<uint32_t>(q >> 32) ^ c1 ^ k0, n2 = static_cast<uint32_t>(p >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(q);
    c3 = static_cast<uint32_t>(p);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  s[6] = c0;
  s[7] = c1;
  s[8] = c2;
  s[9] = c3;
}

TL_FUNC void philox_advance(uint32_t* s, uint64_t blocks) {
  uint64_t low = (static_cast<uint64_t>(s[1]) << 32 | s[0]) + blocks;
  if (low < blocks) {
    uint64_t high = (static_cast<uint64_t>(s[3]) << 32 | s[2]) + 1;
    s[2] = static_cast<uint32_t>(high);
    s[3] = static_cast<uint32_t>(high >> 32);
  }
  s[0] = static_cast<uint32_t>(low);
  s[1] = static_cast<uint32_t>(low >> 32);
}

}  // namespace detail

TL_FUNC void philox_init(uint32_t* s, uint64_t seed, uint64_t sequence, uint64_t offset) {
  s[0] = s[1] = 0;
  s[2] = static_cast<uint32_t>(sequence);
  s[3] = static_cast<uint32_t>(sequence >> 32);
  s[4] = static_cast<uint32_t>(seed);
  s[5] = static_cast<uint32_t>(seed >> 32);
  s[10] = static_cast<uint32_t>(offset & 3);
  s[11] = 0;
  detail::philox_advance(s, offset >> 2);
  detail::philox_block(s);
}

TL_FUNC uint32_t philox_next(uint32_t* s) {
  uint32_t at = s[10], value = at == 0 ? s[6] : at == 1 ? s[7] : at == 2 ? s[8] : s[9];
  s[10] = at + 1;
  if (at == 3) {
    detail::philox_advance(s, 1);
    detail::philox_block(s);
    s[10] = 0;
  }
  return value;
}

// In (0, 1]: 2^-32 x + 2^-33.
TL_FUNC float philox_uniform32(uint32_t* s) { return static_cast<float>(philox_next(s)) * 2.3283064e-10f + 1.1641532e-10f; }
TL_FUNC double philox_uniform64(uint32_t* s) { return philox_next(s) * 2.3283064365386963e-10 + 2.3283064365386963e-10; }

TL_FUNC float philox_normal32(uint32_t* s) { return detail::normal32<philox_next>(s); }
TL_FUNC double philox_normal64(uint32_t* s) { return detail::normal64<philox_next>(s); }

}  // namespace tl

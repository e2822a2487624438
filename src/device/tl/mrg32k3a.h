// MRG32k3a (L'Ecuyer, "Good parameters and implementations for combined multiple recursive random number generators", Operations
// Research 47, 1999): two recurrences of order three, whose difference counts. Sequences are 2^76 numbers apart.
#pragma once
#include <tl/normal.h>

namespace tl {
namespace detail {

constexpr uint64_t mrg_m1 = 4294967087u, mrg_m2 = 4294944443u;

// Words of a state: of the first recurrence 0..2, of the second 3..5, oldest first; a held normal number 11..13.
// The next number, from 1 to m1.
TL_FUNC uint32_t mrg_step(uint32_t* s) {
  const uint64_t p = (1403580ull * s[1] + (mrg_m1 - 810728u) * s[0]) % mrg_m1;
  const uint64_t q = (527612ull * s[5] % mrg_m2 + (mrg_m2 - 1370589u) * s[3]) % mrg_m2;
  s[0] = s[1];
  s[1] = s[2];
  s[2] = static_cast<uint32_t>(p);
  s[3] = s[4];
  s[4] = s[5];
  s[5] = static_cast<uint32_t>(q);
  return static_cast<uint32_t>(p > q ? p - q : p + mrg_m1 - q);
}

// Multiplies a state of three words by the `count`-th power of a 3 x 3 matrix.
TL_FUNC void mrg_jump(uint32_t* s, uint64_t m, uint64_t count, const uint32_t* matrix) {
  uint64_t power[9];
  for (int i = 0; i < 9; ++i) power[i] = matrix[i];
  for (; count; count >>= 1) {
    if (count & 1u) {
      uint64_t moved[3];
      for (int i = 0; i < 3; ++i) {
        moved[i] = (power[3 * i] * s[0] % m + power[3 * i + 1] * s[1] % m + power[3 * i + 2] * s[2] % m) % m;
      }
      for (int i = 0; i < 3; ++i) s[i] = static_cast<uint32_t>(moved[i]);
    }
    uint64_t square[9];
    for (int i = 0; i < 9; ++i) {
      const int row = i / 3 * 3, column = i % 3;
      square[i] = (power[row] * power[column] % m + power[row + 1] * power[column + 3] % m + power[row + 2] * power[column + 6] % m) % m;
    }
    for (int i = 0; i < 9; ++i) power[i] = square[i];
  }
}

}  // namespace detail

TL_FUNC void mrg32k3a_init(uint32_t* s, uint64_t seed, uint64_t sequence, uint64_t offset) {
  // One step of each recurrence, and 2^76 of them.
  const uint32_t step1[9] = {0, 1, 0, 0, 0, 1, 4294156359u, 1403580u, 0}, step2[9] = {0, 1, 0, 0, 0, 1, 4293573854u, 0, 527612u};
  const uint32_t far1[9] = {82758667u,   1871391091u, 4127413238u, 3672831523u, 69195019u,
                            1871391091u, 3672091415u, 3528743235u, 69195019u};
  const uint32_t far2[9] = {1511326704u, 3759209742u, 1610795712u, 4292754251u, 1511326704u,
                            3889917532u, 3859662829u, 4292754251u, 3708466080u};
  for (int i = 0; i < 6; ++i) s[i] = 12345u;
  if (seed != 0) {
    const uint64_t low = static_cast<uint32_t>(seed) ^ 0x55555555u, high = static_cast<uint32_t>(seed >> 32) ^ 0xaaaaaaaau;
    for (int i = 0; i < 3; ++i) {
      s[i] = static_cast<uint32_t>((i % 2 ? high : low) * s[i] % detail::mrg_m1);
      s[3 + i] = static_cast<uint32_t>((i % 2 ? low : high) * s[3 + i] % detail::mrg_m2);
    }
  }
  s[11] = 0;
  detail::mrg_jump(s, detail::mrg_m1, sequence, far1);
  detail::mrg_jump(s + 3, detail::mrg_m2, sequence, far2);
  detail::mrg_jump(s, detail::mrg_m1, offset, step1);
  detail::mrg_jump(s + 3, detail::mrg_m2, offset, step2);
}

// 1 to m1 spread over 32 bits.
TL_FUNC uint32_t mrg32k3a_next(uint32_t* s) { return static_cast<uint32_t>(detail::mrg_step(s) * 1.000000048662); }
// In (0, 1]: multiples of 1 / (m1 + 1), rounded.
TL_FUNC double mrg32k3a_uniform64(uint32_t* s) { return detail::mrg_step(s) * 2.3283065498378288e-10; }
TL_FUNC float mrg32k3a_uniform32(uint32_t* s) { return static_cast<float>(mrg32k3a_uniform64(s)); }
TL_FUNC float mrg32k3a_normal32(uint32_t* s) { return detail::normal32<mrg32k3a_next>(s); }
TL_FUNC double mrg32k3a_normal64(uint32_t* s) { return detail::normal64<mrg32k3a_next>(s); }

}  // namespace tl

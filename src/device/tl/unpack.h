// Small integer codes, packed side by side in bytes, to elements: in registers, without conversions one by one.
// Code i of a packed array is bits [i * Bits, (i + 1) * Bits) of it, lowest first. transform/unpack_codes.py calls a function
// only after comparing what it computes with what the program says, for every code.
#pragma once
#include <tl/float_types.h>
#include <tl/packed_access.h>

namespace tl {
namespace detail {

template <class Format>
inline constexpr int mantissa_bits = is_same<Format, half_format> ? 10 : 7;
template <class Format>
inline constexpr int exponent_bias = is_same<Format, half_format> ? 15 : 127;

// The bits of an integer that the format represents exactly, in both halves of a register: low, high.
template <class Format>
TL_FUNC constexpr uint32_t integer_bits(int value) {
  if (value == 0) return 0;
  uint32_t magnitude = static_cast<uint32_t>(value < 0 ? -value : value);
  int exponent = 0;
  while (magnitude >> (exponent + 1)) ++exponent;
  int shift = mantissa_bits<Format> - exponent;
  uint32_t fraction = (shift >= 0 ? magnitude << shift : magnitude >> -shift) - (1u << mantissa_bits<Format>);
  return (value < 0 ? 0x8000u : 0u) | static_cast<uint32_t>(exponent + exponent_bias<Format>) << mantissa_bits<Format> | fraction;
}

template <int Bytes, class Packed>
TL_FUNC void read_words(uint32_t* words, const Packed* packed) {
#pragma unroll
  for (int i = 0; i < (Bytes + 3) / 4; ++i) words[i] = 0;
  __builtin_memcpy(words, packed, Bytes);
}

// The codes at bits Low and High of a word as values (code ^ Flip) + Bias.
// A float with m mantissa bits and the exponent of 2^m has the value 2^m + 2^p c if its mantissa holds c at place p: a byte
// next to the right exponent is a number at once. One fma subtracts the 2^m, scales by 2^-p and adds the bias; nothing rounds.
template <class Format, int Bits, unsigned Flip, int Bias, int Low, int High>
TL_FUNC uint32_t unpack_pair(uint32_t word) {
  constexpr bool half = is_same<Format, half_format>;
  constexpr int unit = 1 << mantissa_bits<Format>;
  constexpr uint32_t exponents = integer_bits<Format>(unit) * 0x10001u;
  constexpr uint32_t one = integer_bits<Format>(1) * 0x10001u;
  if constexpr (!half && Bits == 8) {  // a bit more than the mantissa has: it becomes a float of its own, 0x4300 or 0x4380
    constexpr uint32_t offset = integer_bits<Format>(Bias - 2 * unit) * 0x10001u;
    uint32_t x = permute_bytes(word, 0, 0x4040u | Low / 8 | High / 8 << 8);
    uint32_t rest = and_xor(x, 0x007f007fu, exponents | (Flip & 0x7fu) * 0x10001u);
    uint32_t top = and_xor(x, 0x00800080u, exponents | (Flip & 0x80u) * 0x10001u);
    return fma_pair<Format>(top, one, fma_pair<Format>(rest, one, offset));
  } else {
    constexpr int reach = half ? 8 : 4;  // bfloat16: the upper half of a byte is moved down first
    constexpr int low = Low % reach, high = High % reach;
    constexpr uint32_t kept = ((1u << Bits) - 1) << low | ((1u << Bits) - 1) << (16 + high);
    constexpr uint32_t flips = Flip << low | Flip << (16 + high);
    uint32_t a = Low % 8 < reach ? word : word >> 4, b = High % 8 < reach ? word : word >> 4;
    uint32_t x = permute_bytes(a, b, 0x4040u | Low / 8 | (4 + High / 8) << 8);
    x = and_xor(x, kept, exponents | flips);
    constexpr uint32_t scale = (one - (low << mantissa_bits<Format>)) - (high << mantissa_bits<Format> << 16);
    constexpr uint32_t offset =
        integer_bits<Format>(Bias - (unit >> low)) | integer_bits<Format>(Bias - (unit >> high)) << 16;
    return fma_pair<Format>(x, scale, offset);
  }
}

template <class Format, int Bits, unsigned Flip, int Bias, int N, int I, class To>
TL_FUNC void unpack_from(To* to, const uint32_t* words) {
  if constexpr (I < N) {
    constexpr int bit = I * Bits % 32;
    uint32_t pair = unpack_pair<Format, Bits, Flip, Bias, bit, bit + Bits>(words[I * Bits / 32]);
    __builtin_memcpy(to + I, &pair, 4);
    unpack_from<Format, Bits, Flip, Bias, N, I + 2>(to, words);
  }
}

// Four codes of a word, from bit `start`, as the four low nibbles.
template <int Bits>
TL_FUNC uint32_t spread_codes(uint32_t word, int start) {
  uint32_t x = word >> start;
  if constexpr (Bits == 2) {
    x = (x & 0x0fu) | (x << 4 & 0x0f00u);
    x = (x | x << 2) & 0x3333u;
  } else if constexpr (Bits == 1) {
    x = (x & 0x03u) | (x << 6 & 0x0300u);
    x = (x | x << 3) & 0x1111u;
  }
  return x;
}

// Four bytes of a table of 16 (High: its second half), selected by four nibbles.
template <int Bits, uint64_t Low, uint64_t High>
TL_FUNC uint32_t look_up_bytes(uint32_t codes) {
  constexpr uint64_t same = (Low & 0xff) * 0x0101010101010101ull;
  if constexpr (Low == same && (Bits < 4 || High == same)) {
    return static_cast<uint32_t>(same);
  } else if constexpr (Bits < 4) {
    return permute_bytes(static_cast<uint32_t>(Low), static_cast<uint32_t>(Low >> 32), codes);
  } else {
    uint32_t place = codes & 0x7777u, choice = (codes >> 1 & 0x4444u) | 0x3210u;
    uint32_t low = permute_bytes(static_cast<uint32_t>(Low), static_cast<uint32_t>(Low >> 32), place);
    uint32_t high = permute_bytes(static_cast<uint32_t>(High), static_cast<uint32_t>(High >> 32), place);
    return permute_bytes(low, high, choice);
  }
}

}  // namespace detail

// to[i] = (code i ^ Flip) + Bias for N codes of 1, 2, 4 or 8 bits, as half_t or bfloat16_t. Exact where the integers that
// it meets on its way are: Bias - 1024 to Bias + 255 for half_t, Bias - 256 to Bias + 255 for bfloat16_t.
template <int Bits, int N, unsigned Flip, int Bias, class To, class Packed>
TL_FUNC void unpack(To* to, const Packed* packed) {
  static_assert(sizeof(To) == 2 && is_narrow_float<To>, "half_t or bfloat16_t");
  static_assert(8 % Bits == 0 && N % 2 == 0 && N * Bits % 8 == 0, "whole bytes and pairs");
  uint32_t words[(N * Bits + 31) / 32];
  detail::read_words<N * Bits / 8>(words, packed);
  detail::unpack_from<typename To::format, Bits, Flip, Bias, N, 0>(to, words);
}

// to[i] = table[code i] for N codes of 1, 2 or 4 bits and elements of one byte; entries 0-7 and 8-15 as little-endian words.
template <int Bits, int N, uint64_t Low, uint64_t High, class To, class Packed>
TL_FUNC void look_up(To* to, const Packed* packed) {
  static_assert(sizeof(To) == 1 && 4 % Bits == 0 && N % 4 == 0 && N * Bits % 8 == 0, "whole bytes, four at a time");
  uint32_t words[(N * Bits + 31) / 32];
  detail::read_words<N * Bits / 8>(words, packed);
#pragma unroll
  for (int i = 0; i < N; i += 4) {
    uint32_t four = detail::look_up_bytes<Bits, Low, High>(detail::spread_codes<Bits>(words[i * Bits / 32], i * Bits % 32));
    __builtin_memcpy(to + i, &four, 4);
  }
}

// The same for elements of two bytes: tables of their low and of their high bytes.
template <int Bits, int N, uint64_t LowBytes, uint64_t LowBytes8, uint64_t HighBytes, uint64_t HighBytes8, class To, class Packed>
TL_FUNC void look_up(To* to, const Packed* packed) {
  static_assert(sizeof(To) == 2 && 4 % Bits == 0 && N % 4 == 0 && N * Bits % 8 == 0, "whole bytes, four at a time");
  uint32_t words[(N * Bits + 31) / 32];
  detail::read_words<N * Bits / 8>(words, packed);
#pragma unroll
  for (int i = 0; i < N; i += 4) {
    uint32_t codes = detail::spread_codes<Bits>(words[i * Bits / 32], i * Bits % 32);
    uint32_t low = detail::look_up_bytes<Bits, LowBytes, LowBytes8>(codes);
    uint32_t high = detail::look_up_bytes<Bits, HighBytes, HighBytes8>(codes);
    uint32_t pairs[2] = {detail::permute_bytes(low, high, 0x5140u), detail::permute_bytes(low, high, 0x7362u)};
    __builtin_memcpy(to + i, pairs, 8);
  }
}

}  // namespace tl

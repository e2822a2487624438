// Encodings and arithmetic of the 16-bit floating types on a CPU, in float, double and integers: no _Float16, whose
// expressions may keep excess precision, and which older compilers lack. The GPU's float_bits.h has the same names.
#pragma once
#include <tl/float8_bits.h>

namespace tl::detail {

// One function for each rounding to a narrower type keeps the text that g++ sees small; they are still inlined at -O2.
struct half_format {
  using storage = uint16_t;
  static TL_FUNC float decode(storage h) {
    uint32_t magnitude = static_cast<uint32_t>(h & 0x7fffu) << 13, sign = static_cast<uint32_t>(h & 0x8000u) << 16;
    uint32_t bits = reinterpret<uint32_t>(reinterpret<float>(magnitude) * 0x1p112f);  // exponent bias 15 -> 127
    bits = magnitude >= 0x0f800000u ? magnitude | 0x7f800000u : bits;                 // infinity, NaN
    return reinterpret<float>(sign | bits);
  }
  static TL_FUNC storage encode(float f) {
    uint32_t bits = reinterpret<uint32_t>(f);
    uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    // All cases are computed and one is chosen: loops of conversions become vector code.
    // 0.5 has 2^-24, the smallest subnormal, as its last place: the addition rounds.
    uint32_t subnormal = reinterpret<uint32_t>(reinterpret<float>(magnitude) + 0.5f) - 0x3f000000u;
    uint32_t normal = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
    uint32_t code = magnitude < 0x38800000u ? subnormal : normal;
    code = code < 0x7c00u ? code : 0x7c00u;
    return static_cast<storage>(magnitude > 0x7f800000u ? 0x7fffu : sign | code);  // the GPU's NaN
  }
  // A float result of two half operands has more than 2*11+2 bits: rounding it again is as good as rounding once.
  static TL_FUNC storage add(storage a, storage b) { return encode(decode(a) + decode(b)); }
  static TL_FUNC storage sub(storage a, storage b) { return encode(decode(a) - decode(b)); }
  static TL_FUNC storage mul(storage a, storage b) { return encode(decode(a) * decode(b)); }
  static TL_FUNC storage div(storage a, storage b) { return encode(decode(a) / decode(b)); }
  static TL_FUNC storage fma(storage a, storage b, storage c);
  static TL_FUNC storage min(storage a, storage b);
  static TL_FUNC storage max(storage a, storage b);
};

struct bfloat16_format {
  using storage = uint16_t;
  static TL_FUNC float decode(storage h) { return reinterpret<float>(static_cast<uint32_t>(h) << 16); }
  static TL_FUNC storage encode(float f) {
    uint32_t bits = reinterpret<uint32_t>(f);
    return static_cast<storage>((bits & 0x7fffffffu) > 0x7f800000u ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
  }
  static TL_FUNC storage add(storage a, storage b) { return encode(decode(a) + decode(b)); }
  static TL_FUNC storage sub(storage a, storage b) { return encode(decode(a) - decode(b)); }
  static TL_FUNC storage mul(storage a, storage b);
  static TL_FUNC storage div(storage a, storage b);
  static TL_FUNC storage fma(storage a, storage b, storage c);
  static TL_FUNC storage min(storage a, storage b);
  static TL_FUNC storage max(storage a, storage b);
};

// Toward zero, with the last bit set if anything was lost ("round to odd"): rounding the result once more to a narrower
// format equals rounding the original.
TL_FUNC float to_float_odd(double x) {
  float f = static_cast<float>(x);
  if (static_cast<double>(f) == x) return f;
  uint32_t bits = reinterpret<uint32_t>(f);
  double magnitude = x < 0 ? -x : x;
  if (static_cast<double>(f < 0 ? -f : f) > magnitude) --bits;
  return reinterpret<float>(bits | 1u);
}

template <class T>
TL_FUNC float to_float_odd(T x) {
  static_assert(is_integer<T>, "doubles and integers");
  if constexpr (sizeof(T) <= 4) {
    return to_float_odd(static_cast<double>(x));  // exact
  } else {
    uint64_t magnitude = is_signed<T> && x < 0 ? 0 - static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
    int excess = magnitude ? 64 - __builtin_clzll(magnitude) - 24 : 0;
    if (excess > 0) {
      uint64_t lost = magnitude & ((1ull << excess) - 1);
      magnitude = (magnitude >> excess | (lost != 0)) << excess;
    }
    float f = static_cast<float>(magnitude);  // exact: 24 significant bits
    return is_signed<T> && x < 0 ? -f : f;
  }
}

// a*b + c to double, rounded to odd; exact products of two 11-bit significands make one error term enough.
TL_FUNC double fma_odd(float a, float b, float c) {
  double product = static_cast<double>(a) * static_cast<double>(b), addend = c;
  double sum = product + addend, part = sum - product;
  double error = (product - (sum - part)) + (addend - part);
  uint64_t bits = reinterpret<uint64_t>(sum);
  if (error == 0 || error != error || (bits & 1)) return sum;
  return reinterpret<double>((error > 0) == (sum > 0) ? bits + 1 : bits - 1);
}

TL_FUNC half_format::storage half_format::fma(storage a, storage b, storage c) {
  return encode(to_float_odd(fma_odd(decode(a), decode(b), decode(c))));
}
// In double: a float product or quotient may already have been rounded among the subnormals, which the types share.
TL_FUNC bfloat16_format::storage bfloat16_format::mul(storage a, storage b) {
  return encode(to_float_odd(static_cast<double>(decode(a)) * static_cast<double>(decode(b))));
}
TL_FUNC bfloat16_format::storage bfloat16_format::div(storage a, storage b) {
  return encode(to_float_odd(static_cast<double>(decode(a)) / static_cast<double>(decode(b))));
}
TL_FUNC bfloat16_format::storage bfloat16_format::fma(storage a, storage b, storage c) {
  return encode(to_float_odd(fma_odd(decode(a), decode(b), decode(c))));
}

// Truncation with saturation; NaN becomes 0.
template <class To, class From>
TL_FUNC To truncate(From x) {
  constexpr To low = lowest_integer<To>, high = highest_integer<To>;
  // From(high) may round up to 2^n: nothing representable lies between.
  const To inside = static_cast<To>(x > From(low) && x < From(high) ? x : From(0));
  return x >= From(high) ? high : x <= From(low) ? low : inside;
}

// fmin and fmax: a NaN yields the other operand, -0 is less than +0. Equal numbers differ in nothing but the sign of zero, which
// one operation on bits decides: in a vector loop's chain of maxima every further comparison would show.
template <class T>
TL_FUNC T float_min(T a, T b) {
  using U = typename unsigned_of_size<sizeof(T)>::type;
  const T either = reinterpret<T>(static_cast<U>(reinterpret<U>(a) | reinterpret<U>(b)));
  const T less = (b < a) | (a != a) ? b : a;
  return a == b ? either : less;
}
template <class T>
TL_FUNC T float_max(T a, T b) {
  using U = typename unsigned_of_size<sizeof(T)>::type;
  const T either = reinterpret<T>(static_cast<U>(reinterpret<U>(a) & reinterpret<U>(b)));
  const T greater = (a < b) | (a != a) ? b : a;
  return a == b ? either : greater;
}

TL_FUNC half_format::storage half_format::min(storage a, storage b) { return encode(float_min(decode(a), decode(b))); }
TL_FUNC half_format::storage half_format::max(storage a, storage b) { return encode(float_max(decode(a), decode(b))); }
TL_FUNC bfloat16_format::storage bfloat16_format::min(storage a, storage b) { return encode(float_min(decode(a), decode(b))); }
TL_FUNC bfloat16_format::storage bfloat16_format::max(storage a, storage b) { return encode(float_max(decode(a), decode(b))); }

using float8_e4m3_format = float8_e4m3_software;
using float8_e5m2_format = float8_e5m2_software;

}  // namespace tl::detail

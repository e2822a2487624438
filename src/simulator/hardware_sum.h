// The sums of Hopper's tensor cores, bit for bit. The rule, from two public bit-accurate models that agree (arXiv 2511.10909,
// arXiv 2512.07004): one fused sum of the K products of a block and the accumulator. A product's significand is exact and
// its exponent is the sum of the operands' (so the significand may reach 4); all terms are aligned to the largest exponent,
// truncated to `Fraction` fractional bits, and added exactly; the sum is truncated to `Kept` significant bits (24: single
// precision), or rounded to nearest even where accumulators are half precision.
#pragma once
#include "matrix_formats.h"

namespace tl::sim {
namespace {

constexpr int no_exponent = -999;       // of zeros: never the largest
constexpr int least_alignment = -133;   // terms are never aligned to a lower exponent

inline float power_of_two(int exponent) { return reinterpret<float>(static_cast<uint32_t>(exponent + 127) << 23); }

// x = significand * 2^exponent with the exponent clamped to the format's lowest.
inline void split(float x, int lowest, float& significand, int32_t& exponent) {
  const uint32_t bits = reinterpret<uint32_t>(x);
  int e = static_cast<int>(bits >> 23 & 255u) - 127;
  if ((bits & 0x7fffffffu) == 0) {
    significand = 0, exponent = no_exponent;
  } else if (e > lowest) {
    significand = reinterpret<float>((bits & 0x807fffffu) | 0x3f800000u), exponent = e;
  } else {
    significand = x * power_of_two(-lowest), exponent = lowest;
  }
}

// sum * 2^exponent, truncated to `kept` bits.
inline float truncated(int64_t sum, int exponent, int kept) {
  if (sum == 0) return 0.0f;
  const uint32_t sign = sum < 0 ? 0x80000000u : 0;
  uint64_t magnitude = sum < 0 ? static_cast<uint64_t>(-sum) : static_cast<uint64_t>(sum);
  const int top = 63 - __builtin_clzll(magnitude) + exponent;  // exponent of the leading bit
  if (top > 127) return reinterpret<float>(sign | 0x7f800000u);
  int drop = top - (kept - 1) - exponent;               // low bits that go
  if (top < -126) drop = -126 - (kept - 1) - exponent;  // subnormal
  if (drop > 0) magnitude = drop > 63 ? 0 : magnitude >> drop << drop;
  if (magnitude == 0) return reinterpret<float>(sign);
  const int shift = 23 - (top < -126 ? -126 : top) + exponent;  // the unit of the last place of a float becomes bit 0
  const uint64_t fraction = shift >= 0 ? magnitude << shift : magnitude >> -shift;
  return reinterpret<float>(sign | (top < -126 ? static_cast<uint32_t>(fraction)
                                               : static_cast<uint32_t>(fraction & 0x7fffffu) | static_cast<uint32_t>(top + 127) << 23));
}

inline float rounded_to_half(int64_t sum, int exponent) {
  const double value = static_cast<double>(sum) * (reinterpret<double>(static_cast<uint64_t>(exponent + 1023) << 52));
  return detail::half_format::decode(detail::half_format::encode(detail::to_float_odd(value)));
}

inline bool is_special(float x) { return (reinterpret<uint32_t>(x) & 0x7f800000u) == 0x7f800000u; }

// What a sum with infinities or NaNs among its terms is; their order does not matter.
template <int K>
inline float special_sum(const float* a, const float* b, int b_stride, float c) {
  double sum = c;
  for (int k = 0; k < K; ++k) sum += static_cast<double>(a[k]) * static_cast<double>(b[k * b_stride]);
  return sum != sum ? reinterpret<float>(0x7fffffffu) : static_cast<float>(sum);
}

template <int Width>
struct SumVector;
template <>
struct SumVector<8> {
  typedef float Numbers __attribute__((vector_size(32)));
  typedef int32_t Exponents __attribute__((vector_size(32)));
  static Exponents truncate(Numbers x) { return __builtin_convertvector(x, Exponents); }
};
template <>
struct SumVector<16> {
  typedef float Numbers __attribute__((vector_size(64)));
  typedef int32_t Exponents __attribute__((vector_size(64)));
  static Exponents truncate(Numbers x) { return __builtin_convertvector(x, Exponents); }
};

constexpr int most_columns = 256;

struct SplitColumns {  // a B operand: [k][column]
  alignas(64) float significand[32 * most_columns];
  alignas(64) int32_t exponent[32 * most_columns];
};

// c[rows][columns] (+)= a[rows][K] * b[K][columns]; `columns` and the strides of b and c are multiples of Width.
template <int K, int Fraction, int Kept, bool Half, int Width>
inline void fused_product(int rows, int columns, const float* a, int a_lowest, const float* b, int b_lowest, int b_stride, float* c,
                          int c_stride, bool accumulate) {
  using Numbers = typename SumVector<Width>::Numbers;
  using Exponents = typename SumVector<Width>::Exponents;
  SplitColumns& split_columns = workspace<SplitColumns>();
  float* b_significand = split_columns.significand;
  int32_t* b_exponent = split_columns.exponent;
  bool special = false;
  for (int k = 0; k < K; ++k) {
    for (int n = 0; n < columns; ++n) {
      special |= is_special(b[k * b_stride + n]);
      split(b[k * b_stride + n], b_lowest, b_significand[k * most_columns + n], b_exponent[k * most_columns + n]);
    }
  }
  for (int row = 0; row < rows; ++row) {
    float a_significand[K];
    int32_t a_exponent[K];
    bool row_special = special;
    for (int k = 0; k < K; ++k) {
      row_special |= is_special(a[row * K + k]);
      split(a[row * K + k], a_lowest, a_significand[k], a_exponent[k]);
    }
    for (int n = 0; n < columns; n += Width) {
      float* sums = c + row * c_stride + n;
      alignas(64) float c_significand[Width];
      alignas(64) int32_t c_exponent[Width], even_out[Width], odd_out[Width], largest_out[Width];
      bool any_special = row_special;
      for (int i = 0; i < Width; ++i) {
        any_special |= accumulate && is_special(sums[i]);
        split(accumulate ? sums[i] : 0.0f, -126, c_significand[i], c_exponent[i]);
      }
      Exponents largest;
      memcpy(&largest, c_exponent, sizeof largest);
      for (int k = 0; k < K; ++k) {
        Exponents e;
        memcpy(&e, b_exponent + k * most_columns + n, sizeof e);
        e += a_exponent[k];
        largest = e > largest ? e : largest;
      }
      largest = largest > least_alignment ? largest : Exponents{} + least_alignment;
      const Exponents bias = (Fraction + 127) - largest;
      // 16 terms below 2^27 would overflow 32 bits: even and odd k are summed apart.
      Exponents sum[2] = {};
      auto add = [&](int part, Numbers value, Exponents e) {
        e += bias;
        e = e > 0 ? e : Exponents{};  // 2^-127 and less: truncated to nothing
        e <<= 23;
        Numbers factor;
        memcpy(&factor, &e, sizeof factor);
        sum[part] += SumVector<Width>::truncate(value * factor);
      };
      Numbers value;
      Exponents e;
      memcpy(&value, c_significand, sizeof value);
      memcpy(&e, c_exponent, sizeof e);
      add(0, value, e);
      for (int k = 0; k < K; ++k) {
        memcpy(&value, b_significand + k * most_columns + n, sizeof value);
        memcpy(&e, b_exponent + k * most_columns + n, sizeof e);
        add(k & 1, value * a_significand[k], e + a_exponent[k]);
      }
      memcpy(even_out, &sum[0], sizeof even_out);
      memcpy(odd_out, &sum[1], sizeof odd_out);
      memcpy(largest_out, &largest, sizeof largest_out);
      for (int i = 0; i < Width; ++i) {
        const float before = accumulate ? sums[i] : 0.0f;
        const int64_t total = static_cast<int64_t>(even_out[i]) + odd_out[i];
        float result;
        if (any_special && (is_special(before) || [&] {
              for (int k = 0; k < K; ++k) {
                if (is_special(a[row * K + k]) || is_special(b[k * b_stride + n + i])) return true;
              }
              return false;
            }())) {
          result = special_sum<K>(a + row * K, b + n + i, b_stride, before);
        } else if (Half) {
          result = rounded_to_half(total, largest_out[i] - Fraction);
        } else {
          result = truncated(total, largest_out[i] - Fraction, Kept);
        }
        sums[i] = result;
      }
    }
  }
}

}  // namespace
}  // namespace tl::sim

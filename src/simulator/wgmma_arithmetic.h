// The arithmetic of wgmma, compiled once for each instruction set. With P elements to a 32-bit register, K = 8*P and thread
// t = lane%4, g = lane/4 of warp w (PTX ISA 9.7.15.5.1, figures of the fragments):
//   A(16w + g + 8*(i%2), (i/2)*4P + t*P + e)  element e of register i, where A is in registers
//   D(16w + g + 8*(e/2), 8j + 2t + e%2)       accumulator 4j + e
// A thread's accumulators are used as vectors where they lie: B is laid out so that for each t one vector holds what the
// accumulators 4j..4j+3 need (columns 8j+2t and the next, twice), and A as {row g, row g, row g+8, row g+8}.
#pragma once
#include "hardware_sum.h"
#include "matrix_formats.h"
#include "wgmma.h"

namespace tl::sim {
namespace {

constexpr int most_n = 256, most_k = 32, tile_rows = 64;

template <class Number, int Lanes>
struct Vector;
template <>
struct Vector<float, 4> {
  typedef float type __attribute__((vector_size(16)));
};
template <>
struct Vector<uint32_t, 4> {
  typedef uint32_t type __attribute__((vector_size(16)));
};
template <>
struct Vector<float, 8> {
  typedef float type __attribute__((vector_size(32)));
};
template <>
struct Vector<uint32_t, 8> {
  typedef uint32_t type __attribute__((vector_size(32)));
};
template <>
struct Vector<float, 16> {
  typedef float type __attribute__((vector_size(64)));
};
template <>
struct Vector<uint32_t, 16> {
  typedef uint32_t type __attribute__((vector_size(64)));
};

#if defined(__AVX512F__)
constexpr int lanes = 16;
#else
constexpr int lanes = 8;
#endif

// Four numbers, over and over.
template <int Lanes, class Number>
inline __attribute__((always_inline)) typename Vector<Number, Lanes>::type repeated(const Number* four) {
  typename Vector<Number, Lanes>::type wide;
#if defined(__AVX512F__)
  if constexpr (Lanes == 16) {
    __m512i all = _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(four)));
    memcpy(&wide, &all, sizeof wide);
    return wide;
  }
#endif
#if defined(__AVX2__)
  if constexpr (Lanes == 8) {
    __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(four)));
    memcpy(&wide, &both, sizeof wide);
    return wide;
  }
#endif
  for (int i = 0; i < Lanes; i += 4) memcpy(reinterpret_cast<char*>(&wide) + i * 4, four, 16);
  return wide;
}

// Accumulators [0, Vectors*Lanes) of two threads (rows g and g+1 of the same t), all K steps.
template <int K, int Lanes, int Vectors, class Number>
inline __attribute__((always_inline)) void two_rows(const Number* a0, const Number* a1, const Number* b, int b_stride, Number* c0, Number* c1,
                                                    bool accumulate) {
  using Wide = typename Vector<Number, Lanes>::type;
  Wide x[Vectors], y[Vectors];
  for (int v = 0; v < Vectors; ++v) {
    x[v] = Wide{}, y[v] = Wide{};
    if (accumulate) memcpy(&x[v], c0 + v * Lanes, sizeof(Wide)), memcpy(&y[v], c1 + v * Lanes, sizeof(Wide));
  }
#pragma GCC unroll 4
  for (int k = 0; k < K; ++k) {
    const Wide first = repeated<Lanes>(a0 + k * 4), second = repeated<Lanes>(a1 + k * 4);
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) {
      Wide factor;
      memcpy(&factor, b + k * b_stride + v * Lanes, sizeof factor);
      x[v] += first * factor;
      y[v] += second * factor;
    }
  }
  for (int v = 0; v < Vectors; ++v) memcpy(c0 + v * Lanes, &x[v], sizeof(Wide)), memcpy(c1 + v * Lanes, &y[v], sizeof(Wide));
}

template <class Number>
struct Scratch {
  alignas(64) Number a[tile_rows * most_k];       // [row][k]
  alignas(64) Number pairs[32 * most_k * 4];      // [warp*8 + g][k][4]
  alignas(64) Number b[4 * most_k * most_n / 2];  // [t][k][n/2]
  alignas(64) Number columns[most_k * most_n];    // [k][n], hardware numerics
  alignas(64) Number sums[tile_rows * most_n];    // hardware numerics; half accumulators
};

template <class DecodeA, class Number>
inline void fetch_a(const WgmmaOperands& in, Number* a) {
  constexpr int P = DecodeA::per_register, K = 8 * P;
  if (in.a_rows) {
    for (int row = 0; row < tile_rows; ++row) {
      for (int half = 0; half < 2; ++half) DecodeA::template run<4 * P>(a + row * K + half * 4 * P, in.a_rows + row * 32 + half * 16);
    }
  } else {
    for (int thread = 0; thread < warpgroup_threads; ++thread) {
      Number elements[4 * P];
      DecodeA::template run<4 * P>(elements, in.a_registers[thread]);
      const int row = thread / 32 * 16 + thread % 32 / 4, t = thread % 4;
      for (int i = 0; i < 4; ++i) {
        for (int e = 0; e < P; ++e) a[(row + i % 2 * 8) * K + i / 2 * 4 * P + t * P + e] = elements[i * P + e];
      }
    }
  }
  if (in.negate_a) {
    for (int i = 0; i < tile_rows * K; ++i) a[i] = -a[i];
  }
}

template <class DecodeA, class DecodeB, bool Half>
void multiply_fast(const WgmmaOperands& in) {
  using Number = typename DecodeA::Number;
  constexpr int P = DecodeA::per_register, K = 8 * P;
  using Four = typename Vector<Number, 4>::type;
  auto& s = workspace<Scratch<Number>>();
  const int n = in.n, width = n / 2;  // accumulators of a thread
  fetch_a<DecodeA>(in, s.a);
  for (int wg = 0; wg < 32; ++wg) {
    const Number* upper = s.a + (wg / 8 * 16 + wg % 8) * K;
    for (int k = 0; k < K; ++k) {
      const Four four = {upper[k], upper[k], upper[8 * K + k], upper[8 * K + k]};
      memcpy(s.pairs + (wg * K + k) * 4, &four, sizeof four);
    }
  }
  for (int j = 0; j < n / 8; ++j) {
    alignas(32) Number rows[8][K];
    for (int i = 0; i < 8; ++i) {
      for (int half = 0; half < 2; ++half) DecodeB::template run<4 * P>(rows[i] + half * 4 * P, in.b_rows + (j * 8 + i) * 32 + half * 16);
    }
    if (in.negate_b) {
      for (auto& row : rows) for (Number& x : row) x = -x;
    }
    for (int t = 0; t < 4; ++t) {
      for (int k = 0; k < K; ++k) {
        const Four four = {rows[2 * t][k], rows[2 * t + 1][k], rows[2 * t][k], rows[2 * t + 1][k]};
        memcpy(s.b + (t * K + k) * width + j * 4, &four, sizeof four);
      }
    }
  }
  auto accumulators = [&](int thread) {
    if constexpr (!Half) return static_cast<Number*>(in.c[thread]);
    else return s.sums + thread * width;
  };
  if constexpr (Half) {
    if (in.accumulate) {
      for (int thread = 0; thread < warpgroup_threads; ++thread) {
        for (int i = 0; i < width; ++i) accumulators(thread)[i] = detail::half_format::decode(static_cast<const uint16_t*>(in.c[thread])[i]);
      }
    }
  }
  for (int warp = 0; warp < 4; ++warp) {
    for (int t = 0; t < 4; ++t) {
      const Number* b = s.b + t * K * width;
      for (int g = 0; g < 8; g += 2) {
        const Number *a0 = s.pairs + (warp * 8 + g) * K * 4, *a1 = a0 + K * 4;
        Number *c0 = accumulators(warp * 32 + g * 4 + t), *c1 = accumulators(warp * 32 + g * 4 + 4 + t);
        int at = 0;
        for (; at + 4 * lanes <= width; at += 4 * lanes) two_rows<K, lanes, 4>(a0, a1, b + at, width, c0 + at, c1 + at, in.accumulate);
        for (; at + 8 <= width; at += 8) two_rows<K, 8, 1>(a0, a1, b + at, width, c0 + at, c1 + at, in.accumulate);
        if (at < width) two_rows<K, 4, 1>(a0, a1, b + at, width, c0 + at, c1 + at, in.accumulate);
      }
    }
  }
  if constexpr (Half) {
    for (int thread = 0; thread < warpgroup_threads; ++thread) {
      for (int i = 0; i < width; ++i) static_cast<uint16_t*>(in.c[thread])[i] = detail::half_format::encode(accumulators(thread)[i]);
    }
  }
}

template <class DecodeA, class DecodeB, bool Half, int Fraction, int Kept>
void multiply_hardware(const WgmmaOperands& in) {
  constexpr int P = DecodeA::per_register, K = 8 * P;
  auto& s = workspace<Scratch<float>>();
  const int n = in.n, padded = (n + lanes - 1) / lanes * lanes;
  fetch_a<DecodeA>(in, s.a);
  for (int column = 0; column < n; ++column) {
    float row[K];
    for (int half = 0; half < 2; ++half) DecodeB::template run<4 * P>(row + half * 4 * P, in.b_rows + column * 32 + half * 16);
    for (int k = 0; k < K; ++k) s.columns[k * most_n + column] = in.negate_b ? -row[k] : row[k];
  }
  for (int k = 0; k < K; ++k) {
    for (int column = n; column < padded; ++column) s.columns[k * most_n + column] = 0;
  }
  auto each = [&](auto visit) {
    for (int thread = 0; thread < warpgroup_threads; ++thread) {
      for (int i = 0; i < n / 2; ++i) {
        const int row = thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + thread % 4 * 2 + i % 2;
        visit(in.c[thread], i, s.sums[row * most_n + column]);
      }
    }
  };
  if (in.accumulate) {
    each([](void* c, int i, float& sum) {
      if constexpr (Half) sum = detail::half_format::decode(static_cast<uint16_t*>(c)[i]);
      else sum = static_cast<float*>(c)[i];
    });
    for (int row = 0; row < tile_rows; ++row) {
      for (int column = n; column < padded; ++column) s.sums[row * most_n + column] = 0;
    }
  }
  fused_product<K, Fraction, Kept, Half, lanes>(tile_rows, padded, s.a, DecodeA::lowest_exponent, s.columns, DecodeB::lowest_exponent, most_n,
                                                    s.sums, most_n, in.accumulate);
  each([](void* c, int i, float& sum) {
    if constexpr (Half) static_cast<uint16_t*>(c)[i] = detail::half_format::encode(sum);
    else static_cast<float*>(c)[i] = sum;
  });
}

// In the order of tl_sim_wgmma_op.
#define TL_SIM_WGMMA_INTEGERS multiply_fast<S8, S8, false>, multiply_fast<S8, U8, false>, multiply_fast<U8, S8, false>, multiply_fast<U8, U8, false>
#define TL_SIM_WGMMA_KERNELS                                                                                                        \
  {                                                                                                                                 \
    {multiply_fast<DecodeHalf, DecodeHalf, false>, multiply_fast<DecodeHalf, DecodeHalf, true>,                                     \
     multiply_fast<DecodeBfloat16, DecodeBfloat16, false>, multiply_fast<DecodeTruncatedTf32, DecodeTruncatedTf32, false>,          \
     multiply_fast<E4m3, E4m3, false>, multiply_fast<E4m3, E5m2, false>, multiply_fast<E5m2, E4m3, false>,                          \
     multiply_fast<E5m2, E5m2, false>, multiply_fast<E4m3, E4m3, true>, multiply_fast<E4m3, E5m2, true>,                            \
     multiply_fast<E5m2, E4m3, true>, multiply_fast<E5m2, E5m2, true>, TL_SIM_WGMMA_INTEGERS},                                      \
    {multiply_hardware<DecodeHalf, DecodeHalf, false, 25, 24>, multiply_hardware<DecodeHalf, DecodeHalf, true, 25, 24>,             \
     multiply_hardware<DecodeBfloat16, DecodeBfloat16, false, 25, 24>,                                                              \
     multiply_hardware<DecodeTruncatedTf32, DecodeTruncatedTf32, false, 25, 24>, multiply_hardware<E4m3, E4m3, false, 13, 14>,      \
     multiply_hardware<E4m3, E5m2, false, 13, 14>, multiply_hardware<E5m2, E4m3, false, 13, 14>,                                    \
     multiply_hardware<E5m2, E5m2, false, 13, 14>, multiply_hardware<E4m3, E4m3, true, 13, 14>,                                     \
     multiply_hardware<E4m3, E5m2, true, 13, 14>, multiply_hardware<E5m2, E4m3, true, 13, 14>,                                      \
     multiply_hardware<E5m2, E5m2, true, 13, 14>, TL_SIM_WGMMA_INTEGERS}                                                            \
  }

}  // namespace
}  // namespace tl::sim

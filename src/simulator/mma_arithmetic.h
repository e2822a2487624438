// The arithmetic of matrix instructions, compiled once for each instruction set (mma_portable.cc, mma_avx2.cc); all of it
// in an unnamed namespace, so that the linker cannot mix the versions.
//
// With P elements to a 32-bit register, K = 8*P, and lane = 4*group + t (PTX ISA 9.7.14.5, figures of the fragments):
//   A(row, k): lane 4*(row%8) + k%(4P)/P, element k%P + P*(row/8) + 2P*(k/(4P))
//   B(k, n):   lane 4*n + k%(4P)/P,       element k%P + P*(k/(4P))
//   C(row, n): lane 4*(row%8) + n/2,      element n%2 + 2*(row/8)
// Sums run over k in order, in single precision; products of all narrow types are exact there, so that fusing the
// multiplication and the addition changes nothing.
#pragma once
// Inlined always: an inline function left to the linker could be the one with the other file's instructions.
#define TL_FUNC inline __attribute__((always_inline))
#include <cstring>

#include <tl/float_types.h>

#include "mma.h"

namespace tl::sim {
namespace {

typedef float Floats __attribute__((vector_size(32)));
typedef uint32_t Integers __attribute__((vector_size(32)));

template <class T>
struct Vector8;
template <>
struct Vector8<float> {
  using type = Floats;
};
template <>
struct Vector8<uint32_t> {
  using type = Integers;
};

// Decoders: `Count` packed elements to floats (or 32-bit integers, two's complement).
struct DecodeHalf {
  using Number = float;
  static constexpr int per_register = 2;
  template <int Count>
  static inline void run(float* out, const void* raw) {
    auto* in = static_cast<const uint16_t*>(raw);
#if defined(__F16C__)
    static_assert(Count == 8 || Count == 4);
    if constexpr (Count == 8) _mm256_storeu_ps(out, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in))));
    else _mm_storeu_ps(out, _mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(in))));
#else
    for (int i = 0; i < Count; ++i) out[i] = detail::half_format::decode(in[i]);
#endif
  }
};
struct DecodeBfloat16 {
  using Number = float;
  static constexpr int per_register = 2;
  template <int Count>
  static inline void run(float* out, const void* raw) {
    auto* in = static_cast<const uint16_t*>(raw);
    for (int i = 0; i < Count; ++i) out[i] = reinterpret<float>(static_cast<uint32_t>(in[i]) << 16);
  }
};
// cvt.rna.tf32: to 10 mantissa bits, ties away from zero.
struct DecodeTf32 {
  using Number = float;
  static constexpr int per_register = 1;
  template <int Count>
  static inline void run(float* out, const void* raw) {
    auto* in = static_cast<const uint32_t*>(raw);
    for (int i = 0; i < Count; ++i) {
      bool finite = (in[i] & 0x7f800000u) != 0x7f800000u;
      out[i] = reinterpret<float>(finite ? (in[i] + 0x1000u) & ~0x1fffu : in[i]);
    }
  }
};
template <class Format>
struct DecodeFloat8 {
  using Number = float;
  static constexpr int per_register = 4;
  struct Table {
    float value[256];
    Table() {
      for (int i = 0; i < 256; ++i) value[i] = Format::decode(static_cast<uint8_t>(i));
    }
  };
  template <int Count>
  static inline void run(float* out, const void* raw) {
    static const Table table;
    auto* in = static_cast<const uint8_t*>(raw);
    for (int i = 0; i < Count; ++i) out[i] = table.value[in[i]];
  }
};
template <class T>
struct DecodeInt8 {
  using Number = uint32_t;
  static constexpr int per_register = 4;
  template <int Count>
  static inline void run(uint32_t* out, const void* raw) {
    auto* in = static_cast<const T*>(raw);
    for (int i = 0; i < Count; ++i) out[i] = static_cast<uint32_t>(static_cast<int32_t>(in[i]));
  }
};

// Accumulators in memory: element pairs as 8 or 4 bytes.
struct Plain {
  template <class Number>
  static void load(Number* pair, const void* c, int index) {
    memcpy(pair, static_cast<const Number*>(c) + index, sizeof(Number) * 2);
  }
  template <class Number>
  static void store(void* c, int index, const Number* pair) {
    memcpy(static_cast<Number*>(c) + index, pair, sizeof(Number) * 2);
  }
};
struct AsHalf {  // summed in single precision, rounded once an instruction
  static void load(float* pair, const void* c, int index) {
    auto* half = static_cast<const uint16_t*>(c) + index;
    pair[0] = detail::half_format::decode(half[0]);
    pair[1] = detail::half_format::decode(half[1]);
  }
  static void store(void* c, int index, const float* pair) {
    auto* half = static_cast<uint16_t*>(c) + index;
    half[0] = detail::half_format::encode(pair[0]);
    half[1] = detail::half_format::encode(pair[1]);
  }
};

template <class DecodeA, class DecodeB, class Accumulator>
void multiply(const MmaOperands* lanes) {
  using Number = typename DecodeA::Number;
  using Vector = typename Vector8<Number>::type;
  constexpr int P = DecodeA::per_register, K = 8 * P;
  alignas(32) Number a[lanes_per_warp * 4 * P], flat_b[lanes_per_warp * 2 * P], b[K][8];
  for (int lane = 0; lane < lanes_per_warp; ++lane) {
    DecodeA::template run<4 * P>(a + lane * 4 * P, lanes[lane].a);
    DecodeB::template run<2 * P>(flat_b + lane * 2 * P, lanes[lane].b);
  }
  for (int k = 0; k < K; ++k) {
    const Number* column = flat_b + k % (4 * P) / P * (2 * P) + k % P + P * (k / (4 * P));
    for (int n = 0; n < 8; ++n) b[k][n] = column[n * 8 * P];
  }
  for (int upper = 0; upper < 2; ++upper) {  // eight rows at a time: their sums stay in registers
    Vector sum[8];
    for (int group = 0; group < 8; ++group) {
      alignas(32) Number row[8];
      for (int t = 0; t < 4; ++t) Accumulator::load(row + 2 * t, lanes[group * 4 + t].c, 2 * upper);
      memcpy(&sum[group], row, sizeof row);
    }
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) {
      Vector factor;
      memcpy(&factor, b[k], sizeof factor);
      const Number* element = a + k % (4 * P) / P * (4 * P) + k % P + P * upper + 2 * P * (k / (4 * P));
#pragma GCC unroll 8
      for (int group = 0; group < 8; ++group) sum[group] += element[group * 16 * P] * factor;
    }
    for (int group = 0; group < 8; ++group) {
      alignas(32) Number row[8];
      memcpy(row, &sum[group], sizeof row);
      for (int t = 0; t < 4; ++t) Accumulator::store(lanes[group * 4 + t].c, 2 * upper, row + 2 * t);
    }
  }
}

// m8n8k4: A(row, k) is lane 4*row + k, B(k, n) lane 4*n + k, C(row, n) lane 4*row + n/2, element n%2.
void multiply_double(const MmaOperands* lanes) {
  double a[lanes_per_warp], b[lanes_per_warp];
  for (int lane = 0; lane < lanes_per_warp; ++lane) {
    memcpy(&a[lane], lanes[lane].a, 8);
    memcpy(&b[lane], lanes[lane].b, 8);
  }
  for (int row = 0; row < 8; ++row) {
    for (int n = 0; n < 8; ++n) {
      double* c = static_cast<double*>(lanes[row * 4 + n / 2].c) + n % 2;
      double sum = *c;
      for (int k = 0; k < 4; ++k) sum = __builtin_fma(a[row * 4 + k], b[n * 4 + k], sum);
      *c = sum;
    }
  }
}

using E4m3 = DecodeFloat8<detail::float8_e4m3_format>;
using E5m2 = DecodeFloat8<detail::float8_e5m2_format>;
using S8 = DecodeInt8<int8_t>;
using U8 = DecodeInt8<uint8_t>;

// In the order of tl_sim_mma_op.
#define TL_SIM_MMA_KERNELS                                                                                      \
  {                                                                                                             \
    multiply<DecodeHalf, DecodeHalf, Plain>, multiply<DecodeHalf, DecodeHalf, AsHalf>,                          \
        multiply<DecodeBfloat16, DecodeBfloat16, Plain>, multiply<DecodeTf32, DecodeTf32, Plain>,               \
        multiply<S8, S8, Plain>, multiply<S8, U8, Plain>, multiply<U8, S8, Plain>, multiply<U8, U8, Plain>,     \
        multiply<E4m3, E4m3, Plain>, multiply<E4m3, E5m2, Plain>, multiply<E5m2, E4m3, Plain>,                  \
        multiply<E5m2, E5m2, Plain>, multiply_double                                                            \
  }

}  // namespace
}  // namespace tl::sim

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
#include "hardware_sum.h"
#include "matrix_formats.h"
#include "mma.h"

namespace tl::sim {
namespace {

// Accumulators in memory: element pairs as 8 or 4 bytes.
struct Plain {
  static constexpr bool half = false;
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
  static constexpr bool half = true;
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

// The same in hardware numerics: one block of K.
template <class DecodeA, class DecodeB, class Accumulator>
void multiply_hardware(const MmaOperands* lanes) {
  constexpr int P = DecodeA::per_register, K = 8 * P;
  alignas(64) float a[16][K], b[K][8], c[16][8], raw_a[4 * P], raw_b[2 * P];
  for (int lane = 0; lane < lanes_per_warp; ++lane) {
    const int group = lane / 4, t = lane % 4;
    DecodeA::template run<4 * P>(raw_a, lanes[lane].a);
    DecodeB::template run<2 * P>(raw_b, lanes[lane].b);
    for (int i = 0; i < 4 * P; ++i) a[group + i / P % 2 * 8][t * P + i % P + i / (2 * P) * 4 * P] = raw_a[i];
    for (int i = 0; i < 2 * P; ++i) b[t * P + i % P + i / P * 4 * P][group] = raw_b[i];
    for (int upper = 0; upper < 2; ++upper) Accumulator::load(c[group + 8 * upper] + 2 * t, lanes[lane].c, 2 * upper);
  }
  fused_product<K, 25, 24, Accumulator::half, 8>(16, 8, &a[0][0], DecodeA::lowest_exponent, &b[0][0], DecodeB::lowest_exponent, 8, &c[0][0], 8, true);
  for (int lane = 0; lane < lanes_per_warp; ++lane) {
    for (int upper = 0; upper < 2; ++upper) Accumulator::store(lanes[lane].c, 2 * upper, c[lane / 4 + 8 * upper] + lane % 4 * 2);
  }
}

// 8-bit floats: Hopper's mma.sync has none. ptxas (13.0, sm_90a) converts them to halves; from each register the lower two of four
// values of k make a first HMMA.16816 that starts at zero, the upper two a second one upon it, and FADD brings the accumulator.
template <class DecodeA, class DecodeB>
void multiply_hardware_float8(const MmaOperands* lanes) {
  constexpr int half_lowest = DecodeHalf::lowest_exponent;
  alignas(64) float a[2][16][16], b[2][16][8], sum[16][8], raw_a[16], raw_b[8];
  for (int lane = 0; lane < lanes_per_warp; ++lane) {
    const int group = lane / 4, t = lane % 4;
    DecodeA::template run<16>(raw_a, lanes[lane].a);
    DecodeB::template run<8>(raw_b, lanes[lane].b);
    // Within a block the order of k is free: the sum is exact.
    for (int i = 0; i < 16; ++i) a[i % 4 / 2][group + i / 4 % 2 * 8][i / 8 * 8 + t * 2 + i % 2] = raw_a[i];
    for (int i = 0; i < 8; ++i) b[i % 4 / 2][i / 4 * 8 + t * 2 + i % 2][group] = raw_b[i];
  }
  for (int block = 0; block < 2; ++block) {
    fused_product<16, 25, 24, false, 8>(16, 8, &a[block][0][0], half_lowest, &b[block][0][0], half_lowest, 8, &sum[0][0], 8, block == 1);
  }
  for (int lane = 0; lane < lanes_per_warp; ++lane) {
    float* c = static_cast<float*>(lanes[lane].c);
    for (int i = 0; i < 4; ++i) c[i] += sum[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
  }
}

// In the order of tl_sim_mma_op, for fast and for hardware numerics.
#define TL_SIM_MMA_INTEGERS multiply<S8, S8, Plain>, multiply<S8, U8, Plain>, multiply<U8, S8, Plain>, multiply<U8, U8, Plain>
#define TL_SIM_MMA_KERNELS                                                                                          \
  {                                                                                                                 \
    {multiply<DecodeHalf, DecodeHalf, Plain>, multiply<DecodeHalf, DecodeHalf, AsHalf>,                             \
     multiply<DecodeBfloat16, DecodeBfloat16, Plain>, multiply<DecodeTf32, DecodeTf32, Plain>, TL_SIM_MMA_INTEGERS, \
     multiply<E4m3, E4m3, Plain>, multiply<E4m3, E5m2, Plain>, multiply<E5m2, E4m3, Plain>,                         \
     multiply<E5m2, E5m2, Plain>, multiply_double},                                                                 \
    {multiply_hardware<DecodeHalf, DecodeHalf, Plain>, multiply_hardware<DecodeHalf, DecodeHalf, AsHalf>,           \
     multiply_hardware<DecodeBfloat16, DecodeBfloat16, Plain>, multiply_hardware<DecodeTf32, DecodeTf32, Plain>,    \
     TL_SIM_MMA_INTEGERS, multiply_hardware_float8<E4m3, E4m3>, multiply_hardware_float8<E4m3, E5m2>,               \
     multiply_hardware_float8<E5m2, E4m3>, multiply_hardware_float8<E5m2, E5m2>, multiply_double}                   \
  }

}  // namespace
}  // namespace tl::sim

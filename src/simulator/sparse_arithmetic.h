// The arithmetic of sparse matrix instructions, compiled once for each instruction set. A product takes the rows of B that the
// metadata names: what the others hold (infinities, NaN) has no part in it.
#pragma once
#include "hardware_sum.h"
#include "matrix_formats.h"
#include "sparse.h"

namespace tl::sim {
namespace {

constexpr int sparse_rows = 64, sparse_columns = 256, sparse_depth = 64;

template <class Number>
struct SparseScratch {
  alignas(64) Number a[sparse_rows * most_kept];             // [row][kept]
  alignas(64) Number b[sparse_depth * sparse_columns];       // [k][n]
  alignas(64) Number sums[sparse_rows * sparse_columns];     // [row][n]
  alignas(64) Number chosen[most_kept * sparse_columns];     // [kept][n]: the rows of B of one row of A, hardware numerics
};

template <class DecodeA, class Number>
inline void fetch_sparse_a(const SparseOperands& in, Number* a) {
  constexpr int P = DecodeA::per_register, kept = 8 * P;
  if (in.a_rows) {
    for (int row = 0; row < 16 * in.warps; ++row) {
      for (int half = 0; half < 2; ++half) DecodeA::template run<4 * P>(a + row * kept + half * 4 * P, in.a_rows + row * 32 + half * 16);
    }
  } else {
    for (int thread = 0; thread < lanes_per_warp * in.warps; ++thread) {
      Number elements[4 * P];
      DecodeA::template run<4 * P>(elements, in.a_registers[thread]);
      const int row = thread / 32 * 16 + thread % 32 / 4, t = thread % 4;
      for (int i = 0; i < 4; ++i) {
        for (int e = 0; e < P; ++e) a[(row + i % 2 * 8) * kept + i / 2 * 4 * P + t * P + e] = elements[i * P + e];
      }
    }
  }
  if (in.negate_a) {
    for (int i = 0; i < 16 * in.warps * kept; ++i) a[i] = -a[i];
  }
}

template <class DecodeB, class Number>
inline void fetch_sparse_b(const SparseOperands& in, Number* b) {
  constexpr int P = DecodeB::per_register, K = 16 * P;
  for (int column = 0; column < in.n; ++column) {
    Number row[K];
    for (int part = 0; part < 4; ++part) DecodeB::template run<4 * P>(row + part * 4 * P, in.b_rows + column * sparse_b_bytes + part * 16);
    for (int k = 0; k < K; ++k) b[k * sparse_columns + column] = in.negate_b ? -row[k] : row[k];
  }
}

// Accumulator i of a thread is row 16 warp + lane/4 + 8*(i/2%2), column 8*(i/4) + 2*(lane%4) + i%2.
template <class Number, class Visit>
inline void each_sum(const SparseOperands& in, Number* sums, Visit visit) {
  for (int thread = 0; thread < lanes_per_warp * in.warps; ++thread) {
    for (int i = 0; i < in.n / 2; ++i) {
      const int row = thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + thread % 4 * 2 + i % 2;
      visit(in.c[thread], i, sums[row * sparse_columns + column]);
    }
  }
}

// 8-bit floats of mma.sp on Hopper, which has the instruction for halves only: as in mma.sync (`multiply_hardware_float8`), the lower
// two of four stored values make a first product from zero, the upper two a second one upon it, and an addition brings the sum.
template <int Kept, class Number>
inline void add_float8_as_halves(const Number* a, const Number* chosen, int n, Number* sums) {
  constexpr int lowest = DecodeHalf::lowest_exponent, depth = Kept / 2;
  alignas(64) Number part[depth], rows[depth * 8], sum[8];
  for (int column = 0; column < n; column += 8) {
    for (int block = 0; block < 2; ++block) {
      for (int i = 0; i < depth; ++i) {
        const int from = i / 2 * 4 + block * 2 + i % 2;
        part[i] = a[from];
        memcpy(rows + i * 8, chosen + from * sparse_columns + column, sizeof sum);
      }
      fused_product<depth, 25, 24, false, 8>(1, 8, part, lowest, rows, lowest, 8, sum, 8, block == 1);
    }
    for (int i = 0; i < 8; ++i) sums[column + i] += sum[i];
  }
}

template <class DecodeA, class DecodeB, bool Half, bool Hardware, int Fraction, int Kept>
void sparse_product(const SparseOperands& in) {
  using Number = typename DecodeA::Number;
  using Wide = typename Vector8<Number>::type;
  constexpr int kept = 8 * DecodeA::per_register;
  auto& s = workspace<SparseScratch<Number>>();
  fetch_sparse_a<DecodeA>(in, s.a);
  fetch_sparse_b<DecodeB>(in, s.b);
  if (in.accumulate) {
    each_sum(in, s.sums, [](void* c, int i, Number& sum) {
      if constexpr (Half) sum = detail::half_format::decode(static_cast<uint16_t*>(c)[i]);
      else sum = static_cast<Number*>(c)[i];
    });
  } else {
    memset(s.sums, 0, sizeof s.sums);
  }
  for (int row = 0; row < 16 * in.warps; ++row) {
    const uint8_t* places = in.places + row * kept;
    Number* sums = s.sums + row * sparse_columns;
    if constexpr (Hardware) {
      for (int i = 0; i < kept; ++i) memcpy(s.chosen + i * sparse_columns, s.b + places[i] * sparse_columns, sizeof(Number) * static_cast<size_t>(in.n));
      if constexpr (Fraction == 13 && !Half) {
        if (in.warps == 1) {
          add_float8_as_halves<kept>(s.a + row * kept, s.chosen, in.n, sums);
          continue;
        }
      }
      fused_product<kept, Fraction, Kept, Half, 8>(1, in.n, s.a + row * kept, DecodeA::lowest_exponent, s.chosen, DecodeB::lowest_exponent,
                                                   sparse_columns, sums, sparse_columns, in.accumulate);
    } else {
      for (int n = 0; n < in.n; n += 8) {
        Wide sum;
        memcpy(&sum, sums + n, sizeof sum);
        for (int i = 0; i < kept; ++i) {
          Wide factor;
          memcpy(&factor, s.b + places[i] * sparse_columns + n, sizeof factor);
          sum += s.a[row * kept + i] * factor;
        }
        memcpy(sums + n, &sum, sizeof sum);
      }
    }
  }
  each_sum(in, s.sums, [](void* c, int i, Number& sum) {
    if constexpr (Half) static_cast<uint16_t*>(c)[i] = detail::half_format::encode(sum);
    else static_cast<Number*>(c)[i] = sum;
  });
}

// In the order of tl_sim_wgmma_op. The hardware's sums are those of the dense instruction of as many products.
#define TL_SIM_SPARSE_FLOATS(hardware)                                                                                               \
  sparse_product<DecodeHalf, DecodeHalf, false, hardware, 25, 24>, sparse_product<DecodeHalf, DecodeHalf, true, hardware, 25, 24>,  \
      sparse_product<DecodeBfloat16, DecodeBfloat16, false, hardware, 25, 24>,                                                      \
      sparse_product<DecodeTruncatedTf32, DecodeTruncatedTf32, false, hardware, 25, 24>,                                            \
      sparse_product<E4m3, E4m3, false, hardware, 13, 14>, sparse_product<E4m3, E5m2, false, hardware, 13, 14>,                     \
      sparse_product<E5m2, E4m3, false, hardware, 13, 14>, sparse_product<E5m2, E5m2, false, hardware, 13, 14>,                     \
      sparse_product<E4m3, E4m3, true, hardware, 13, 14>, sparse_product<E4m3, E5m2, true, hardware, 13, 14>,                       \
      sparse_product<E5m2, E4m3, true, hardware, 13, 14>, sparse_product<E5m2, E5m2, true, hardware, 13, 14>
#define TL_SIM_SPARSE_INTEGERS                                                                                      \
  sparse_product<S8, S8, false, false, 0, 0>, sparse_product<S8, U8, false, false, 0, 0>,                          \
      sparse_product<U8, S8, false, false, 0, 0>, sparse_product<U8, U8, false, false, 0, 0>
#define TL_SIM_SPARSE_KERNELS \
  { {TL_SIM_SPARSE_FLOATS(false), TL_SIM_SPARSE_INTEGERS}, {TL_SIM_SPARSE_FLOATS(true), TL_SIM_SPARSE_INTEGERS} }

}  // namespace
}  // namespace tl::sim

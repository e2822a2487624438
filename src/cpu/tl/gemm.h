// C (+)= A B on tiles: register blocks of C over rows of vectors, in the accumulator's type.
//
// A block of MR rows by NV vectors of C stays in registers while k runs; each step loads NV vectors of a row of B and broadcasts MR
// elements of A. Operands of another type, a transposed B and a ragged last vector are packed first, into k x n rows padded to
// whole vectors (BLIS: Van Zee, van de Geijn, "BLIS: A Framework for Rapidly Instantiating BLAS Functionality", 2015).
#pragma once
#include <tl/cast.h>

namespace tl {
namespace detail {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64, block_vectors = 4, block_rows = 6;  // 32 registers: 24 of C, 4 of B, 1 of A
#elif defined(__AVX__)
inline constexpr int vector_bytes = 32, block_vectors = 2, block_rows = 6;  // 16 registers: 12 of C, 2 of B, 1 of A
#else
inline constexpr int vector_bytes = 16, block_vectors = 2, block_rows = 6;
#endif

template <class T>
struct vector_of {
  typedef T type __attribute__((vector_size(vector_bytes), aligned(sizeof(T)), may_alias));
};

// What products are summed in: float for the narrow floats, double for double, the integer itself for wide integers.
template <class C>
struct accumulator {
  using type = float;
};
template <>
struct accumulator<double> {
  using type = double;
};
template <>
struct accumulator<int> {
  using type = int;
};
template <>
struct accumulator<unsigned> {
  using type = unsigned;
};
template <>
struct accumulator<int64_t> {
  using type = int64_t;
};
template <>
struct accumulator<uint64_t> {
  using type = uint64_t;
};
template <>
struct accumulator<int16_t> {
  using type = int;
};
template <>
struct accumulator<int8_t> {
  using type = int;
};
template <>
struct accumulator<uint16_t> {
  using type = unsigned;
};
template <>
struct accumulator<uint8_t> {
  using type = unsigned;
};

constexpr int divide_up(int a, int b) { return (a + b - 1) / b; }

// `rows` x `columns` of From as To, row by row in `ld` elements; element (r, c) of the source is source[r * row_step + c * column_step].
template <int Rows, int Columns, class To, class From>
inline void pack(To* __restrict__ to, int ld, const From* __restrict__ source, int row_step, int column_step) {
  for (int r = 0; r < Rows; ++r) {
    if (column_step == 1) {
#pragma omp simd
      for (int c = 0; c < Columns; ++c) to[r * ld + c] = cast<To>(source[r * row_step + c]);
    } else {
#pragma omp simd
      for (int c = 0; c < Columns; ++c) to[r * ld + c] = cast<To>(source[r * row_step + c * column_step]);
    }
  }
}

// The same for a source whose rows are adjacent in memory (row_step 1): transposed in squares, so that both sides use whole lines.
template <int Rows, int Columns, class To, class From>
inline void pack_transposed(To* __restrict__ to, int ld, const From* __restrict__ source, int column_step) {
  constexpr int square = 16;
  for (int c0 = 0; c0 < Columns; c0 += square) {
    const int c1 = c0 + square < Columns ? c0 + square : Columns;
    for (int r0 = 0; r0 < Rows; r0 += square) {
      const int r1 = r0 + square < Rows ? r0 + square : Rows;
      for (int r = r0; r < r1; ++r) {
#pragma omp simd
        for (int c = c0; c < c1; ++c) to[r * ld + c] = cast<To>(source[r + c * column_step]);
      }
    }
  }
}

// MR rows by NV vectors of C; a[m * row_step + k * k_step], b[k * b_ld + n].
template <int MR, int NV, class T>
inline __attribute__((always_inline)) void micro_kernel(int depth, const T* a, int row_step, int k_step, const T* b, int b_ld,
                                                        T* c, int c_ld, bool clear) {
  using V = typename vector_of<T>::type;
  constexpr int lanes = vector_bytes / int(sizeof(T));
  V sum[MR][NV];
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m) {
#pragma GCC unroll 16
    for (int v = 0; v < NV; ++v) sum[m][v] = clear ? V{} : *reinterpret_cast<const V*>(c + m * c_ld + v * lanes);
  }
  for (int k = 0; k < depth; ++k) {
    V row[NV];
#pragma GCC unroll 16
    for (int v = 0; v < NV; ++v) row[v] = *reinterpret_cast<const V*>(b + k * b_ld + v * lanes);
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m) {
      const V one = a[m * row_step + k * k_step] - V{};  // broadcast
#pragma GCC unroll 16
      for (int v = 0; v < NV; ++v) sum[m][v] += one * row[v];
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m) {
#pragma GCC unroll 16
    for (int v = 0; v < NV; ++v) *reinterpret_cast<V*>(c + m * c_ld + v * lanes) = sum[m][v];
  }
}

// All rows of a column panel of NV vectors.
template <int M, int NV, class T>
inline __attribute__((noinline)) void row_blocks(int depth, const T* a, int row_step, int k_step, const T* b, int b_ld, T* c,
                                                 int c_ld, bool clear) {
  // Rows in blocks of nearly equal height: a last block of one row would wait for its own sums.
  constexpr int blocks = divide_up(M, block_rows), height = divide_up(M, blocks), rest = M % height;
  for (int m = 0; m + height <= M; m += height)
    micro_kernel<height, NV>(depth, a + m * row_step, row_step, k_step, b, b_ld, c + m * c_ld, c_ld, clear);
  if constexpr (rest != 0) {
    constexpr int m = M - rest;
    micro_kernel<rest, NV>(depth, a + m * row_step, row_step, k_step, b, b_ld, c + m * c_ld, c_ld, clear);
  }
}

// C of M x N (whole vectors), in the accumulator's type throughout.
template <int M, int N, class T>
inline void multiply(int depth, const T* a, int row_step, int k_step, const T* b, int b_ld, T* c, int c_ld, bool clear) {
  constexpr int lanes = vector_bytes / int(sizeof(T)), panel = lanes * block_vectors, rest = N % panel;
  static_assert(N % lanes == 0, "rows are padded to whole vectors");
  for (int n = 0; n + panel <= N; n += panel)
    row_blocks<M, block_vectors>(depth, a, row_step, k_step, b + n, b_ld, c + n, c_ld, clear);
  if constexpr (rest != 0) row_blocks<M, rest / lanes>(depth, a, row_step, k_step, b + (N - rest), b_ld, c + (N - rest), c_ld, clear);
}

}  // namespace detail

// C[m, n] (+)= sum over k of A[m, k] B[k, n] for an M x N x K tile.
//   a: element (m, k) at a[m * lda + k], or a[k * lda + m] if TransposeA;   b: (k, n) at b[k * ldb + n], or b[n * ldb + k] if TransposeB
//   c: (m, n) at c[m * ldc + n]; `clear` overwrites C. Products are summed in float, double or integers of C's kind, and a narrower
//   C is rounded once.
template <int M, int N, int K, bool TransposeA, bool TransposeB, class A, class B, class C>
inline void cpu_gemm(const A* a, int lda, const B* b, int ldb, C* c, int ldc, bool clear) {
  using T = typename detail::accumulator<C>::type;
  constexpr int lanes = detail::vector_bytes / int(sizeof(T)), padded = detail::divide_up(N, lanes) * lanes;
  constexpr bool pack_a = !is_same<A, T>, pack_b = !is_same<B, T> || TransposeB || padded != N, pack_c = !is_same<C, T> || padded != N;
  // One copy for each thread and operand: a tile is too large for a stack that other code shares.
  [[maybe_unused]] alignas(64) static thread_local T packed_a[pack_a ? M * K : 1], packed_b[pack_b ? K * padded : 1];
  [[maybe_unused]] alignas(64) static thread_local T packed_c[pack_c ? M * padded : 1];

  const T* left;
  int row_step = TransposeA ? 1 : lda, k_step = TransposeA ? lda : 1;
  if constexpr (pack_a) {
    if constexpr (TransposeA) detail::pack<K, M>(packed_a, M, a, lda, 1);
    else detail::pack<M, K>(packed_a, K, a, lda, 1);
    row_step = TransposeA ? 1 : K, k_step = TransposeA ? M : 1;
    left = packed_a;
  } else {
    left = a;
  }
  const T* right;
  int right_ld = ldb;
  if constexpr (pack_b) {
    if constexpr (TransposeB) detail::pack_transposed<K, N>(packed_b, padded, b, ldb);
    else detail::pack<K, N>(packed_b, padded, b, ldb, 1);
    right = packed_b, right_ld = padded;
  } else {
    right = b;
  }
  if constexpr (pack_c) {
    if (!clear) detail::pack<M, N>(packed_c, padded, c, ldc, 1);
    detail::multiply<M, padded>(K, left, row_step, k_step, right, right_ld, packed_c, padded, clear);
    detail::pack<M, N>(c, ldc, packed_c, padded, 1);
  } else {
    detail::multiply<M, padded>(K, left, row_step, k_step, right, right_ld, c, ldc, clear);
  }
}

}  // namespace tl

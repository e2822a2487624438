// 2:4 sparse matrix instructions: mma.sp (PTX ISA 9.7.14.6) and wgmma.mma_async.sp (9.7.15.6). A is stored without its zeros; a
// metadata register a thread says where along K the kept elements were.
#pragma once
#include "block.h"

namespace tl::sim {

constexpr int sparse_b_bytes = 64;     // of a column of B: K is twice that of the dense instruction
constexpr int most_kept = 32;          // elements of a row of A that are stored: 32 bytes

// One instruction of `warps` warps, each 16 rows. Fragments of A in registers, C and D are those of the dense instructions.
struct SparseOperands {
  const char* a_rows;   // [16 * warps][32 bytes]; null: registers
  const char* b_rows;   // [n][64 bytes], K innermost
  const void* const* a_registers;  // by thread, 16 bytes each
  void* const* c;                  // by thread
  const uint8_t* places;           // [16 * warps][kept]: the index along K of each stored element
  int warps, n;
  bool accumulate, negate_a, negate_b;
};
using SparseKernel = void (*)(const SparseOperands& operands);
extern const SparseKernel sparse_kernels_portable[2][TL_SIM_WGMMA_COUNT];  // by Numerics, tl_sim_wgmma_op
extern const SparseKernel sparse_kernels_avx2[2][TL_SIM_WGMMA_COUNT];
void choose_sparse_kernels(bool portable);

// Reads the metadata registers of the instruction's threads and runs it; fails on metadata without a meaning.
void multiply_sparse(Block& block, int operation, SparseOperands operands, const uint32_t* metadata, int selector, int site);

void execute_sparse_mma(Warp& warp, Block& block);

}  // namespace tl::sim

// Warpgroup matrix instructions in flight (PTX ISA 9.7.15).
#pragma once
#include <deque>

#include "block.h"

namespace tl::sim {

struct WgmmaOperation {
  int operation, n, flags, site;
  int selector;  // of a sparse one; -1: dense
  uint64_t a_descriptor, b_descriptor;
  bool a_in_registers;
  int joined;  // threads that have issued it
  void* c[warpgroup_threads];
  const void* a[warpgroup_threads];
  uint32_t metadata[warpgroup_threads];  // sparse
};

// Of one warpgroup. Operations run in order, each once all 128 threads have issued it.
struct WgmmaQueue {
  std::deque<std::unique_ptr<WgmmaOperation>> pending;
  std::vector<std::unique_ptr<WgmmaOperation>> spare;
  uint64_t done = 0;  // operations executed since the block began
  int waiters = 0;    // threads in wait_group
  void clear();
};

// Operands as the arithmetic takes them: 16-byte chunks gathered from shared memory.
struct WgmmaOperands {
  const char* a_rows;   // [64][32 bytes]; null: registers
  const char* b_rows;   // [n][32 bytes], K innermost
  const void* const* a_registers;
  void* const* c;
  int n;
  bool accumulate, negate_a, negate_b;
};
using WgmmaKernel = void (*)(const WgmmaOperands& operands);
extern const WgmmaKernel wgmma_kernels_portable[2][TL_SIM_WGMMA_COUNT];  // by Numerics
extern const WgmmaKernel wgmma_kernels_avx2[2][TL_SIM_WGMMA_COUNT];
extern const WgmmaKernel wgmma_kernels_avx512[2][TL_SIM_WGMMA_COUNT];
void choose_wgmma_kernels(bool portable);
// The arithmetic chosen for this processor.
WgmmaKernel wgmma_kernel(Numerics numerics, int operation);

std::string describe_wgmma(const Block& block, const Thread& thread);

}  // namespace tl::sim

// The log of a warp's matrix instructions, and the arithmetic that works it off.
#pragma once
#include "block.h"

namespace tl::sim {

// A lane's part of one instruction: operands by value, since registers may be reused at once; accumulators by address.
// Half a cache line: appending is bound by the lines that it touches.
struct alignas(32) MmaOperands {
  uint32_t a[4];
  uint32_t b[2];
  void* c;
};

struct MmaLog {
  static constexpr int capacity = 16;
  struct Instruction {
    int operation, site;
  };
  MmaOperands operands[capacity][lanes_per_warp];
  Instruction instruction[capacity];
  int used;                    // instructions that some lane has logged
  int count[lanes_per_warp];   // logged by each lane
};

using MmaKernel = void (*)(const MmaOperands* lanes);
extern const MmaKernel mma_kernels_portable[2][TL_SIM_MMA_COUNT];  // by Numerics
extern const MmaKernel mma_kernels_avx2[2][TL_SIM_MMA_COUNT];

}  // namespace tl::sim

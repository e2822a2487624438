// The log of a warp's matrix instructions, and the arithmetic that works it off.
#pragma once
#include "block.h"

namespace tl::sim {

// One instruction of a warp: operands by value, since registers may be reused at once; accumulators by address.
struct alignas(64) MmaEntry {
  uint32_t a[lanes_per_warp][4];
  uint32_t b[lanes_per_warp][2];
  void* c[lanes_per_warp];
  int operation;
  int site;
};

struct MmaLog {
  static constexpr int capacity = 16;
  int count[lanes_per_warp];  // logged by each lane
  int entries_used;
  MmaEntry entry[capacity];
};

using MmaKernel = void (*)(const MmaEntry&);
extern const MmaKernel mma_kernels_portable[TL_SIM_MMA_COUNT];
extern const MmaKernel mma_kernels_avx2[TL_SIM_MMA_COUNT];

}  // namespace tl::sim

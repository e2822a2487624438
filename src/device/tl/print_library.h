// printf and the failing assertion on a GPU.
#pragma once
#include <tl/backend.h>

namespace tl::detail {

// Kept out of line, so that a kernel pays for an assertion only a test and a branch.
__device__ __noinline__ inline void assertion_failed(const char* message) {
  printf("assertion failed: %s (block (%d, %d, %d), thread (%d, %d, %d))\n", message, int(blockIdx.x), int(blockIdx.y), int(blockIdx.z),
         int(threadIdx.x), int(threadIdx.y), int(threadIdx.z));
  __trap();
}

}  // namespace tl::detail

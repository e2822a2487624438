// Cluster instructions of a GPU; <tl/cluster.h> says what they mean.
#pragma once
#include <tl/smem_address.h>

namespace tl {

#if TL_HOPPER

TL_FUNC int32_t cluster_rank() {
  int32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}
TL_FUNC uint32_t cluster_size() {
  uint32_t size;
  asm volatile("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  return size;
}

// Waits until the grids that this one depends on have completed and their writes are visible; the other lets dependent
// grids start early (PTX ISA 9.7.13.13).
TL_FUNC void grid_dependency_wait() { asm volatile("griddepcontrol.wait;" ::: "memory"); }
TL_FUNC void grid_launch_dependents() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }

namespace detail {

TL_FUNC void cluster_arrive() { asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory"); }
TL_FUNC void cluster_arrive_relaxed() { asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory"); }
TL_FUNC void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }
TL_FUNC void* map_shared(const void* pointer, uint32_t rank) {
  void* mapped;
  asm("mapa.u64 %0, %1, %2;" : "=l"(mapped) : "l"(pointer), "r"(rank));
  return mapped;
}

}  // namespace detail

#else

// Before sm_90 kernels of a stream do not overlap: what a grid depends on has completed.
TL_FUNC void grid_dependency_wait() {}
TL_FUNC void grid_launch_dependents() {}

#endif

namespace detail {

// All blocks but the first add 1, the first adds what makes the top bit flip when all have come.
TL_FUNC void grid_sync(uint32_t* counter) {
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0 && threadIdx.z == 0) {
    const uint32_t blocks = gridDim.x * gridDim.y * gridDim.z;
    const bool first = blockIdx.x == 0 && blockIdx.y == 0 && blockIdx.z == 0;
    __threadfence();
    const uint32_t before = ::atomicAdd(counter, first ? 0x80000000u - (blocks - 1) : 1u);
    while (((before ^ *const_cast<volatile uint32_t*>(counter)) & 0x80000000u) == 0) {
    }
    __threadfence();
  }
  __syncthreads();
}

}  // namespace detail

}  // namespace tl

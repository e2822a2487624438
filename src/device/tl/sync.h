// Shared memory and barriers (PTX ISA 9.7.13.1 "bar, barrier").
#pragma once
#include <tl/backend.h>

namespace tl {

// The block's dynamic shared memory; there is no other. TMA's widest swizzle wants 1024-byte alignment.
TL_FUNC char* dyn_smem() {
  extern __shared__ __align__(1024) char tl_dynamic_shared_memory[];
  return tl_dynamic_shared_memory;
}

TL_FUNC void sync_threads() { __syncthreads(); }
TL_FUNC void sync_warp() { __syncwarp(); }

// Barrier `Id` (1 to 15) among `count` threads, a multiple of 32. The id is a constant: with a run-time id ptxas
// reserves all sixteen.
template <int Id>
TL_FUNC void bar_sync(int count) {
  static_assert(Id >= 0 && Id < 16, "a block has barriers 0 to 15");
  asm volatile("bar.sync %0, %1;" ::"n"(Id), "r"(count) : "memory");
}
template <int Id>
TL_FUNC void bar_arrive(int count) {
  static_assert(Id >= 0 && Id < 16, "a block has barriers 0 to 15");
  asm volatile("bar.arrive %0, %1;" ::"n"(Id), "r"(count) : "memory");
}

TL_FUNC void fence_block() { __threadfence_block(); }
TL_FUNC void fence_device() { __threadfence(); }
TL_FUNC void fence_system() { __threadfence_system(); }

#if TL_HOPPER
TL_FUNC void fence_cluster() { asm volatile("fence.acq_rel.cluster;" ::: "memory"); }
// Ordinary writes so far come before what asynchronous copies and wgmma read later (PTX ISA 9.7.13.5 "fence.proxy"): by
// every thread that wrote, before the barrier after which the copy is issued.
TL_FUNC void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
TL_FUNC void fence_proxy_async_global() { asm volatile("fence.proxy.async.global;" ::: "memory"); }
#endif

}  // namespace tl

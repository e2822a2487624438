// Shared memory and barriers, simulated.
#pragma once
#include <tl/backend.h>

namespace tl {

inline char* dyn_smem() { return tl_sim_self->shared_memory; }
inline void sync_threads(int site = __builtin_LINE()) { tl_sim_barrier(0, 0, 0, site); }
inline void sync_warp(int site = __builtin_LINE()) { tl_sim_warp_sync(site); }

template <int Id>
inline void bar_sync(int count, int site = __builtin_LINE()) {
  static_assert(Id >= 0 && Id < 16, "a block has barriers 0 to 15");
  tl_sim_barrier(Id, static_cast<uint32_t>(count), 0, site);
}
template <int Id>
inline void bar_arrive(int count, int site = __builtin_LINE()) {
  static_assert(Id >= 0 && Id < 16, "a block has barriers 0 to 15");
  tl_sim_barrier(Id, static_cast<uint32_t>(count), 1, site);
}

inline void fence_block() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }  // one block is one OS thread
inline void fence_cluster() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }  // so is one cluster
inline void fence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void fence_proxy_async(int site = __builtin_LINE()) { tl_sim_fence_proxy_async(0, site); }
inline void fence_proxy_async_global(int site = __builtin_LINE()) { tl_sim_fence_proxy_async(1, site); }
inline void fence_device() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

}  // namespace tl

// Fences: a block is one thread, so only what other blocks see needs one.
#pragma once
#include <tl/backend.h>

namespace tl {

inline void fence_block() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
inline void fence_device() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void fence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

}  // namespace tl

extern "C" int sched_yield(void) noexcept;
// Called after an atomic load that may be part of a spin loop: another block's thread may be waiting for this core.
inline void tl_sim_atomic_load_done() { sched_yield(); }

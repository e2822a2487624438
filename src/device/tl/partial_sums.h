// Sums that blocks share: one adds up what others have left in global memory (tilelang/transform/stream_k.py).
//
// A slot holds what the threads of one block have, in the order in which they hold it: no layout of the tile is needed, since all
// blocks have the same. Each warp says by a flag of its own that its part is there, and waits for nobody but its counterpart.
#pragma once
#include <tl/atomic.h>
#include <tl/lanes.h>

namespace tl {

// The `N` sums of this thread go into a slot of N x Threads elements, whose address is a multiple of 16 bytes.
template <int N, int Threads, class T>
TL_FUNC void give_sums(T* slot, uint32_t* flags, const T* sums, int thread) {
  static_assert(sizeof(T) == 4 && N % 4 == 0, "16 bytes at a time");
#pragma unroll
  for (int i = 0; i < N; i += 4) store<16>(slot + i * Threads + thread * 4, sums + i);
  sync_warp();
  if (thread % 32 == 0) atomic_store<memory_order::release>(flags + thread / 32, 1u);
}

// Waits for a slot, and adds to `sums` what it holds. Flags start as zero; nobody takes them back.
template <int N, int Threads, class T>
TL_FUNC void take_sums(T* sums, const T* slot, const uint32_t* flags, int thread) {
  static_assert(sizeof(T) == 4 && N % 4 == 0, "16 bytes at a time");
  if (thread % 32 == 0) {
    while (atomic_load(flags + thread / 32) == 0) {
    }
    fence_device();
  }
  sync_warp();
#pragma unroll
  for (int i = 0; i < N; i += 4) {  // of which ptxas has five loads under way, as far as registers go
    T part[4];
    load<16>(part, slot + i * Threads + thread * 4);
#pragma unroll
    for (int j = 0; j < 4; ++j) sums[i + j] += part[j];
  }
}

}  // namespace tl

// Asynchronous copies from global to shared memory (PTX ISA 9.7.9.25.3 "cp.async").
#pragma once
#include <tl/smem_address.h>

namespace tl {

// Copies 4, 8 or 16 bytes, both sides aligned to that; 16 bypass L1. With a false predicate it writes zeros and does
// not read `gmem`.
template <int Bytes>
TL_FUNC void cp_async(void* smem, const void* gmem) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async copies 4, 8 or 16 bytes");
  if constexpr (Bytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(detail::smem_address(smem)), "l"(__cvta_generic_to_global(gmem))
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(detail::smem_address(smem)), "l"(__cvta_generic_to_global(gmem)),
                 "n"(Bytes)
                 : "memory");
  }
}

template <int Bytes>
TL_FUNC void cp_async(void* smem, const void* gmem, bool predicate) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async copies 4, 8 or 16 bytes");
  int source_bytes = predicate ? Bytes : 0;
  if constexpr (Bytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(detail::smem_address(smem)), "l"(__cvta_generic_to_global(gmem)),
                 "r"(source_bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(detail::smem_address(smem)), "l"(__cvta_generic_to_global(gmem)),
                 "n"(Bytes), "r"(source_bytes)
                 : "memory");
  }
}

// Closes the group of this thread's copies since the last commit.
TL_FUNC void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most `Pending` of this thread's groups are unfinished. Other threads see the data after a barrier.
template <int Pending>
TL_FUNC void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

}  // namespace tl

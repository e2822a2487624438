// Groups of a thread's bulk stores (PTX ISA 9.7.9.27.2 "cp.async.bulk.commit_group", "cp.async.bulk.wait_group").
#pragma once
#include <tl/backend.h>

#if TL_HOPPER
#if TL_ON_GPU

namespace tl {

// Closes the group of this thread's bulk stores and reductions since the last commit.
TL_FUNC void bulk_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
// Waits until at most `Pending` of this thread's groups are unfinished.
template <int Pending>
TL_FUNC void bulk_wait() {
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(Pending) : "memory");
}
// The same for their reads of shared memory, which may then be written again.
template <int Pending>
TL_FUNC void bulk_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(Pending) : "memory");
}

}  // namespace tl

#else

namespace tl {

TL_FUNC void bulk_commit() { tl_sim_bulk_commit(); }
template <int Pending>
TL_FUNC void bulk_wait(int site = __builtin_LINE()) {
  tl_sim_bulk_wait(Pending, 0, site);
}
template <int Pending>
TL_FUNC void bulk_wait_read(int site = __builtin_LINE()) {
  tl_sim_bulk_wait(Pending, 1, site);
}

}  // namespace tl

#endif
#endif

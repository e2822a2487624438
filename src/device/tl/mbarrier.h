// Barriers in shared memory that also count bytes of asynchronous copies (PTX ISA 9.7.13.15 "mbarrier"). A barrier is 8
// bytes, aligned to 8. It starts in phase 0; a wait names the parity (0 or 1) of the phase whose completion it waits for, and
// returns at once for the phase before the current one: a producer that starts with parity 1 passes at once.
#pragma once
#include <tl/mbarrier_access.h>

namespace tl {

// `count` arrivals complete a phase. Other threads, and copies, may use the barrier after fence_mbarrier_init() by the
// initialising thread and a barrier of the block (of the cluster, where peers use it).
TL_FUNC void mbarrier_init(uint64_t* barrier, uint32_t count TL_SITE_PARAMETER) {
  detail::mbarrier_init(barrier, count TL_SITE_ARGUMENT);
}
// Ends the barrier's life: its bytes may serve for something else.
TL_FUNC void mbarrier_invalidate(uint64_t* barrier TL_SITE_PARAMETER) { detail::mbarrier_invalidate(barrier TL_SITE_ARGUMENT); }

TL_FUNC void mbarrier_arrive(uint64_t* barrier TL_SITE_PARAMETER) { detail::mbarrier_arrive(barrier, 1 TL_SITE_ARGUMENT); }

#if TL_HOPPER

TL_FUNC void mbarrier_arrive_count(uint64_t* barrier, uint32_t count TL_SITE_PARAMETER) {
  detail::mbarrier_arrive(barrier, count TL_SITE_ARGUMENT);
}
// One arrival, after adding `bytes` to what the phase waits for.
TL_FUNC void mbarrier_arrive_expect_tx(uint64_t* barrier, uint32_t bytes TL_SITE_PARAMETER) {
  detail::mbarrier_arrive_expect(barrier, bytes TL_SITE_ARGUMENT);
}
TL_FUNC void mbarrier_expect_tx(uint64_t* barrier, uint32_t bytes TL_SITE_PARAMETER) {
  detail::mbarrier_expect(barrier, bytes TL_SITE_ARGUMENT);
}
// What a copy of `bytes` bytes does when it lands.
TL_FUNC void mbarrier_complete_tx(uint64_t* barrier, uint32_t bytes TL_SITE_PARAMETER) {
  detail::mbarrier_complete(barrier, bytes TL_SITE_ARGUMENT);
}
// On the barrier at the same place in block `rank` of the cluster. No release at cluster scope: that would cost a membar in
// every step, and consumers that only read shared memory need none.
TL_FUNC void mbarrier_arrive_remote(uint64_t* barrier, uint32_t rank TL_SITE_PARAMETER) {
  detail::mbarrier_arrive_remote(barrier, rank, 1 TL_SITE_ARGUMENT);
}
TL_FUNC void mbarrier_arrive_remote_count(uint64_t* barrier, uint32_t rank, uint32_t count TL_SITE_PARAMETER) {
  detail::mbarrier_arrive_remote(barrier, rank, count TL_SITE_ARGUMENT);
}
TL_FUNC void mbarrier_arrive_expect_tx_remote(uint64_t* barrier, uint32_t rank, uint32_t bytes TL_SITE_PARAMETER) {
  detail::mbarrier_arrive_expect_remote(barrier, rank, bytes TL_SITE_ARGUMENT);
}
// Like test_wait, but may suspend the thread for a while first.
TL_FUNC bool mbarrier_try_wait(uint64_t* barrier, uint32_t parity TL_SITE_PARAMETER) {
  return detail::mbarrier_try_wait(barrier, parity TL_SITE_ARGUMENT);
}
// Makes mbarrier_init visible to asynchronous copies and to the cluster.
TL_FUNC void fence_mbarrier_init(TL_SITE_PARAMETER_ALONE) { detail::fence_mbarrier_init(TL_SITE_ARGUMENT_ALONE); }

#endif

// Whether the phase of this parity has completed.
TL_FUNC bool mbarrier_test_wait(uint64_t* barrier, uint32_t parity TL_SITE_PARAMETER) {
  return detail::mbarrier_test_wait(barrier, parity TL_SITE_ARGUMENT);
}
// Returns once the phase of this parity has completed.
TL_FUNC void mbarrier_wait(uint64_t* barrier, uint32_t parity TL_SITE_PARAMETER) {
  detail::mbarrier_wait(barrier, parity TL_SITE_ARGUMENT);
}

// The barrier tracks this thread's cp.async so far: when they are done they count as one more arrival (noinc: as one of the
// expected ones) (PTX ISA 9.7.13.15.15 "cp.async.mbarrier.arrive").
TL_FUNC void cp_async_mbarrier_arrive(uint64_t* barrier TL_SITE_PARAMETER) { detail::cp_async_arrive(barrier TL_SITE_ARGUMENT); }
TL_FUNC void cp_async_mbarrier_arrive_noinc(uint64_t* barrier TL_SITE_PARAMETER) {
  detail::cp_async_arrive_noinc(barrier TL_SITE_ARGUMENT);
}

}  // namespace tl

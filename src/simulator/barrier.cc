// Barriers of a block. A thread counts as one; hardware counts warps, so `count` must be a multiple of 32 there and here.
#include "team.h"

namespace tl::sim {

namespace {

void release(Block& block, Barrier& barrier) {
  if (block.observer) block.observer->barrier_complete(block, static_cast<int>(&barrier - block.barriers));
  for (int w = 0; w < block.warp_count; ++w) {
    make_ready(block, w, barrier.waiting[w]);
    barrier.waiting[w] = 0;
  }
  barrier.arrived = 0;
  barrier.expected = 0;
  barrier.result = barrier.votes;
  barrier.votes = 0;
}

uint32_t expected_now(const Block& block, const Barrier& barrier) {
  return barrier.all ? static_cast<uint32_t>(block.live) : barrier.expected;
}

}  // namespace

// A barrier of all threads asks only those that have not exited, so an exit may complete it.
void barrier_on_exit(Block& block) {
  for (Barrier& barrier : block.barriers) {
    if (barrier.arrived && barrier.all && barrier.arrived == expected_now(block, barrier)) release(block, barrier);
  }
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_barrier(int id, uint32_t count, int arrive_only, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  Barrier& barrier = block.barriers[id];
  if (count % lanes_per_warp || count > static_cast<uint32_t>((block.thread_count + lanes_per_warp - 1) / lanes_per_warp * lanes_per_warp)) {
    fail(block, "barrier %d with a count of %u (line %d): it must be a multiple of 32 and at most the block's %d threads, %s", id, count,
         site, block.thread_count, name_thread(*thread).c_str());
  }
  if (barrier.arrived == 0) {
    barrier.expected = count;
    barrier.all = count == 0;
  } else if (barrier.expected != count) {
    fail(block, "barrier %d with a count of %u (line %d) while other threads wait there with %u (0: all threads), %s", id, count, site,
         barrier.expected, name_thread(*thread).c_str());
  }
  if (!arrive_only) ++thread->syncs;
  if (block.observer) block.observer->barrier_arrive(*thread, id, !arrive_only, site_of(site));
  ++barrier.arrived;
  if (barrier.arrived == expected_now(block, barrier)) {
    release(block, barrier);
    return;
  }
  if (arrive_only) return;
  barrier.waiting[thread->warp] |= 1u << thread->lane;
  thread->wait_barrier = id;
  suspend(thread, Wait::barrier, site);
}

int tl_sim_barrier_count(int predicate, int site) {
  Barrier& barrier = self()->block->barriers[0];
  barrier.votes += predicate != 0;
  tl_sim_barrier(0, 0, 0, site);
  return static_cast<int>(barrier.result);  // nobody can complete the barrier again before this thread has come back to it
}

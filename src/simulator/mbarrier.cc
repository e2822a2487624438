// mbarrier operations (PTX ISA 9.7.13.15.1 to .17). A phase completes when the pending count is zero and the tx-count is
// zero (9.7.13.15.3 "Phase of the mbarrier object"); then the pending count starts again from the expected count.
#include "mbarrier.h"

#include <cstring>

#include "team.h"

namespace tl::sim {

namespace {

constexpr uint32_t word_mark = 0x6d626172;
constexpr int64_t largest_transaction = (1 << 20) - 1;  // 9.7.13.15.2 "Contents of the mbarrier object": valid ranges
constexpr uint32_t largest_count = (1 << 20) - 1;

Block& block_of(int cta, int site) {
  Block& own = *self()->block;
  if (cta < 0) return own;
  Cluster& cluster = cluster_of(own);
  if (static_cast<uint32_t>(cta) >= cluster.count) {
    fail(own, "mbarrier operation on rank %d in a cluster of %u blocks (line %d), %s", cta, cluster.count, site, name_thread(*self()).c_str());
  }
  Block& target = *own.team->blocks[cluster.first + static_cast<uint32_t>(cta)];
  if (target.live == 0) {
    fail(own, "mbarrier operation on block %d of the cluster, which has exited (line %d), %s", cta, site, name_thread(*self()).c_str());
  }
  return target;
}

Mbarrier& find(const void* pointer, int cta, const char* what, int site, Block*& block) {
  block = &block_of(cta, site);
  Block& owner = shared_owner(pointer, 8, what, site);
  if (cta < 0) block = &owner;
  Mbarrier& barrier = mbarrier_at(*block, shared_offset(owner, pointer), what, site);
  if (block->observer) block->observer->mbarrier(*self(), block->shared + barrier.offset, site_of(site));
  return barrier;
}

void wake(Block& block, Mbarrier& barrier) {
  if (!barrier.waiters) return;
  for (int w = 0; w < block.warp_count; ++w) {
    if (barrier.waiting[w]) make_ready(block, w, barrier.waiting[w]);
    barrier.waiting[w] = 0;
  }
  barrier.waiters = 0;
}

void complete_phase_if_due(Block& block, Mbarrier& barrier, int site) {
  if (barrier.pending || barrier.transactions) return;
  int late = block.team->async.in_flight(block, barrier.offset);
  if (late) {
    fail(block, "the phase of the mbarrier at shared memory offset %u completes while %d copies to it are still in flight: expect_tx was given "
         "fewer bytes than they bring (line %d), %s", barrier.offset, late, site, name_thread(*self()).c_str());
  }
  ++barrier.phase;
  if (block.observer) {
    const Agent copies{AgentKind::mbarrier, barrier.offset, &block};
    block.observer->publish(block, block.shared + barrier.offset, &copies, static_cast<uint32_t>(barrier.phase));
  }
  barrier.pending = barrier.count;
  wake(block, barrier);
}

void expect(Block& block, Mbarrier& barrier, int64_t bytes, int site) {
  barrier.transactions += bytes;
  if (barrier.transactions > largest_transaction || barrier.transactions < -largest_transaction) {
    fail(block, "the tx-count of the mbarrier at shared memory offset %u becomes %lld: it must stay within +-%lld (line %d), %s", barrier.offset,
         static_cast<long long>(barrier.transactions), static_cast<long long>(largest_transaction), site, name_thread(*self()).c_str());
  }
}

void arrive(Block& block, Mbarrier& barrier, uint32_t count, int site) {
  if (count == 0 || count > barrier.pending) {
    fail(block, "%u arrivals on the mbarrier at shared memory offset %u, whose phase %llu lacks %u of %u (line %d), %s", count, barrier.offset,
         static_cast<unsigned long long>(barrier.phase), barrier.pending, barrier.count, site, name_thread(*self()).c_str());
  }
  barrier.pending -= count;
  complete_phase_if_due(block, barrier, site);
}

// "test_wait.parity: an even phase has parity 0; true if the phase of that parity, current or immediately preceding, has
// completed" (9.7.13.15.16): the current phase is incomplete.
bool completed(const Mbarrier& barrier, uint64_t parity) { return (barrier.phase & 1) != (parity & 1); }

void wait_on(Thread* thread, Mbarrier& barrier, uint32_t parity, Wait kind, int site) {
  barrier.waiting[thread->warp] |= 1u << thread->lane;
  ++barrier.waiters;
  thread->wait_barrier = static_cast<int>(barrier.offset);
  thread->wait_value = parity;
  suspend(thread, kind, site);
}

int acquired(Thread& thread, Block& block, const Mbarrier& barrier) {
  ++thread.syncs;
  if (block.observer) block.observer->acquire(thread, block.shared + barrier.offset);
  return 1;
}

}  // namespace

Mbarrier& mbarrier_at(Block& block, uint32_t offset, const char* what, int site) {
  uint32_t word[2];
  if (offset % 8 || !in_shared_memory(block, block.shared + offset, 8)) {
    fail(block, "%s at shared memory offset %u of %u: an mbarrier takes 8 bytes, aligned to 8 (line %d), %s", what, offset, block.shared_bytes,
         site, name_thread(*self()).c_str());
  }
  memcpy(word, block.shared + offset, 8);
  if (word[0] == word_mark && word[1] < block.mbarriers.size()) {
    Mbarrier& barrier = *block.mbarriers[word[1]];
    if (barrier.offset == offset && barrier.valid) return barrier;
  }
  for (const auto& known : block.mbarriers) {
    if (known->offset == offset && known->valid) {
      fail(block, "%s on the mbarrier at shared memory offset %u, whose 8 bytes were overwritten since its initialisation at line %d (line %d), %s",
           what, offset, known->init_site, site, name_thread(*self()).c_str());
    }
  }
  fail(block, "%s at shared memory offset %u, where no mbarrier was initialised (line %d), %s", what, offset, site, name_thread(*self()).c_str());
}

void complete_transaction(Block& block, uint32_t offset, uint32_t bytes, int site) {
  Mbarrier& barrier = mbarrier_at(block, offset, "complete_tx", site);
  expect(block, barrier, -static_cast<int64_t>(bytes), site);
  complete_phase_if_due(block, barrier, site);
}

void arrive_asynchronously(Block& block, uint32_t offset, int site) {
  arrive(block, mbarrier_at(block, offset, "an asynchronous arrival", site), 1, site);
}

bool someone_waits(const Block& block, uint32_t offset) {
  for (const auto& barrier : block.mbarriers) {
    if (barrier->offset == offset && barrier->valid) return barrier->waiters > 0;
  }
  return false;
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_mbarrier_init(void* pointer, uint32_t count, int site) {
  Thread* thread = self();
  Block& block = shared_owner(pointer, 8, "mbarrier.init", site);
  uint32_t offset = shared_offset(block, pointer);
  if (offset % 8 || count < 1 || count > largest_count) {
    fail(block, "mbarrier.init at shared memory offset %u with a count of %u: aligned to 8, 1 to %u (line %d), %s", offset, count, largest_count,
         site, name_thread(*thread).c_str());
  }
  size_t index = 0;
  while (index < block.mbarriers.size() && block.mbarriers[index]->offset != offset) ++index;
  if (index == block.mbarriers.size()) block.mbarriers.push_back(std::make_unique<Mbarrier>());
  Mbarrier& barrier = *block.mbarriers[index];
  // "Performing mbarrier.init on a location that contains a valid mbarrier object is undefined" without inval between.
  if (barrier.valid) {
    fail(block, "mbarrier.init at shared memory offset %u, which holds the mbarrier initialised at line %d (line %d), %s", offset,
         barrier.init_site, site, name_thread(*thread).c_str());
  }
  barrier = Mbarrier{};
  barrier.offset = offset;
  barrier.count = barrier.pending = count;
  barrier.init_site = site;
  barrier.valid = true;
  barrier.initialiser = thread;
  if (block.observer) {
    block.observer->forget(block, block.shared + offset);
    block.observer->access(*thread, block.shared + offset, 8, Access::write, site_of(site));
  }
  uint32_t word[2] = {word_mark, static_cast<uint32_t>(index)};
  memcpy(block.shared + offset, word, 8);
}

void tl_sim_mbarrier_invalidate(void* pointer, int site) {
  Block* block;
  Mbarrier& barrier = find(pointer, -1, "mbarrier.inval", site, block);
  if (barrier.waiters) {
    fail(*block, "mbarrier.inval at shared memory offset %u while %d threads wait on it (line %d), %s", barrier.offset, barrier.waiters, site,
         name_thread(*self()).c_str());
  }
  barrier.valid = false;
  if (block->observer) block->observer->forget(*block, block->shared + barrier.offset);
  memset(block->shared + barrier.offset, 0xff, 8);
}

void tl_sim_mbarrier_arrive(void* pointer, int cta, uint32_t count, uint32_t expected_bytes, int site) {
  Block* block;
  Mbarrier& barrier = find(pointer, cta, "mbarrier.arrive", site, block);
  if (block->observer) block->observer->release(*self(), block->shared + barrier.offset);
  if (expected_bytes) expect(*block, barrier, expected_bytes, site);  // arrive.expect_tx: expect_tx first, then the arrival
  arrive(*block, barrier, count, site);
}

void tl_sim_mbarrier_expect(void* pointer, int cta, uint32_t bytes, int site) {
  Block* block;
  Mbarrier& barrier = find(pointer, cta, "mbarrier.expect_tx", site, block);
  expect(*block, barrier, bytes, site);
}

void tl_sim_mbarrier_complete(void* pointer, int cta, uint32_t bytes, int site) {
  Block* block;
  Mbarrier& barrier = find(pointer, cta, "mbarrier.complete_tx", site, block);
  complete_transaction(*block, barrier.offset, bytes, site);
}

// A thread that polls gives way first: the answer "not yet" comes only when nobody else can go on.
int tl_sim_mbarrier_test(void* pointer, uint32_t parity, int may_wait, int site) {
  Thread* thread = self();
  Block* block;
  Mbarrier& barrier = find(pointer, -1, may_wait ? "mbarrier.try_wait" : "mbarrier.test_wait", site, block);
  if (completed(barrier, parity)) return acquired(*thread, *block, barrier);
  wait_on(thread, barrier, parity, Wait::polling, site);
  if (barrier.waiting[thread->warp] >> thread->lane & 1) {
    barrier.waiting[thread->warp] &= ~(1u << thread->lane);
    --barrier.waiters;
  }
  return completed(barrier, parity) ? acquired(*thread, *block, barrier) : 0;
}

void tl_sim_mbarrier_wait(void* pointer, uint32_t parity, int site) {
  Thread* thread = self();
  Block* block;
  Mbarrier& barrier = find(pointer, -1, "mbarrier.try_wait", site, block);
  if (block != thread->block) {
    fail(*thread->block, "a wait on an mbarrier of another block: only its own block may wait on it (line %d), %s", site, name_thread(*thread).c_str());
  }
  while (!completed(barrier, parity)) wait_on(thread, barrier, parity, Wait::mbarrier, site);
  acquired(*thread, *block, barrier);
}

// "fence.mbarrier_init orders the prior mbarrier.init operations of the thread" (9.7.13.5).
void tl_sim_fence_mbarrier_init(int) {
  Thread* thread = self();
  for (const auto& barrier : thread->block->mbarriers) barrier->fenced |= barrier->initialiser == thread;
}

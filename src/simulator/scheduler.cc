// Fibers of one block. There is no scheduler fiber: whoever blocks picks the next thread and switches straight to it,
// preferring lanes of its own warp, since those are what a collective waits for.
#include "block.h"

__thread tl_sim_thread* tl_sim_self __attribute__((tls_model("initial-exec"), visibility("default")));

namespace tl::sim {

thread_local Block* running_block = nullptr;

void make_ready(Block& block, int warp, uint32_t lanes) { block.ready[warp] |= lanes; }

namespace {

// The next thread to run, or null if none can.
Thread* pick(Block& block) {
  for (int step = 0, warp = block.current_warp; step < block.warp_count; ++step) {
    if (uint32_t ready = block.ready[warp]) {
      block.current_warp = warp;
      return &block.threads[warp * lanes_per_warp + __builtin_ctz(ready)];
    }
    if (++warp == block.warp_count) warp = 0;
  }
  return nullptr;
}

void leave_to_next(Thread* thread) {
  Block& block = *thread->block;
  Thread* next = pick(block);
  if (!next) {
    if (block.live > 0) {
      if (block.observer) block.observer->deadlock(block);
      report_deadlock(block);
    }
    tl_sim_self = nullptr;
    switch_context(&thread->context, block.launcher);
  }
  if (next == thread) return;
  tl_sim_self = next;
  switch_context(&thread->context, next->context);
}

void thread_main() {
  Thread* thread = self();
  Block& block = *thread->block;
  block.entry(block.arguments);
  block.ready[thread->warp] &= ~(1u << thread->lane);
  thread->wait = Wait::exited;
  if (block.observer) block.observer->thread_exit(*thread);
  --block.live;
  Warp& warp = *thread->home;
  warp.live &= ~(1u << thread->lane);
  collective_on_exit(warp, block, thread->warp);
  barrier_on_exit(block);
  leave_to_next(thread);
  __builtin_trap();  // nobody makes an exited thread ready
}

void start_thread(Block& block, int index) {
  Thread& thread = block.threads[index];
  thread.block = &block;
  thread.index = index;
  thread.warp = index / lanes_per_warp;
  thread.lane = index % lanes_per_warp;
  thread.home = &block.warps[thread.warp];
  thread.wait = Wait::none;
  auto x = static_cast<uint32_t>(index);
  thread.thread_index = {x % block.extent.x, x / block.extent.x % block.extent.y, x / block.extent.x / block.extent.y};
  thread.block_index = block.index;
  thread.block_extent = block.extent;
  thread.grid_extent = block.grid;
  thread.shared_memory = block.shared;
  thread.copies.clear();
  thread.group_ends.clear();
  thread.groups_committed = 0;
  if (context_storage && !thread.context_storage) thread.context_storage.reset(new char[context_storage]);
  // Tops of stacks at equal offsets would share a few sets of the first-level cache: spread them.
  size_t colour = static_cast<size_t>(index % 64) * 576;
  thread.context = make_context(block.stacks.low(index), StackPool::usable - colour, thread_main, thread.context_storage.get());
}

}  // namespace

void suspend(Thread* thread, Wait wait, int site) {
  thread->wait = wait;
  thread->site = site;
  thread->block->ready[thread->warp] &= ~(1u << thread->lane);
  if (Observer* observer = thread->block->observer) observer->wait_begin(*thread, wait, site_of(site));
  leave_to_next(thread);
  thread->wait = Wait::none;
  if (Observer* observer = thread->block->observer) observer->wait_end(*thread);
}

void run_block(Block& block) {
  poison_shared_memory(block);
  block.live = block.thread_count;
  block.current_warp = 0;
  for (Barrier& barrier : block.barriers) barrier = {};
  for (int w = 0; w < block.warp_count; ++w) {
    int lanes = block.thread_count - w * lanes_per_warp;
    uint32_t mask = lanes >= lanes_per_warp ? ~0u : (1u << lanes) - 1;
    block.ready[w] = block.warps[w].live = mask;
    block.warps[w].arrived = 0;
    reset_mma_log(block.warps[w]);
  }
  for (int i = 0; i < block.thread_count; ++i) start_thread(block, i);
  if (block.observer) block.observer->block_begin(block);
  Thread* first = pick(block);
  tl_sim_self = first;
  switch_context(&block.launcher, first->context);
  tl_sim_self = nullptr;
  if (!block.failed) {
    check_shared_canaries(block);
    if (block.observer) block.observer->block_end(block);
  }
}

}  // namespace tl::sim

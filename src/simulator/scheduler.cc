// Fibers of one team. There is no scheduler fiber: whoever blocks picks the next thread and switches straight to it,
// preferring lanes of its own warp, since those are what a collective waits for. When nobody can run, time passes: an
// asynchronous operation that somebody waits for takes effect.
#include <unistd.h>

#include "mbarrier.h"
#include "team.h"
#include "tensor_memory.h"
#include "wgmma.h"

__thread tl_sim_thread* tl_sim_self __attribute__((tls_model("initial-exec"), visibility("default")));

namespace tl::sim {

thread_local Team* running_team = nullptr;

void make_ready(Block& block, int warp, uint32_t lanes) { block.ready[warp] |= lanes; }

namespace {

// A stalled team may resume threads that only poll; after so many rounds in which nothing else happened it is stuck.
constexpr uint32_t most_idle_polls = 4096;
// Threads that spin on global memory may wait for a block in another OS thread: those get time, 0.1 ms a round.
constexpr uint32_t polls_without_sleep = 64, most_idle_spins = 50000;

Thread* lane_of(Block& block, uint32_t ready, bool from_top) {
  int lane = from_top ? 31 - __builtin_clz(ready) : __builtin_ctz(ready);
  return &block.threads[block.current_warp * lanes_per_warp + lane];
}

bool is_poller(const Thread& thread) { return thread.wait == Wait::polling || thread.wait == Wait::spinning; }

bool find_ready_warp(Team& team) {
  // Seed 0 walks warps in order; other seeds start anywhere, so that no order of warps is taken for granted.
  const bool shuffled = team.options.seed != 0 || team.options.time == Time::random;
  uint32_t b = shuffled && team.count > 1 ? team.random.below(team.count) : team.current_block;
  for (uint32_t step = 0; step < team.count; ++step, b = b + 1 == team.count ? 0 : b + 1) {
    Block& block = *team.blocks[b];
    int warp = shuffled ? static_cast<int>(team.random.below(static_cast<uint32_t>(block.warp_count))) : block.current_warp;
    for (int i = 0; i < block.warp_count; ++i) {
      if (block.ready[warp]) {
        team.current_block = b;
        block.current_warp = warp;
        team.idle_polls = 0;
        return true;
      }
      if (++warp == block.warp_count) warp = 0;
    }
  }
  return false;
}

// Threads in test_wait and try_wait, which may return false at any time, and spinning ones go on.
bool resume_pollers(Team& team) {
  bool polling = false, spinning = false;
  for (uint32_t b = 0; b < team.count; ++b) {
    for (int i = 0; i < team.blocks[b]->thread_count; ++i) {
      Thread& thread = team.blocks[b]->threads[i];
      if (thread.wait != Wait::polling && thread.wait != Wait::spinning) continue;
      (thread.wait == Wait::polling ? polling : spinning) = true;
      make_ready(thread);
    }
  }
  if (!polling && !spinning) return false;
  ++team.idle_polls;
  if (team.idle_polls % 8 == 0) team.async.run_any(team);  // nobody knows what such a loop waits for
  if (!spinning) return team.idle_polls < most_idle_polls;
  if (team.idle_polls > polls_without_sleep) usleep(100);
  return team.idle_polls < most_idle_spins;
}

// The next thread to run, or null if none can.
Thread* pick(Team& team) {
  if (team.options.time == Time::random && team.random.one_in(8)) {
    team.async.run_any(team);
    if (team.random.one_in(2)) run_any_wgmma(team);
  }
  for (;;) {
    Block& block = *team.blocks[team.current_block];
    if (uint32_t ready = block.ready[block.current_warp]) return lane_of(block, ready, team.options.seed & 1);
    const uint32_t polls = team.idle_polls;
    if (find_ready_warp(team)) {
      if (polls) {  // does anybody but pollers run?
        Block& found = *team.blocks[team.current_block];
        if (is_poller(*lane_of(found, found.ready[found.current_warp], team.options.seed & 1))) team.idle_polls = polls;
      }
      continue;
    }
    if (team.live == 0) return nullptr;
    // Which of the two comes first is chance, but a wgmma must not starve behind loads that somebody polls for.
    bool matrix_first = team.random.one_in(2);
    if (matrix_first && run_demanded_wgmma(team)) continue;
    if (team.async.run_demanded(team)) continue;
    if (!matrix_first && run_demanded_wgmma(team)) continue;
    if (!resume_pollers(team)) return nullptr;
  }
}

void leave_to_next(Thread* thread) {
  Team& team = *thread->block->team;
  Thread* next = pick(team);
  if (!next) {
    if (team.live > 0) report_deadlock(team);
    tl_sim_self = nullptr;
    switch_context(&thread->context, team.launcher);
  }
  if (next == thread) return;
  tl_sim_self = next;
  switch_context(&thread->context, next->context);
}

void thread_main() {
  Thread* thread = self();
  Block& block = *thread->block;
  Team& team = *block.team;
  team.entry(team.arguments);
  block.ready[thread->warp] &= ~(1u << thread->lane);
  thread->wait = Wait::exited;
  if (block.observer) block.observer->thread_exit(*thread);
  --block.live;
  --team.live;
  Warp& warp = *thread->home;
  warp.live &= ~(1u << thread->lane);
  collective_on_exit(warp, block, thread->warp);
  barrier_on_exit(block);
  team_barriers_on_exit(block);
  if (block.live == 0) {
    team.async.finish(block);
    finish_tensor_memory(block);
  }
  leave_to_next(thread);
  __builtin_trap();  // nobody makes an exited thread ready
}

void start_thread(Block& block, int index) {
  Thread& thread = block.threads[index];
  const Team& team = *block.team;
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
  thread.grid_extent = team.grid;
  thread.cluster_extent = team.cluster_extent;
  thread.cluster_rank = block.rank % team.clusters[0].count;
  thread.elected_lane = team.elected % 32;
  if (uint32_t lanes = block.warps[thread.warp].live; !(lanes >> thread.elected_lane & 1)) thread.elected_lane = 0;
  thread.shared_memory = block.shared;
  thread.copies.clear();
  thread.group_ends.clear();
  thread.group_tickets.clear();
  thread.copies_executed = thread.copies_tracked = 0;
  thread.copy_ticket = 1;
  thread.bulk_group = 1;
  thread.wgmma_issued = thread.wgmma_waited = 0;
  thread.wgmma_group_ends.clear();
  thread.wgmma_fenced = false;
  thread.tensor_loads.clear();
  thread.tensor_stores.clear();
  thread.tensor_issued = 0;
  thread.tensor_time = thread.tensor_fenced = thread.tensor_commits = thread.syncs = thread.fenced_syncs = 0;
  thread.cluster_arrived = thread.cluster_owes_wait = thread.grid_arrived = false;
  thread.spins = 0;
  thread.observed_count = 0;
  if (context_storage && !thread.context_storage) thread.context_storage.reset(new char[context_storage]);
  // Tops of stacks at equal offsets would share a few sets of the first-level cache: spread them.
  size_t colour = static_cast<size_t>(index % 64) * 576;
  thread.context = make_context(block.stacks.low(index), StackPool::usable - colour, thread_main, thread.context_storage.get());
}

void start_block(Block& block) {
  poison_shared_memory(block);
  block.live = block.thread_count;
  block.current_warp = 0;
  for (Barrier& barrier : block.barriers) barrier = {};
  block.mbarriers.clear();
  for (auto& queue : block.wgmma) {
    if (queue) queue->clear();
  }
  if (block.tensor) block.tensor->clear();
  reset_registers(block);
  for (int w = 0; w < block.warp_count; ++w) {
    int lanes = block.thread_count - w * lanes_per_warp;
    uint32_t mask = lanes >= lanes_per_warp ? ~0u : (1u << lanes) - 1;
    block.ready[w] = block.warps[w].live = mask;
    block.warps[w].arrived = 0;
    reset_mma_log(block.warps[w]);
  }
  for (int i = 0; i < block.thread_count; ++i) start_thread(block, i);
  if (block.observer) block.observer->block_begin(block);
}

}  // namespace

void suspend(Thread* thread, Wait wait, int site) {
  thread->wait = wait;
  thread->site = site;
  thread->block->ready[thread->warp] &= ~(1u << thread->lane);
  Observer* observer = thread->block->observer;
  if (observer) observer->wait_begin(*thread, wait, site_of(site));
  leave_to_next(thread);
  thread->wait = Wait::none;
  if (observer) observer->wait_end(*thread);
}

void yield(Thread* thread) { suspend(thread, Wait::spinning, thread->site); }

void run_team(Team& team) {
  team.async.clear();
  team.live = 0;
  team.idle_polls = 0;
  team.grid_barrier = {};
  for (Cluster& cluster : team.clusters) {
    cluster.barrier = {};
    cluster.live = 0;
  }
  for (uint32_t b = 0; b < team.count; ++b) {
    start_block(*team.blocks[b]);
    team.live += team.blocks[b]->live;
    cluster_of(*team.blocks[b]).live += team.blocks[b]->live;
  }
  team.current_block = 0;
  if (team.options.seed || team.options.time == Time::random) {
    team.current_block = team.random.below(team.count);
    Block& block = *team.blocks[team.current_block];
    block.current_warp = static_cast<int>(team.random.below(static_cast<uint32_t>(block.warp_count)));
  }
  Thread* first = pick(team);
  tl_sim_self = first;
  switch_context(&team.launcher, first->context);
  tl_sim_self = nullptr;
  for (uint32_t b = 0; b < team.count && !team.failed; ++b) {
    Block& block = *team.blocks[b];
    if (block.observer) block.observer->block_end(block);
    check_shared_canaries(block);
  }
}

}  // namespace tl::sim

// Texts for what went wrong.
#include <cstdarg>
#include <cstdio>

#include "mbarrier.h"
#include "team.h"
#include "wgmma.h"

namespace tl::sim {

namespace {

void append(Block& block, const char* format, va_list arguments) {
  char text[1024];
  vsnprintf(text, sizeof text, format, arguments);
  std::string& report = block.team->report;
  if (report.size() < 8192) report += text;
}

std::string name_triple(const tl_sim_dim3& d) {
  return "(" + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ")";
}

const char* collective_name(Collective kind) {
  switch (kind) {
    case Collective::sync: return "sync_warp";
    case Collective::mma_ready: return "mma_ready";
    case Collective::shuffle: return "a shuffle";
    case Collective::ballot: return "a vote";
    case Collective::ldmatrix: return "ldmatrix";
    case Collective::stmatrix: return "stmatrix";
    case Collective::tensor: return "tcgen05";
  }
  return "?";
}

}  // namespace

std::string describe_wait(const Block& block, const Thread& thread) {
  std::string line = " (line " + std::to_string(thread.site) + ")";
  switch (thread.wait) {
    case Wait::exited: return "exited";
    case Wait::none: return "running";
    case Wait::mbarrier:
    case Wait::polling: {
      for (const auto& barrier : block.mbarriers) {
        if (!barrier->valid || barrier->offset != static_cast<uint32_t>(thread.wait_barrier)) continue;
        return "wait for parity " + std::to_string(thread.wait_value) + " of the mbarrier at shared memory offset " +
               std::to_string(barrier->offset) + line + ", " + std::to_string(barrier->phase) + " phases completed, the next lacks " +
               std::to_string(barrier->pending) + " of " + std::to_string(barrier->count) + " arrivals and " +
               std::to_string(barrier->transactions) + " bytes";
      }
      return "wait on an mbarrier" + line;
    }
    case Wait::wgmma: return "wait for wgmma" + line + ", " + describe_wgmma(block, thread);
    case Wait::bulk_group: return "wait for bulk group " + std::to_string(thread.wait_value) + line;
    case Wait::cluster: {
      const Cluster& cluster = cluster_of(const_cast<Block&>(block));
      return "wait at the cluster barrier" + line + ", " + std::to_string(cluster.barrier.arrived) + " of " + std::to_string(cluster.live) +
             " threads arrived";
    }
    case Wait::grid:
      return "wait at the grid barrier" + line + ", " + std::to_string(block.team->grid_barrier.arrived) + " of " +
             std::to_string(block.team->live) + " threads arrived";
    case Wait::registers:
      return "wait in setmaxnreg" + line + " for " + std::to_string(thread.wait_value) + " registers, " +
             std::to_string(block.free_registers) + " are free";
    case Wait::spinning: return "spin on a value in memory" + line;
    case Wait::barrier: {
      const Barrier& barrier = block.barriers[thread.wait_barrier];
      uint32_t expected = barrier.all ? static_cast<uint32_t>(block.live) : barrier.expected;
      return "wait at barrier " + std::to_string(thread.wait_barrier) + line + ", " + std::to_string(barrier.arrived) + " of " +
             std::to_string(expected) + " threads arrived";
    }
    case Wait::warp: {
      const Warp& warp = block.warps[thread.warp];
      return std::string("wait in ") + collective_name(warp.request[thread.lane]->kind) + line + ", " +
             std::to_string(__builtin_popcount(warp.arrived)) + " of " + std::to_string(__builtin_popcount(warp.live)) +
             " lanes of warp " + std::to_string(thread.warp) + " arrived";
    }
  }
  return "?";
}

std::string name_thread(const Thread& thread) {
  return "block " + name_triple(thread.block_index) + ", thread " + name_triple(thread.thread_index);
}

void note(Block& block, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  append(block, format, arguments);
  va_end(arguments);
}

void fail(Block& block, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  append(block, format, arguments);
  va_end(arguments);
  Team& team = *block.team;
  team.failed = true;
  Context abandoned;
  tl_sim_self = nullptr;
  switch_context(&abandoned, team.launcher);
  __builtin_unreachable();
}

namespace {

void describe_waits(Block& block) {
  for (int first = 0; first < block.thread_count;) {
    std::string text = describe_wait(block, block.threads[first]);
    int last = first;
    while (last + 1 < block.thread_count && describe_wait(block, block.threads[last + 1]) == text) ++last;
    if (first == last) note(block, "  thread %d: %s\n", first, text.c_str());
    else note(block, "  threads %d-%d: %s\n", first, last, text.c_str());
    first = last + 1;
  }
}

}  // namespace

void report_deadlock(Team& team) {
  Block& first = *team.blocks[0];
  if (team.count == 1) {
    note(first, "deadlock: no thread of block %s can go on\n", name_triple(first.index).c_str());
  } else {
    note(first, "deadlock: no thread of the %u blocks from %s on can go on\n", team.count, name_triple(first.index).c_str());
  }
  for (uint32_t b = 0; b < team.count; ++b) {
    Block& block = *team.blocks[b];
    if (block.observer) block.observer->deadlock(block);
    if (team.count > 1) note(block, " block %s:\n", name_triple(block.index).c_str());
    describe_waits(block);
  }
  team.failed = true;
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_misaligned(const void* pointer, int bytes, const char* access, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  if (in_shared_memory(block, pointer, 1)) {
    fail(block, "misaligned %d-byte %s at shared memory offset %ld (line %d), %s", bytes, access,
         static_cast<long>(static_cast<const char*>(pointer) - block.shared), site, name_thread(*thread).c_str());
  }
  fail(block, "misaligned %d-byte %s at address %p (line %d), %s", bytes, access, pointer, site, name_thread(*thread).c_str());
}

void tl_sim_assertion_failed(const char* message, int site) {
  Thread* thread = self();
  fail(*thread->block, "assertion failed: %s (line %d), %s", message, site, name_thread(*thread).c_str());
}

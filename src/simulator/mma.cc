// Matrix instructions are logged by each lane without a switch and executed together at the warp's next collective: a
// warp needs one rendezvous for many instructions.
#include "mma.h"

#include <cstring>

namespace tl::sim {

namespace {

const MmaKernel* choose_kernels() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) return mma_kernels_avx2;
#endif
  return mma_kernels_portable;
}

const MmaKernel* const kernels = choose_kernels();

}  // namespace

void reset_mma_log(Warp& warp) {
  if (!warp.log) return;
  memset(warp.log->count, 0, sizeof warp.log->count);
  warp.log->entries_used = 0;
}

void execute_mma_log(Warp& warp) {
  MmaLog* log = warp.log.get();
  if (!log || log->entries_used == 0) return;
  for (int lane = 0; lane < lanes_per_warp; ++lane) {
    if (log->count[lane] != log->entries_used) {
      Thread* thread = self();
      fail(*thread->block, "lane %d of warp %d took part in %d matrix instructions, another lane in %d (the last at line %d): mma needs all 32, "
           "block (%u, %u, %u)", lane, thread->warp, log->count[lane], log->entries_used, log->entry[log->entries_used - 1].site,
           thread->block_index.x, thread->block_index.y, thread->block_index.z);
    }
  }
  for (int i = 0; i < log->entries_used; ++i) kernels[log->entry[i].operation](log->entry[i]);
  reset_mma_log(warp);
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_mma(int operation, void* c, const void* a, const void* b, int site) {
  Thread* thread = self();
  Warp& warp = thread->block->warps[thread->warp];
  if (!warp.log) {
    warp.log = std::make_unique<MmaLog>();
    reset_mma_log(warp);
  }
  MmaLog& log = *warp.log;
  if (log.count[thread->lane] == MmaLog::capacity) tl_sim_mma_ready(site);
  int index = log.count[thread->lane]++;
  MmaEntry& entry = log.entry[index];
  if (index == log.entries_used) {
    if (warp.live != ~0u) {
      fail(*thread->block, "mma in warp %d of which only %d lanes are alive (line %d): it needs all 32, %s", thread->warp,
           __builtin_popcount(warp.live), site, name_thread(*thread).c_str());
    }
    entry.operation = operation;
    entry.site = site;
    ++log.entries_used;
  } else if (entry.operation != operation || entry.site != site) {
    fail(*thread->block, "lanes of warp %d have come to different matrix instructions (lines %d and %d), %s", thread->warp, entry.site, site,
         name_thread(*thread).c_str());
  }
  entry.c[thread->lane] = c;
  memcpy(entry.a[thread->lane], a, operation == TL_SIM_MMA_F64 ? 8 : 16);
  memcpy(entry.b[thread->lane], b, 8);
}

void tl_sim_mma_ready(int site) {
  Thread* thread = self();
  MmaLog* log = thread->block->warps[thread->warp].log.get();
  if (!log || log->count[thread->lane] == 0) return;
  Request request{Collective::mma_ready, 0, 0, 0, nullptr, nullptr, site, 0};
  rendezvous(request);
}

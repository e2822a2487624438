// Matrix instructions are logged by each lane without a switch and executed together at the warp's next collective: a
// warp needs one rendezvous for many instructions.
#include "mma.h"

#include <cstring>

#include "sparse.h"
#include "team.h"
#include "wgmma.h"

namespace tl::sim {

namespace {

using Kernels = const MmaKernel (*)[TL_SIM_MMA_COUNT];

Kernels choose_kernels(bool portable) {
  if (portable) return mma_kernels_portable;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) return mma_kernels_avx2;
#endif
  return mma_kernels_portable;
}

Kernels kernels = choose_kernels(false);

}  // namespace

void reset_mma_log(Warp& warp) {
  if (!warp.log) return;
  memset(warp.log->count, 0, sizeof warp.log->count);
  warp.log->used = 0;
}

void execute_mma_log(Warp& warp) {
  MmaLog* log = warp.log.get();
  if (!log || log->used == 0) return;
  for (int lane = 0; lane < lanes_per_warp; ++lane) {
    if (log->count[lane] != log->used) {
      Thread* thread = self();
      fail(*thread->block, "lane %d of warp %d took part in %d matrix instructions, another lane in %d (the last at line %d): mma needs all 32, "
           "block (%u, %u, %u)", lane, thread->warp, log->count[lane], log->used, log->instruction[log->used - 1].site,
           thread->block_index.x, thread->block_index.y, thread->block_index.z);
    }
  }
  const MmaKernel* table = kernels[static_cast<int>(self()->block->team->options.numerics)];
  for (int i = 0; i < log->used; ++i) table[log->instruction[i].operation](log->operands[i]);
  reset_mma_log(warp);
}

}  // namespace tl::sim

using namespace tl::sim;

namespace {

[[noreturn]] __attribute__((noinline, cold)) void refuse_partial_warp(int site) {
  Thread* thread = self();
  fail(*thread->block, "mma in warp %d of which only %d lanes are alive (line %d): it needs all 32, %s", thread->warp,
       __builtin_popcount(thread->home->live), site, name_thread(*thread).c_str());
}

[[noreturn]] __attribute__((noinline, cold)) void refuse_divergence(int other, int site) {
  Thread* thread = self();
  fail(*thread->block, "lanes of warp %d have come to different matrix instructions (lines %d and %d), %s", thread->warp, other, site,
       name_thread(*thread).c_str());
}

// Rows x columns x depth of one instruction for a warp, over its 32 lanes.
uint64_t multiply_adds_per_lane(int operation) {
  if (operation == TL_SIM_MMA_F64) return 8 * 8 * 4 / lanes_per_warp;
  int depth = operation == TL_SIM_MMA_TF32 ? 8 : operation <= TL_SIM_MMA_BF16 ? 16 : 32;
  return static_cast<uint64_t>(16 * 8 * depth / lanes_per_warp);
}

__attribute__((noinline)) void observe_mma(Thread& thread, int operation, void* c, const void* a, const void* b, int site) {
  Observer& observer = *thread.block->observer;
  bool is_double = operation == TL_SIM_MMA_F64;
  size_t accumulator = operation == TL_SIM_MMA_F16_F16 ? 8 : 16;
  observer.registers(thread, a, is_double ? 8 : 16, Access::read, site_of(site));
  observer.registers(thread, b, 8, Access::read, site_of(site));
  observer.registers(thread, c, accumulator, Access::read, site_of(site));
  observer.registers(thread, c, accumulator, Access::write, site_of(site));
  observer.work(thread, Work::gemm, multiply_adds_per_lane(operation), site_of(site));
}

__attribute__((noinline, cold)) void make_log(Warp& warp) {
  warp.log = std::make_unique<MmaLog>();
  reset_mma_log(warp);
}

}  // namespace

void tl_sim_mma(int operation, void* c, const void* a, const void* b, int site) {
  Thread* thread = self();
  Warp& warp = *thread->home;
  if (__builtin_expect(!warp.log, 0)) make_log(warp);
  MmaLog& log = *warp.log;
  if (log.count[thread->lane] == MmaLog::capacity) tl_sim_mma_ready(site);
  int index = log.count[thread->lane]++;
  MmaLog::Instruction& instruction = log.instruction[index];
  if (index == log.used) {
    if (warp.live != ~0u) refuse_partial_warp(site);
    instruction = {operation, site};
    ++log.used;
  } else if (instruction.operation != operation || instruction.site != site) {
    refuse_divergence(instruction.site, site);
  }
  if (thread->block->observer) observe_mma(*thread, operation, c, a, b, site);
  MmaOperands& operands = log.operands[index][thread->lane];
  memcpy(operands.a, a, 8);
  if (operation != TL_SIM_MMA_F64) memcpy(operands.a + 2, static_cast<const char*>(a) + 8, 8);
  memcpy(operands.b, b, 8);
  operands.c = c;
}

void tl_sim_set_portable(int portable) {
  kernels = choose_kernels(portable != 0);
  choose_wgmma_kernels(portable != 0);
  choose_sparse_kernels(portable != 0);
}

void tl_sim_mma_ready(int site) {
  Thread* thread = self();
  MmaLog* log = thread->home->log.get();
  if (!log || log->count[thread->lane] == 0) return;
  Request request{Collective::mma_ready, 0, 0, 0, nullptr, nullptr, site, 0};
  rendezvous(request);
}

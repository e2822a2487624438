// wgmma.mma_async (PTX ISA 9.7.15): issue, groups, waits, and reading the operands through their descriptors.
#include "wgmma.h"

#include <cstring>

#include "matrix_operand.h"
#include "sparse.h"
#include "team.h"

namespace tl::sim {

namespace {

using Kernels = const WgmmaKernel (*)[TL_SIM_WGMMA_COUNT];

Kernels choose(bool portable) {
#if defined(__x86_64__)
  if (!portable && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) {
    bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    return wide ? wgmma_kernels_avx512 : wgmma_kernels_avx2;
  }
#endif
  (void)portable;
  return wgmma_kernels_portable;
}

Kernels kernels = choose(false);

constexpr int k_bytes = operand_row_bytes;

bool is_sparse(const WgmmaOperation& operation) { return operation.selector >= 0; }
int b_bytes(const WgmmaOperation& operation) { return is_sparse(operation) ? sparse_b_bytes : k_bytes; }

[[noreturn]] __attribute__((noinline, cold)) void refuse(const char* text, int site) {
  Thread* thread = self();
  fail(*thread->block, "wgmma: %s (line %d), %s", text, site, name_thread(*thread).c_str());
}

const char* in_window(const Block& block, uint32_t address, const WgmmaOperation& operation, char name) {
  const uint32_t offset = address - shared_window_start;
  if (offset >= block.shared_bytes || block.shared_bytes - offset < 16) {
    char text[160];
    snprintf(text, sizeof text, "operand %c reaches shared memory offset %d of %u", name, static_cast<int>(offset), block.shared_bytes);
    refuse(text, operation.site);
  }
  return block.shared + offset;
}

void gather(const Block& block, const WgmmaOperation& operation, uint64_t bits, int rows, int bytes, bool transposed, char name,
            char* target) {
  walk_operand(MatrixDescriptor::of_wgmma(bits), rows, bytes, transposed, 2, [&](int row, int part, uint32_t address) {
    const char* source = in_window(block, address, operation, name);
    if (!transposed) {
      memcpy(target + row * bytes + part * 16, source, 16);
    } else {
      for (int e = 0; e < 8; ++e) memcpy(target + (row + e) * bytes + part * 2, source + e * 2, 2);
    }
  });
}

void execute(Block& block, int group) {
  WgmmaQueue& queue = *block.wgmma[group];
  std::unique_ptr<WgmmaOperation> owned = std::move(queue.pending.front());
  queue.pending.pop_front();
  WgmmaOperation& operation = *owned;
  tl_sim_thread* saved = tl_sim_self;
  tl_sim_self = &block.threads[group * warpgroup_threads];  // whom a failure names
  alignas(64) char a[64 * k_bytes], b[256 * sparse_b_bytes];
  if (!operation.a_in_registers) gather(block, operation, operation.a_descriptor, 64, k_bytes, operation.flags & TL_SIM_WGMMA_TRANS_A, 'A', a);
  gather(block, operation, operation.b_descriptor, operation.n, b_bytes(operation), operation.flags & TL_SIM_WGMMA_TRANS_B, 'B', b);
  const char* a_rows = operation.a_in_registers ? nullptr : a;
  const bool accumulate = operation.flags & TL_SIM_WGMMA_ACCUMULATE, negate_a = operation.flags & TL_SIM_WGMMA_NEGATE_A,
             negate_b = operation.flags & TL_SIM_WGMMA_NEGATE_B;
  if (is_sparse(operation)) {
    multiply_sparse(block, operation.operation, {a_rows, b, operation.a, operation.c, nullptr, 4, operation.n, accumulate, negate_a, negate_b},
                    operation.metadata, operation.selector, operation.site);
  } else {
    WgmmaOperands operands{a_rows, b, operation.a, operation.c, operation.n, accumulate, negate_a, negate_b};
    wgmma_kernel(block.team->options.numerics, operation.operation)(operands);
  }
  tl_sim_self = saved;
  ++queue.done;
  queue.spare.push_back(std::move(owned));
  if (!queue.waiters) return;
  for (int i = group * warpgroup_threads; i < (group + 1) * warpgroup_threads; ++i) {
    Thread& thread = block.threads[i];
    if (thread.wait == Wait::wgmma && thread.wait_value <= queue.done) make_ready(thread);
  }
}

bool ready(const WgmmaQueue& queue) { return !queue.pending.empty() && queue.pending.front()->joined == warpgroup_threads; }

WgmmaQueue& queue_of(Thread* thread, const char* what, int site) {
  Block& block = *thread->block;
  const int group = thread->index / warpgroup_threads;
  if ((group + 1) * warpgroup_threads > block.thread_count) {
    fail(block, "%s in the last %d threads of a block: they are no warpgroup (line %d), %s", what, block.thread_count - group * warpgroup_threads,
         site, name_thread(*thread).c_str());
  }
  if (!block.wgmma[group]) block.wgmma[group] = std::make_unique<WgmmaQueue>();
  return *block.wgmma[group];
}

// 9.7.15.5.1.2.1.6 "Matrix-descriptor": the base offset is zero where the repeating pattern of the swizzle starts at an address
// aligned to it (1024, 512, 256 bytes); along K a descriptor may be advanced within a row.
void check_alignment(Block& block, int group, const WgmmaOperation& operation) {
  for (uint64_t bits : {operation.a_in_registers ? operation.b_descriptor : operation.a_descriptor, operation.b_descriptor}) {
    if (MatrixDescriptor::of_wgmma(bits).aligned()) continue;
    block.observer->misuse(block.threads[group * warpgroup_threads], "wgmma descriptor of a tile that is not aligned to its swizzle pattern",
                           "start addresses at multiples of 1024 (128B swizzle), 512 (64B) or 256 bytes (32B), beside an offset within a row",
                           site_of(operation.site));
  }
}

void observe_issue(Block& block, int group, const WgmmaOperation& operation) {
  Observer* observer = block.observer;
  if (!observer) return;
  static thread_local std::unique_ptr<WgmmaAccess> space;
  if (!space) space = std::make_unique<WgmmaAccess>();
  WgmmaAccess& access = *space;
  access.group = group;
  // The last thread to join tells the group: others may already have committed it.
  access.ticket = static_cast<uint32_t>(self()->wgmma_group_ends.size() + 1);
  access.a_in_registers = operation.a_in_registers;
  if (!operation.a_in_registers) {
    int chunks[4] = {};
    walk_operand(MatrixDescriptor::of_wgmma(operation.a_descriptor), 64, k_bytes, operation.flags & TL_SIM_WGMMA_TRANS_A, 2, [&](int row, int, uint32_t address) {
      access.a[row / 16][chunks[row / 16]++] = shared_offset(block, in_window(block, address, operation, 'A'));
    });
  }
  access.b_chunks = 0;
  walk_operand(MatrixDescriptor::of_wgmma(operation.b_descriptor), operation.n, b_bytes(operation), operation.flags & TL_SIM_WGMMA_TRANS_B, 2, [&](int, int, uint32_t address) {
    access.b[access.b_chunks++] = shared_offset(block, in_window(block, address, operation, 'B'));
  });
  const bool half = operation.operation == TL_SIM_WGMMA_F16_F16 || (operation.operation >= TL_SIM_WGMMA_E4E4_F16 && operation.operation <= TL_SIM_WGMMA_E5E5_F16);
  access.c_bytes = static_cast<size_t>(operation.n) / 2 * (half ? 2 : 4);
  access.a_registers = operation.a;
  access.c = operation.c;
  const int k = operation.operation == TL_SIM_WGMMA_TF32 ? 8 : operation.operation <= TL_SIM_WGMMA_BF16 ? 16 : 32;
  access.multiply_adds = static_cast<uint64_t>(64 * operation.n * k);
  observer->wgmma(block, access, site_of(operation.site));
  check_alignment(block, group, operation);
}

}  // namespace

void choose_wgmma_kernels(bool portable) { kernels = choose(portable); }

WgmmaKernel wgmma_kernel(Numerics numerics, int operation) { return kernels[static_cast<int>(numerics)][operation]; }

void WgmmaQueue::clear() {
  while (!pending.empty()) {
    spare.push_back(std::move(pending.front()));
    pending.pop_front();
  }
  done = 0;
  waiters = 0;
}

bool run_demanded_wgmma(Team& team) {
  for (uint32_t b = 0; b < team.count; ++b) {
    Block& block = *team.blocks[b];
    const int groups = block.thread_count / warpgroup_threads;
    const int start = groups ? static_cast<int>(team.random.below(static_cast<uint32_t>(groups))) : 0;
    for (int i = 0; i < groups; ++i) {
      const int group = (start + i) % groups;
      WgmmaQueue* queue = block.wgmma[group].get();
      if (!queue || !queue->waiters || !ready(*queue)) continue;
      execute(block, group);
      return true;
    }
  }
  return false;
}

void run_any_wgmma(Team& team) {
  Block& block = *team.blocks[team.random.below(team.count)];
  const int groups = block.thread_count / warpgroup_threads;
  if (!groups) return;
  const int group = static_cast<int>(team.random.below(static_cast<uint32_t>(groups)));
  if (block.wgmma[group] && ready(*block.wgmma[group])) execute(block, group);
}

std::string describe_wgmma(const Block& block, const Thread& thread) {
  const WgmmaQueue* queue = block.wgmma[thread.index / warpgroup_threads].get();
  if (!queue) return "none was issued";
  std::string text = std::to_string(queue->done) + " of " + std::to_string(thread.wait_value) + " operations done";
  if (!queue->pending.empty()) text += ", the next was issued by " + std::to_string(queue->pending.front()->joined) + " of 128 threads";
  return text;
}

}  // namespace tl::sim

using namespace tl::sim;

namespace {

// `selector` -1: dense.
void issue(int operation, int n, void* c, const void* a, uint64_t a_descriptor, uint64_t b_descriptor, uint32_t metadata, int selector, int flags,
           int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  const int group = thread->index / warpgroup_threads;
  WgmmaQueue& queue = queue_of(thread, "wgmma", site);
  // Registers written by ordinary instructions are ordered by wgmma.fence (9.7.15.7.1): "must be used before the first
  // wgmma.mma_async operation in a kernel".
  if (!thread->wgmma_fenced) refuse("no wgmma_fence before it", site);
  const uint64_t index = thread->wgmma_issued++ - queue.done;
  thread->wgmma_site = site;
  if (index == queue.pending.size()) {
    for (uint64_t bits : {a ? b_descriptor : a_descriptor, b_descriptor}) {
      if (MatrixDescriptor::of_wgmma(bits).base_offset) refuse("a descriptor with a base offset: the simulator takes tiles aligned to their swizzle pattern", site);
    }
    if (selector >= 0 && !(flags & TL_SIM_WGMMA_TRANS_B) && MatrixDescriptor::of_wgmma(b_descriptor).swizzle == 1) {
      refuse("B of a sparse product, K-major with a 32-byte swizzle: a row of the swizzle holds half of the 64 bytes along K", site);
    }
    std::unique_ptr<WgmmaOperation> fresh;
    if (queue.spare.empty()) {
      fresh = std::make_unique<WgmmaOperation>();
    } else {
      fresh = std::move(queue.spare.back());
      queue.spare.pop_back();
    }
    fresh->operation = operation, fresh->n = n, fresh->flags = flags, fresh->site = site, fresh->selector = selector;
    fresh->a_descriptor = a ? 0 : a_descriptor, fresh->b_descriptor = b_descriptor;
    fresh->a_in_registers = a != nullptr;
    fresh->joined = 0;
    queue.pending.push_back(std::move(fresh));
  }
  WgmmaOperation& record = *queue.pending[index];
  if (record.operation != operation || record.n != n || record.flags != flags || record.site != site || record.selector != selector ||
      record.a_in_registers != (a != nullptr)) {
    fail(block, "threads of warpgroup %d have come to different wgmma instructions (lines %d and %d), %s", group, record.site, site,
         name_thread(*thread).c_str());
  }
  if (record.b_descriptor != b_descriptor || (!a && record.a_descriptor != a_descriptor)) {
    refuse("the threads of the warpgroup pass different descriptors", site);
  }
  const int slot = thread->index % warpgroup_threads;
  record.c[slot] = c;
  record.a[slot] = a;
  record.metadata[slot] = metadata;
  if (++record.joined < warpgroup_threads) return;
  observe_issue(block, group, record);
  Team& team = *block.team;
  if (team.options.time == Time::early || (team.options.time == Time::random && team.random.one_in(4))) {
    while (ready(queue)) execute(block, group);
  }
}

}  // namespace

void tl_sim_wgmma(int operation, int n, void* c, const void* a, uint64_t a_descriptor, uint64_t b_descriptor, int flags, int site) {
  issue(operation, n, c, a, a_descriptor, b_descriptor, 0, -1, flags, site);
}

void tl_sim_wgmma_sp(int operation, int n, void* c, const void* a, uint64_t a_descriptor, uint64_t b_descriptor, uint32_t metadata, int selector,
                     int flags, int site) {
  issue(operation, n, c, a, a_descriptor, b_descriptor, metadata, selector, flags, site);
}

void tl_sim_wgmma_fence(int site) {
  Thread* thread = self();
  queue_of(thread, "wgmma.fence", site);
  thread->wgmma_fenced = true;
  if (Observer* observer = thread->block->observer) observer->wgmma_fence(*thread);
}

void tl_sim_wgmma_commit(int site) {
  Thread* thread = self();
  queue_of(thread, "wgmma.commit_group", site);
  thread->wgmma_group_ends.push_back(thread->wgmma_issued);
}

void tl_sim_wgmma_wait(int pending, int site) {
  Thread* thread = self();
  WgmmaQueue& queue = queue_of(thread, "wgmma.wait_group", site);
  const size_t groups = thread->wgmma_group_ends.size();
  if (groups <= static_cast<size_t>(pending)) return;
  const size_t finished = groups - static_cast<size_t>(pending);
  thread->wait_value = thread->wgmma_waited = thread->wgmma_group_ends[finished - 1];
  if (queue.done < thread->wait_value) {
    ++queue.waiters;
    while (queue.done < thread->wait_value) suspend(thread, Wait::wgmma, site);
    --queue.waiters;
  }
  if (Observer* observer = thread->block->observer) {
    observer->async_done(*thread, {AgentKind::wgmma, static_cast<uint32_t>(thread->index / warpgroup_threads)}, static_cast<uint32_t>(finished));
  }
}

// Texts for what went wrong.
#include <cstdarg>
#include <cstdio>

#include "block.h"

namespace tl::sim {

namespace {

void append(Block& block, const char* format, va_list arguments) {
  char text[1024];
  vsnprintf(text, sizeof text, format, arguments);
  if (block.report.size() < 8192) block.report += text;
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
  }
  return "?";
}

std::string describe_wait(const Block& block, const Thread& thread) {
  std::string line = " (line " + std::to_string(thread.site) + ")";
  switch (thread.wait) {
    case Wait::exited: return "exited";
    case Wait::none: return "running";
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

}  // namespace

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
  block.failed = true;
  Context abandoned;
  tl_sim_self = nullptr;
  switch_context(&abandoned, block.launcher);
  __builtin_unreachable();
}

void report_deadlock(Block& block) {
  note(block, "deadlock: no thread of block %s can go on\n", name_triple(block.index).c_str());
  for (int first = 0; first < block.thread_count;) {
    std::string text = describe_wait(block, block.threads[first]);
    int last = first;
    while (last + 1 < block.thread_count && describe_wait(block, block.threads[last + 1]) == text) ++last;
    if (first == last) note(block, "  thread %d: %s\n", first, text.c_str());
    else note(block, "  threads %d-%d: %s\n", first, last, text.c_str());
    first = last + 1;
  }
  block.failed = true;
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

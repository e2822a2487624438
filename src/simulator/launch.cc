// Launches: blocks are dealt to OS threads one at a time.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include "block.h"

namespace tl::sim {

thread_local Observer* current_observer = nullptr;

namespace {

std::atomic<int> requested_threads{0};

// Stacks and shared memory are worth keeping between launches; each worker of a launch borrows one Block.
std::mutex idle_mutex;
std::vector<std::unique_ptr<Block>> idle;

std::unique_ptr<Block> borrow_block() {
  std::lock_guard lock(idle_mutex);
  if (idle.empty()) return std::make_unique<Block>();
  auto block = std::move(idle.back());
  idle.pop_back();
  return block;
}

void give_back(std::unique_ptr<Block> block) {
  std::lock_guard lock(idle_mutex);
  idle.push_back(std::move(block));
}

struct Launch {
  void (*entry)(void**);
  void** arguments;
  tl_sim_dim3 grid, extent;
  uint32_t shared_bytes;
  uint64_t block_count;
  Observer* observer;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex report_mutex;
  std::string report;

  void fail(const std::string& text) {
    std::lock_guard lock(report_mutex);
    if (!failed.exchange(true)) report = text;
  }
};

bool prepare(Block& block, const Launch& launch) {
  block.entry = launch.entry;
  block.arguments = launch.arguments;
  block.grid = launch.grid;
  block.extent = launch.extent;
  block.shared_bytes = launch.shared_bytes;
  block.thread_count = static_cast<int>(launch.extent.x * launch.extent.y * launch.extent.z);
  block.warp_count = (block.thread_count + lanes_per_warp - 1) / lanes_per_warp;
  block.failed = false;
  block.report.clear();
  block.observer = launch.observer;
  if (block.threads.size() < static_cast<size_t>(block.thread_count)) block.threads.resize(static_cast<size_t>(block.thread_count));
  return block.stacks.reserve(static_cast<size_t>(block.thread_count)) && reserve_shared_memory(block);
}

void work(Launch& launch) {
  std::unique_ptr<Block> borrowed = borrow_block();
  Block& block = *borrowed;
  if (!prepare(block, launch)) {
    launch.fail("the system refused memory for stacks and shared memory");
    return;
  }
  Block* outer = running_block;
  FaultStack fault_stack(block);
  running_block = &block;
  // A fault comes back here; the volatile-free locals below are not used after it.
  if (sigsetjmp(block.fault_return, 1) == 0) {
    uint64_t index;
    while (!launch.failed.load(std::memory_order_relaxed) &&
           (index = launch.next.fetch_add(1, std::memory_order_relaxed)) < launch.block_count) {
      uint64_t rows = index / launch.grid.x;
      block.index = {static_cast<uint32_t>(index % launch.grid.x), static_cast<uint32_t>(rows % launch.grid.y),
                     static_cast<uint32_t>(rows / launch.grid.y)};
      run_block(block);
      if (block.failed) break;
    }
  }
  running_block = outer;
  block.observer = nullptr;
  if (block.failed) launch.fail(block.report);
  give_back(std::move(borrowed));
}

int worker_count(uint64_t blocks) {
  int count = requested_threads.load();
  if (count <= 0) {
    const char* text = getenv("TILELANG_SIMULATOR_THREADS");
    count = text ? atoi(text) : 0;
  }
  if (count <= 0) count = static_cast<int>(std::thread::hardware_concurrency());
  if (count < 1) count = 1;
  return blocks < static_cast<uint64_t>(count) ? static_cast<int>(blocks) : count;
}

std::string check(const uint32_t grid[3], const uint32_t block[3], uint32_t shared_bytes) {
  char text[160];
  uint64_t threads = uint64_t{block[0]} * block[1] * block[2];
  if (threads == 0 || threads > max_threads) {
    snprintf(text, sizeof text, "a block of %u x %u x %u threads: it must have 1 to %d", block[0], block[1], block[2], max_threads);
    return text;
  }
  if (shared_bytes > 232448) {
    snprintf(text, sizeof text, "%u bytes of shared memory: a block has at most 232448", shared_bytes);
    return text;
  }
  if (grid[0] > 0x7fffffffu || grid[1] > 65535 || grid[2] > 65535) {
    snprintf(text, sizeof text, "a grid of %u x %u x %u blocks: at most 2147483647 x 65535 x 65535", grid[0], grid[1], grid[2]);
    return text;
  }
  return "";
}

}  // namespace

}  // namespace tl::sim

using namespace tl::sim;

int tl_sim_abi_version(void) { return TL_SIM_ABI_VERSION; }

void tl_sim_set_threads(int count) { requested_threads = count; }

int tl_sim_launch(void (*entry)(void**), void** arguments, const uint32_t grid[3], const uint32_t block[3], uint32_t shared_bytes,
                  char* report, uint64_t report_capacity) {
  auto answer = [&](int code, const std::string& text) {
    if (report && report_capacity) {
      size_t length = text.size() < report_capacity ? text.size() : report_capacity - 1;
      memcpy(report, text.data(), length);
      report[length] = 0;
    }
    return code;
  };
  std::string refusal = check(grid, block, shared_bytes);
  if (!refusal.empty()) return answer(2, refusal);
  Launch launch;
  launch.entry = entry;
  launch.arguments = arguments;
  launch.grid = {grid[0], grid[1], grid[2]};
  launch.extent = {block[0], block[1], block[2]};
  launch.shared_bytes = shared_bytes;
  launch.block_count = uint64_t{grid[0]} * grid[1] * grid[2];
  launch.observer = current_observer;
  if (launch.block_count == 0) return answer(0, "");
  if (launch.observer) launch.observer->launch_begin(grid, block, shared_bytes, reinterpret_cast<const void*>(entry));
  try {
    FaultGuard faults;
    std::vector<std::thread> helpers;
    // An observed launch runs on one OS thread: its observer sees one block after the other, in an order that repeats.
    try {
      for (int i = launch.observer ? 1 : worker_count(launch.block_count); i > 1; --i) helpers.emplace_back(work, std::ref(launch));
    } catch (const std::system_error&) {
      // No more threads to be had: those that started, and this one, do the work.
    }
    work(launch);
    for (std::thread& helper : helpers) helper.join();
  } catch (const std::exception& error) {
    return answer(2, error.what());
  }
  if (launch.observer) launch.observer->launch_end();
  fflush(stdout);
  return answer(launch.failed ? 1 : 0, launch.report);
}

// The state of the block that an OS thread is running, and the scheduler's interface.
#pragma once
#include <csetjmp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fiber.h"
#include "observer.h"
#include "tl_sim_abi.h"

namespace tl::sim {

constexpr int lanes_per_warp = 32;
constexpr int max_threads = 1024;
constexpr int max_warps = max_threads / lanes_per_warp;
constexpr int barrier_count = 16;
constexpr size_t fault_stack_bytes = 1 << 16;

struct Block;
struct Warp;
struct MmaLog;

enum class Wait : uint8_t { none, barrier, warp, exited };

struct Copy {  // one cp.async
  char* target;
  const char* source;
  int bytes, source_bytes, site;
};

// A CUDA thread. The public part comes first: the kernel text reads it through tl_sim_self.
struct Thread : tl_sim_thread {
  Block* block;
  Warp* home;  // block->warps[warp]
  Context context;
  int index, warp, lane;
  Wait wait;
  int wait_barrier, site;
  std::vector<Copy> copies;              // issued and not executed, oldest first
  std::vector<uint32_t> group_ends;      // committed groups: index past the last copy, oldest first
  uint32_t groups_committed;             // since the thread began
  std::unique_ptr<char[]> context_storage;
};

enum class Collective : uint8_t { sync, mma_ready, shuffle, ballot, ldmatrix, stmatrix };

// What a lane brings to a warp collective; lives on the lane's stack until it completes.
struct Request {
  Collective kind;
  uint8_t mode, count;  // of a shuffle: mode and words; of a matrix copy: transposed and matrices
  int argument;
  void* data;
  const void* source;
  int site;
  uint32_t result;
};

struct Warp {
  uint32_t live = 0;     // lanes that have not exited
  uint32_t arrived = 0;  // lanes that wait in a collective
  Request* request[lanes_per_warp];
  std::unique_ptr<MmaLog> log;
};

struct Barrier {
  uint32_t arrived, expected;  // expected 0: nobody has come yet, or all live threads
  bool all;
  uint32_t waiting[max_warps];
};

struct Block {
  // the launch
  void (*entry)(void**);
  void** arguments;
  tl_sim_dim3 grid, extent, index;
  uint32_t shared_bytes;
  int thread_count, warp_count;
  // the running block
  int live;
  int current_warp;
  uint32_t ready[max_warps];
  std::vector<Thread> threads;
  Warp warps[max_warps];
  Barrier barriers[barrier_count];
  Context launcher;
  bool failed;
  std::string report;
  Observer* observer = nullptr;
  sigjmp_buf fault_return;
  // memory, kept from launch to launch
  StackPool stacks;
  char* shared_map = nullptr;
  size_t shared_mapped = 0;
  char* shared = nullptr;
  char* fault_stack = nullptr;

  Block();
  ~Block();
};

inline Thread* self() { return static_cast<Thread*>(tl_sim_self); }

// The block that this OS thread runs, or null.
extern thread_local Block* running_block;

// scheduler.cc
void run_block(Block& block);                     // all threads from entry to exit; block.failed tells
void suspend(Thread* thread, Wait wait, int site);  // until somebody makes it ready
void make_ready(Block& block, int warp, uint32_t lanes);

// barrier.cc
void barrier_on_exit(Block& block);

// collective.cc
void collective_on_exit(Warp& warp, Block& block, int warp_index);
void rendezvous(Request& request);

// mma.cc
void reset_mma_log(Warp& warp);
void execute_mma_log(Warp& warp);

// report.cc
[[noreturn]] void fail(Block& block, const char* format, ...) __attribute__((format(printf, 2, 3)));
void note(Block& block, const char* format, ...) __attribute__((format(printf, 2, 3)));
std::string name_thread(const Thread& thread);
void report_deadlock(Block& block);

// shared_memory.cc
bool reserve_shared_memory(Block& block);
void poison_shared_memory(Block& block);
void check_shared_canaries(Block& block);
inline bool in_shared_memory(const Block& block, const void* pointer, size_t bytes) {
  auto offset = static_cast<size_t>(static_cast<const char*>(pointer) - block.shared);
  return offset < block.shared_bytes && bytes <= block.shared_bytes - offset;
}

// fault.cc
class FaultGuard {  // while one exists, memory faults of simulated threads become reports
 public:
  FaultGuard();
  ~FaultGuard();
};
class FaultStack {  // the calling OS thread's alternate signal stack
 public:
  explicit FaultStack(Block& block);
  ~FaultStack();

 private:
  char saved_[64];
};

}  // namespace tl::sim

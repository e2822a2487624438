// The state of a block, its threads and warps, and the interfaces of the simulator's parts.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fiber.h"
#include "observer.h"
#include "options.h"
#include "tl_sim_abi.h"

namespace tl::sim {

constexpr int lanes_per_warp = 32;
constexpr int max_threads = 1024;
constexpr int max_warps = max_threads / lanes_per_warp;
constexpr int warpgroup_threads = 128;
constexpr int max_warpgroups = max_threads / warpgroup_threads;
constexpr int barrier_count = 16;
// Where dynamic shared memory begins in the shared window: the first KiB is the system's.
constexpr uint32_t shared_window_start = 1024;

struct Team;
struct Block;
struct Warp;
struct MmaLog;
struct Mbarrier;
struct WgmmaQueue;
struct TensorMemory;

enum class Wait : uint8_t { none, barrier, warp, mbarrier, wgmma, bulk_group, cluster, grid, registers, polling, spinning, exited };

struct Copy {  // one cp.async
  char* target;
  const char* source;
  int bytes, source_bytes, site;
};

struct TensorTransfer {  // a load from or store to tensor memory that its thread has not waited for
  uint32_t lane, column;
  int first, columns, site;      // first: of the instruction's registers
  void* registers;               // of a load
  std::vector<uint32_t> values;  // of a store
};

// A CUDA thread. The public part comes first: the kernel text reads it through tl_sim_self.
struct Thread : tl_sim_thread {
  Block* block;
  Warp* home;  // block->warps[warp]
  Context context;
  int index, warp, lane;
  Wait wait;
  int wait_barrier, site;  // wait_barrier: number of the named barrier, or shared memory offset of the mbarrier
  uint64_t wait_value;     // mbarrier: phase parity; wgmma: operations that must be done; bulk_group: groups
  bool wait_read;          // bulk_group: only the reads of the sources
  // cp.async
  std::vector<Copy> copies;          // issued and not executed, oldest first
  std::vector<uint32_t> group_ends;  // committed groups: index past the last copy, oldest first
  std::vector<uint32_t> group_tickets;  // of the committed groups, see copy_ticket
  uint64_t copies_executed;  // since the block began
  uint64_t copies_tracked;   // of all: how many an mbarrier tells of
  uint32_t copy_ticket;  // for the observer: rises with every commit and every mbarrier that tracks copies, from 1
  // bulk copies: numbers of groups, counted from 1; operations join the group `bulk_group`
  uint64_t bulk_group;
  // wgmma
  uint64_t wgmma_issued;                  // by this thread since the block began
  std::vector<uint64_t> wgmma_group_ends;  // wgmma_issued at each commit
  uint64_t wgmma_waited;                   // of those, known to be done
  int wgmma_site;                          // of the last
  bool wgmma_fenced;
  // tensor memory
  std::vector<TensorTransfer> tensor_loads, tensor_stores;  // not waited for
  uint64_t tensor_issued;                  // products and copies to tensor memory
  uint32_t tensor_time, tensor_fenced;     // loads and stores so far; as many at the last fence before synchronisation
  uint32_t tensor_commits;
  uint32_t syncs, fenced_syncs;            // barriers and mbarriers passed; as many at the last fence after synchronisation
  bool cluster_arrived, cluster_owes_wait, grid_arrived;  // arrived: until the phase completes
  uint32_t spins;
  // The registers that the observer asks to hear of; of others, plain accesses are not told.
  struct Extent {
    const char *low, *high;
  };
  static constexpr int most_observed = 4;
  Extent observed[most_observed];
  int observed_count;
  std::unique_ptr<char[]> context_storage;
};

enum class Collective : uint8_t { sync, mma_ready, shuffle, ballot, ldmatrix, stmatrix, sparse_mma, scaled_mma, tensor };

// What a lane brings to a warp collective; lives on the lane's stack until it completes.
struct Request {
  Collective kind;
  uint8_t mode, count;  // of a shuffle: mode and words; of a matrix copy: transposed and matrices; of mma.sp: operation and selector
  int argument;
  void* data;
  const void* source;
  int site;
  uint32_t result;
  uint32_t mask = 0xffffffff;  // the lanes that take part
};

struct Warp {
  uint32_t live = 0;     // lanes that have not exited
  uint32_t arrived = 0;  // lanes that wait in a collective
  uint32_t mask = 0;     // whom the first of them named
  bool mixed = false;    // whether another has named others
  Request* request[lanes_per_warp];
  std::unique_ptr<MmaLog> log;
};

struct Barrier {
  uint32_t arrived, expected;  // expected 0: nobody has come yet, or all live threads
  bool all;
  uint32_t votes, result;  // predicates that were true: so far, and at the last completion
  uint32_t waiting[max_warps];
};

struct Block {
  Team* team;
  Observer* observer = nullptr;  // who watches, or null
  uint32_t rank;  // in the team
  tl_sim_dim3 extent, index;
  uint32_t shared_bytes;
  int thread_count, warp_count;
  // the running block
  int live;
  int current_warp;
  uint32_t ready[max_warps];
  std::vector<Thread> threads;
  Warp warps[max_warps];
  Barrier barriers[barrier_count];
  std::vector<std::unique_ptr<Mbarrier>> mbarriers;
  std::unique_ptr<WgmmaQueue> wgmma[max_warpgroups];
  std::unique_ptr<TensorMemory> tensor;  // once something was allocated there
  int registers[max_warps];  // of each thread of the warp (setmaxnreg)
  int free_registers;
  // memory, kept from launch to launch
  StackPool stacks;
  char* shared_map = nullptr;
  size_t shared_mapped = 0;
  char* shared = nullptr;

  Block();
  ~Block();
};

inline Thread* self() { return static_cast<Thread*>(tl_sim_self); }

// scheduler.cc
void suspend(Thread* thread, Wait wait, int site);  // until somebody makes it ready
void yield(Thread* thread);                          // lets others run first, if there are any
void make_ready(Block& block, int warp, uint32_t lanes);
inline void make_ready(Thread& thread) { make_ready(*thread.block, thread.warp, 1u << thread.lane); }

// barrier.cc
void barrier_on_exit(Block& block);

// collective.cc
void collective_on_exit(Warp& warp, Block& block, int warp_index);
void rendezvous(Request& request);

// cp_async.cc
void execute_copies(Thread& thread, uint32_t count);  // the oldest `count`

// mma.cc
void reset_mma_log(Warp& warp);
void execute_mma_log(Warp& warp);

// report.cc
[[noreturn]] void fail(Block& block, const char* format, ...) __attribute__((format(printf, 2, 3)));
void note(Block& block, const char* format, ...) __attribute__((format(printf, 2, 3)));
std::string name_thread(const Thread& thread);
std::string describe_wait(const Block& block, const Thread& thread);
void report_deadlock(Team& team);

// shared_memory.cc
bool reserve_shared_memory(Block& block);
void poison_shared_memory(Block& block);
void check_shared_canaries(Block& block);
inline bool in_shared_memory(const Block& block, const void* pointer, size_t bytes) {
  auto offset = static_cast<size_t>(static_cast<const char*>(pointer) - block.shared);
  return offset < block.shared_bytes && bytes <= block.shared_bytes - offset;
}
inline uint32_t shared_offset(const Block& block, const void* pointer) {
  return static_cast<uint32_t>(static_cast<const char*>(pointer) - block.shared);
}
// The block of the calling thread's cluster in whose shared memory the bytes lie; fails where there is none.
Block& shared_owner(const void* pointer, size_t bytes, const char* what, int site);

}  // namespace tl::sim

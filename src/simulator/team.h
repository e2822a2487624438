// A team: the blocks whose threads are scheduled together in one OS thread, because they may wait for each other. A
// single block; a cluster; or, in a cooperative launch, the whole grid.
#pragma once
#include <csetjmp>

#include "async.h"
#include "block.h"

namespace tl::sim {

constexpr size_t fault_stack_bytes = 1 << 16;

struct Launch;

// barrier.cluster and the grid barrier: every live thread arrives, then waits.
struct TeamBarrier {
  int arrived = 0;
  std::vector<Thread*> waiting;
};

struct Cluster {
  uint32_t first, count;  // blocks of the team
  int live;               // threads that have not exited
  TeamBarrier barrier;
};

struct Team {
  // the launch
  Launch* launch;
  void (*entry)(void**);
  void** arguments;
  tl_sim_dim3 grid, cluster_extent;
  Options options;
  bool cooperative;
  // the running team
  std::vector<std::unique_ptr<Block>> blocks;  // kept from launch to launch; the first `count` are in use
  uint32_t count;
  std::vector<Cluster> clusters;
  TeamBarrier grid_barrier;
  int live;
  uint32_t current_block;
  uint32_t elected;  // seed of elect.sync
  uint32_t idle_polls;
  Random random;
  AsyncQueue async;
  Context launcher;
  bool failed;
  std::string report;
  sigjmp_buf fault_return;
  char* fault_stack = nullptr;

  Team();
  ~Team();
};

// The team that this OS thread runs, or null.
extern thread_local Team* running_team;

// scheduler.cc: all threads from entry to exit; team.failed tells
void run_team(Team& team);

inline Cluster& cluster_of(Block& block) { return block.team->clusters[block.rank / block.team->clusters[0].count]; }

// launch.cc: takes a cluster that has not started; the index of its first block
bool claim_cluster(Team& team, tl_sim_dim3& first);

// cluster.cc
void team_barriers_on_exit(Block& block);

// registers.cc
void reset_registers(Block& block);

// fault.cc
class FaultGuard {  // while one exists, memory faults of simulated threads become reports
 public:
  FaultGuard();
  ~FaultGuard();
};
class FaultStack {  // the calling OS thread's alternate signal stack
 public:
  explicit FaultStack(Team& team);
  ~FaultStack();

 private:
  char saved_[64];
};

}  // namespace tl::sim

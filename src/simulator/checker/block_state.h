// What the checker knows of one running block.
#pragma once
#include "iterations.h"
#include "register_shadow.h"
#include "shadow.h"
#include "thread_clock.h"

#include "../block.h"

namespace tl::sim {

struct BlockState {
  Block* block = nullptr;
  uint32_t number = 0;  // in the session, from 1
  uint32_t birth = 0;   // records of shared memory from before this block are of other blocks that had the memory
  Columns columns;
  std::vector<ThreadClock> clocks;
  std::vector<Agent> agents;  // those that are not of one thread, by column - columns.first_shared()
  struct Arrivals {
    Gathering gathering;
    std::vector<int> waiting;
  };
  Arrivals barriers[barrier_count];
  Shadow shared;
  Shadow tensor;  // of the block's tensor memory, once it has some
  RegisterShadow registers;
  IterationLog iterations;
  // Registers that asynchronous operations own (wgmma accumulators), by thread.
  struct InFlight {
    const char* base;
    size_t bytes;
    uint32_t column, clock, site;
    bool writes;
  };
  std::vector<std::vector<InFlight>> in_flight;
  // What threads knew when they committed tcgen05 operations, by thread and ticket, until the arrival.
  std::map<std::pair<int, uint32_t>, ViewPointer> committed;

  void begin(Block& running, uint32_t session_number, uint32_t group_birth);
  ThreadClock& clock_of(const Thread& thread) { return clocks[static_cast<size_t>(thread.index)]; }
  Shadow& tensor_shadow();
  uint32_t column_of(Agent agent);
  // "thread 5", "cp.async of thread 5", "wgmma of warpgroup 1", ...
  std::string name_column(uint32_t column) const;
  int thread_of_column(uint32_t column) const;  // -1: of no single thread
};

}  // namespace tl::sim

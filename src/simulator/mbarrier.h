// mbarrier objects (PTX ISA 9.7.13.15). The word in shared memory is opaque to kernels: here it says which object of the
// block it is, so that a barrier that was never initialised, or was overwritten, is recognised.
#pragma once
#include "block.h"

namespace tl::sim {

struct Mbarrier {
  uint32_t offset;      // in shared memory
  uint32_t count;       // expected arrivals of a phase
  uint32_t pending;     // arrivals that the current phase still lacks
  int64_t transactions;  // bytes that it still lacks (tx-count); negative while data is ahead of expect_tx
  uint64_t phase;       // phases completed
  int init_site;
  bool valid;
  bool fenced;          // the initialisation is visible to the async proxy
  const Thread* initialiser;
  uint32_t waiting[max_warps];
  int waiters;
};

// The object at an address of the block, or a report.
Mbarrier& mbarrier_at(Block& block, uint32_t offset, const char* what, int site);

}  // namespace tl::sim

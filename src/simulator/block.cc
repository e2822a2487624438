#include <sys/mman.h>

#include "mbarrier.h"
#include "mma.h"
#include "team.h"
#include "tensor_memory.h"
#include "wgmma.h"

namespace tl::sim {

Block::Block() = default;

Block::~Block() {
  if (shared_map) munmap(shared_map, shared_mapped);
}

Team::Team() = default;

Team::~Team() {
  if (fault_stack) munmap(fault_stack, fault_stack_bytes);
}

}  // namespace tl::sim

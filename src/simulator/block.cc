#include <sys/mman.h>

#include "mma.h"

namespace tl::sim {

Block::Block() = default;

Block::~Block() {
  if (shared_map) munmap(shared_map, shared_mapped);
  if (fault_stack) munmap(fault_stack, fault_stack_bytes);
}

}  // namespace tl::sim

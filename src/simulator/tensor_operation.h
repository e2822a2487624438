// Operations that one thread gives the tensor core: queues, and what products, copies and shifts have in common.
#pragma once
#include <memory>
#include <vector>

#include "tensor_memory.h"

namespace tl::sim {

const char* name_of(const TensorOperation& operation);
// The blocks that work on it: the issuer's, or both of its pair in the order of their ranks.
std::vector<Block*> blocks_of(const TensorOperation& operation);
// 16 bytes of operand `name` in shared memory.
const char* in_window(Block& block, const TensorOperation& operation, uint32_t address, char name);
// Queues it, or executes what is queued where time is early.
void issue_tensor_operation(std::unique_ptr<TensorOperation> operation);

void execute_product(const TensorOperation& operation);  // tcgen05.cc
void execute_copy(const TensorOperation& operation);     // tensor_movement.cc
void execute_shift(const TensorOperation& operation);

}  // namespace tl::sim

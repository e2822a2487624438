// tcgen05.cp (PTX ISA 9.7.16.9) and tcgen05.shift (9.7.16.8): into tensor memory and within it.
#include <cstring>

#include "matrix_operand.h"
#include "team.h"
#include "tensor_operation.h"

namespace tl::sim {

namespace {

[[noreturn]] __attribute__((noinline, cold)) void refuse(const char* what, const char* text, int site) {
  Thread* thread = self();
  fail(*thread->block, "%s: %s (line %d), %s", what, text, site, name_thread(*thread).c_str());
}

// tcgen05.cp: row i of 16 bytes, rows in groups of 8 that are the descriptor's stride apart.
const char* copied_row(Block& block, const TensorOperation& operation, uint32_t row) {
  const MatrixDescriptor descriptor = MatrixDescriptor::of_tcgen05(operation.source);
  return in_window(block, operation, descriptor.start + row / 8 * descriptor.stride_offset + row % 8 * 16, 'S');
}

}  // namespace

void execute_copy(const TensorOperation& operation) {
  for (Block* block : blocks_of(operation)) {
    for (uint32_t lane = 0; lane < tensor_lanes; ++lane) {
      memcpy(&block->tensor->cell[lane][operation.target], copied_row(*block, operation, lane % 32), 16);
    }
  }
}

// tcgen05.shift: 32 bytes of each row but the last move down by one row (shape .31x256b).
void execute_shift(const TensorOperation& operation) {
  const uint32_t lane = operation.target >> 16, column = operation.target & 0xffff;
  for (Block* block : blocks_of(operation)) {
    for (uint32_t row = lane + 31; row > lane; --row) memcpy(&block->tensor->cell[row][column], &block->tensor->cell[row - 1][column], 32);
  }
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_tcgen05_cp(uint32_t address, uint64_t rows, int group, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  const MatrixDescriptor descriptor = MatrixDescriptor::of_tcgen05(rows);
  if ((rows >> 46 & 7) != 1 || descriptor.swizzle) refuse("tcgen05.cp", "takes a descriptor without swizzle, bits 46 to 48 0b001", site);
  if (address >> 16 || address % 4) refuse("tcgen05.cp", ".32x128b.warpx4 goes to lane 0 of a column that is a multiple of 4", site);
  if (tensor_memory(block).group && block.tensor->group != group) refuse("tcgen05.cp", "another .cta_group than tensor memory was allocated with", site);
  auto operation = std::make_unique<TensorOperation>();
  operation->thread = thread;
  operation->number = ++thread->tensor_issued;
  operation->kind = TensorOperation::copy;
  operation->mma.group = group;
  operation->source = rows;
  operation->target = address;
  operation->site = site;
  operation->written = {0, tensor_lanes, address, 4};
  for (Block* each : blocks_of(*operation)) {
    require_allocated(*each, operation->written, "tcgen05.cp", site);
    check_fences(*each, operation->written, TensorMemory::Touch::core, "tcgen05.cp", site);
    if (!block.observer) continue;
    const Agent agent{AgentKind::tensor, static_cast<uint32_t>(thread->index), thread->block};
    for (uint32_t row = 0; row < 32; ++row) {
      block.observer->async_access(*thread, agent, thread->tensor_commits + 1, copied_row(*each, *operation, row), 16, Access::read, Proxy::async, site_of(site));
    }
    observe_tensor(*thread, *each, operation->written, Access::write, thread->tensor_commits + 1, site);
  }
  issue_tensor_operation(std::move(operation));
}

void tl_sim_tcgen05_shift(uint32_t address, int group, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  if ((address >> 16) % 32) refuse("tcgen05.shift", "starts at a lane that is a multiple of 32", site);
  if (tensor_memory(block).group && block.tensor->group != group) refuse("tcgen05.shift", "another .cta_group than tensor memory was allocated with", site);
  auto operation = std::make_unique<TensorOperation>();
  operation->thread = thread;
  operation->number = ++thread->tensor_issued;
  operation->kind = TensorOperation::shift;
  operation->mma.group = group;
  operation->target = address;
  operation->site = site;
  operation->written = {address >> 16, 32, address & 0xffff, 8};
  for (Block* each : blocks_of(*operation)) {
    require_allocated(*each, operation->written, "tcgen05.shift", site);
    check_fences(*each, operation->written, TensorMemory::Touch::core, "tcgen05.shift", site);
    observe_tensor(*thread, *each, operation->written, Access::read, thread->tensor_commits + 1, site);
    observe_tensor(*thread, *each, operation->written, Access::write, thread->tensor_commits + 1, site);
  }
  issue_tensor_operation(std::move(operation));
}

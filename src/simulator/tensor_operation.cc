// Queues of tensor core operations, and tcgen05.commit (PTX ISA 9.7.16.12), which makes a barrier tell when they are over.
#include "tensor_operation.h"

#include "mbarrier.h"
#include "team.h"

namespace tl::sim {

const char* name_of(const TensorOperation& operation) {
  return operation.kind == TensorOperation::copy ? "tcgen05.cp" : operation.kind == TensorOperation::shift ? "tcgen05.shift" : "tcgen05.mma";
}

std::vector<Block*> blocks_of(const TensorOperation& operation) {
  Block& own = *operation.thread->block;
  if (operation.mma.group == 1) return {&own};
  Block* partner = partner_of(own);
  return own.rank < partner->rank ? std::vector<Block*>{&own, partner} : std::vector<Block*>{partner, &own};
}

const char* in_window(Block& block, const TensorOperation& operation, uint32_t address, char name) {
  const uint32_t offset = address - shared_window_start;
  if (offset >= block.shared_bytes || block.shared_bytes - offset < 16) {
    Thread* thread = operation.thread;
    fail(*thread->block, "%s: operand %c reaches shared memory offset %d of %u (line %d), %s", name_of(operation), name, static_cast<int>(offset),
         block.shared_bytes, operation.site, name_thread(*thread).c_str());
  }
  return block.shared + offset;
}

void issue_tensor_operation(std::unique_ptr<TensorOperation> operation) {
  Thread& thread = *operation->thread;
  Team& team = *thread.block->team;
  thread.block->tensor->pending.push_back(std::move(operation));
  if (team.options.time == Time::early || (team.options.time == Time::random && team.random.one_in(4))) run_tensor_operations(thread, thread.tensor_issued);
}

void execute_tensor_operation(TensorOperation& operation) {
  tl_sim_thread* saved = tl_sim_self;
  tl_sim_self = operation.thread;  // whom a failure names
  switch (operation.kind) {
    case TensorOperation::product: execute_product(operation); break;
    case TensorOperation::copy: execute_copy(operation); break;
    case TensorOperation::shift: execute_shift(operation); break;
  }
  tl_sim_self = saved;
}

void run_tensor_operations(Thread& thread, uint64_t number) {
  auto& pending = thread.block->tensor->pending;
  for (size_t i = 0; i < pending.size();) {
    if (pending[i]->thread != &thread || pending[i]->number > number) {
      ++i;
      continue;
    }
    std::unique_ptr<TensorOperation> operation = std::move(pending[i]);
    pending.erase(pending.begin() + static_cast<long>(i));
    execute_tensor_operation(*operation);
  }
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_tcgen05_commit(void* pointer, int group, uint32_t blocks, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  tensor_memory(block);
  if (!in_shared_memory(block, pointer, 8)) {
    fail(block, "tcgen05.commit on an mbarrier outside of the block's shared memory (line %d), %s", site, name_thread(*thread).c_str());
  }
  const uint32_t offset = shared_offset(block, pointer);
  Cluster& cluster = cluster_of(block);
  const uint32_t own = 1u << thread->cluster_rank, targets = blocks ? blocks : own;
  for (uint32_t rank = 0; rank < 32; ++rank) {
    if (!(targets >> rank & 1)) continue;
    if (rank >= cluster.count) fail(block, "tcgen05.commit to block %u in a cluster of %u (line %d), %s", rank, cluster.count, site, name_thread(*thread).c_str());
    mbarrier_at(*block.team->blocks[cluster.first + rank], offset, "tcgen05.commit", site);
  }
  if (block.tensor->group && block.tensor->group != group) {
    fail(block, "tcgen05.commit with another .cta_group than tensor memory was allocated with (line %d), %s", site, name_thread(*thread).c_str());
  }
  auto operation = std::make_unique<AsyncOperation>();
  operation->kind = AsyncKind::products_arrive;
  operation->site = site;
  operation->thread = thread;
  operation->targets = static_cast<uint16_t>(targets);
  operation->barrier = offset;
  operation->copies_end = thread->tensor_issued;
  operation->ticket = ++thread->tensor_commits;
  if (block.observer) block.observer->commit_products(*thread, operation->ticket);
  block.team->async.issue(*block.team, std::move(operation));
}

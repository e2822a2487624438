// clusterlaunchcontrol (PTX ISA 9.7.13.17): a cluster that no OS thread has begun is taken over by one that runs.
#include <cstring>

#include "mbarrier.h"
#include "team.h"

namespace tl::sim {

namespace {

constexpr uint32_t answer_mark = 0x636c6330;

// 16 bytes that are opaque to kernels: the mark, one more where a cluster was taken over, and its first block.
struct Answer {
  uint32_t mark_and_success, x, y, z;
};

}  // namespace

void execute_cancel(AsyncOperation& operation) {
  Team& team = *operation.thread->block->team;
  Answer answer{answer_mark, 0, 0, 0};
  tl_sim_dim3 first;
  if (claim_cluster(team, first)) answer = {answer_mark + 1, first.x, first.y, first.z};
  Cluster& cluster = cluster_of(*operation.thread->block);
  for (uint32_t rank = 0; rank < cluster.count; ++rank) {
    if (!(operation.targets >> rank & 1)) continue;
    Block& target = *team.blocks[cluster.first + rank];
    memcpy(target.shared + operation.shared, &answer, sizeof answer);
    complete_transaction(target, operation.barrier, sizeof answer, operation.site);
  }
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_try_cancel(void* answer, void* barrier, int multicast, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  if (!in_shared_memory(block, answer, sizeof(Answer)) || !in_shared_memory(block, barrier, 8) || shared_offset(block, answer) % sizeof(Answer)) {
    fail(block, "clusterlaunchcontrol.try_cancel: the answer takes 16 bytes of the block's shared memory, aligned to 16, and an mbarrier there (line %d), %s",
         site, name_thread(*thread).c_str());
  }
  Cluster& cluster = cluster_of(block);
  auto operation = std::make_unique<AsyncOperation>();
  operation->kind = AsyncKind::cancel;
  operation->site = site;
  operation->thread = thread;
  operation->targets = static_cast<uint16_t>(multicast ? (1u << cluster.count) - 1 : 1u << thread->cluster_rank);
  operation->shared = shared_offset(block, answer);
  operation->barrier = shared_offset(block, barrier);
  operation->bytes = sizeof(Answer);
  for (uint32_t rank = 0; rank < cluster.count; ++rank) {
    if (!(operation->targets >> rank & 1)) continue;
    Block& target = *block.team->blocks[cluster.first + rank];
    const Mbarrier& counted = mbarrier_at(target, operation->barrier, "clusterlaunchcontrol.try_cancel", site);
    if (!block.observer) continue;
    const Agent agent{AgentKind::mbarrier, operation->barrier, &target};
    block.observer->async_access(*thread, agent, static_cast<uint32_t>(counted.phase + 1), target.shared + operation->shared, sizeof(Answer), Access::write,
                                 Proxy::async, site_of(site));
  }
  block.team->async.issue(*block.team, std::move(operation));
}

int32_t tl_sim_query_cancel(const void* pointer, int axis, int site) {
  Thread* thread = self();
  Answer answer{};
  if (in_shared_memory(*thread->block, pointer, sizeof answer)) memcpy(&answer, pointer, sizeof answer);
  if (thread->block->observer) thread->block->observer->access(*thread, pointer, sizeof answer, Access::read, site_of(site));
  const uint32_t success = answer.mark_and_success - answer_mark;
  if (success > 1) {
    fail(*thread->block, "clusterlaunchcontrol.query_cancel of 16 bytes that are no answer of try_cancel: wait on its mbarrier first (line %d), %s", site,
         name_thread(*thread).c_str());
  }
  if (axis < 0) return static_cast<int32_t>(success);
  if (!success) fail(*thread->block, "clusterlaunchcontrol.query_cancel.get_first_ctaid where no cluster was taken over (line %d), %s", site, name_thread(*thread).c_str());
  return static_cast<int32_t>(axis == 0 ? answer.x : axis == 1 ? answer.y : answer.z);
}

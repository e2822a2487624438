#include "block_state.h"

#include "../tensor_memory.h"

namespace tl::sim {

void BlockState::begin(Block& running, uint32_t session_number, uint32_t group_birth) {
  block = &running;
  number = session_number;
  birth = group_birth;
  columns.threads = static_cast<uint32_t>(running.thread_count);
  clocks.assign(columns.threads, ThreadClock());
  agents.clear();
  committed.clear();
  in_flight.assign(columns.threads, {});
  iterations.begin(columns.threads);
  for (Arrivals& arrivals : barriers) {
    arrivals.gathering.clear();
    arrivals.waiting.clear();
  }
  if (shared.bytes() != running.shared_bytes && !shared.reserve(running.shared_bytes)) {
    fail(running, "the system refused memory for the checker");
  }
  if (!registers.begin(running.stacks, columns.threads)) fail(running, "the system refused memory for the checker");
}

Shadow& BlockState::tensor_shadow() {
  if (!tensor.bytes() && !tensor.reserve(sizeof(TensorMemory::cell))) fail(*block, "the system refused memory for the checker");
  return tensor;
}

uint32_t BlockState::column_of(Agent agent) {
  if (agent.kind == AgentKind::cp_async) return columns.cp_async(agent.index);
  if (agent.kind == AgentKind::bulk_read) return columns.bulk_read(agent.index);
  if (agent.kind == AgentKind::bulk_write) return columns.bulk_write(agent.index);
  size_t i = 0;
  while (i < agents.size() && (agents[i].kind != agent.kind || agents[i].index != agent.index)) ++i;
  if (i == agents.size()) agents.push_back(agent);
  return columns.first_shared() + static_cast<uint32_t>(i);
}

int BlockState::thread_of_column(uint32_t column) const {
  return column < columns.first_shared() ? static_cast<int>(column % columns.threads) : -1;
}

std::string BlockState::name_column(uint32_t column) const {
  if (column < columns.threads) return "";
  if (column < columns.bulk_read(0)) return "cp.async";
  if (column < columns.first_shared()) return "bulk store";
  size_t i = column - columns.first_shared();
  if (i >= agents.size()) return "asynchronous";
  std::string index = std::to_string(agents[i].index);
  if (agents[i].kind == AgentKind::wgmma) return "wgmma of warpgroup " + index;
  if (agents[i].kind == AgentKind::tensor_load) return "tcgen05.ld of thread " + index;
  if (agents[i].kind == AgentKind::tensor) return "tcgen05 operation of thread " + index;
  return "copy on the mbarrier at shared memory offset " + index;
}

}  // namespace tl::sim

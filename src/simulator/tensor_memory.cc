// Allocation of tensor memory, loads and stores (PTX ISA 9.7.16.7 "Tensor Memory Allocation and Management Instructions", 9.7.16.8
// "Tensor Memory and Register Load/Store Instructions"), and the fences that order them between threads.
#include "tensor_memory.h"

#include <cstring>

#include "team.h"

namespace tl::sim {

namespace {

enum Step : uint8_t { step_alloc, step_dealloc, step_relinquish, step_ld, step_st, step_wait_ld, step_wait_st };

// These instructions are .sync.aligned: all lanes of the warp come to the same one.
void meet(Step step, int columns, int site) {
  Request request{};
  request.kind = Collective::tensor;
  request.mode = step;
  request.count = static_cast<uint8_t>(columns);
  request.site = site;
  rendezvous(request);
}

TensorPiece piece_of(const TensorTransfer& transfer) {
  return {transfer.lane, 1, transfer.column, static_cast<uint32_t>(transfer.columns)};
}

// "The warp can access only a chunk of the lanes", 32 * (number of the warp in its warpgroup) onwards (9.7.16.8.1).
TensorTransfer transfer_of(uint32_t address, int columns, const char* what, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  const uint32_t first = address >> 16, quarter = static_cast<uint32_t>(thread->warp % 4) * 32;
  if (first != quarter) {
    fail(block, "%s of warp %d starts at lane %u: it reaches lanes %u to %u (line %d), %s", what, thread->warp, first, quarter, quarter + 31,
         site, name_thread(*thread).c_str());
  }
  TensorTransfer transfer{quarter + static_cast<uint32_t>(thread->lane), address & 0xffff, columns, site, nullptr, {}};
  require_allocated(block, piece_of(transfer), what, site);
  return transfer;
}

void finish_loads(Thread& thread) {
  TensorMemory& memory = *thread.block->tensor;
  for (const TensorTransfer& load : thread.tensor_loads) {
    refuse_in_flight(*thread.block, piece_of(load), false, "tcgen05.ld", load.site);
    memcpy(load.registers, &memory.cell[load.lane][load.column], static_cast<size_t>(load.columns) * 4);
  }
  thread.tensor_loads.clear();
}

void finish_stores(Thread& thread) {
  TensorMemory& memory = *thread.block->tensor;
  for (const TensorTransfer& store : thread.tensor_stores) {
    refuse_in_flight(*thread.block, piece_of(store), true, "tcgen05.st", store.site);
    memcpy(&memory.cell[store.lane][store.column], store.values.data(), static_cast<size_t>(store.columns) * 4);
  }
  thread.tensor_stores.clear();
}

Agent loads_of(const Thread& thread) { return {AgentKind::tensor_load, static_cast<uint32_t>(thread.index)}; }

bool at_once(Team& team) { return team.options.time == Time::early || (team.options.time == Time::random && team.random.one_in(4)); }

}  // namespace

TensorMemory& tensor_memory(Block& block) {
  if (!block.tensor) {
    block.tensor = std::make_unique<TensorMemory>();
    block.tensor->clear();
  }
  return *block.tensor;
}

void TensorMemory::clear() {
  allocations.clear();
  relinquished = false;
  group = 0;
  pending.clear();
  memset(touched, 0, sizeof touched);
}

Block* partner_of(Block& block) {
  Cluster& cluster = cluster_of(block);
  const uint32_t rank = (block.rank - cluster.first) ^ 1;
  return rank < cluster.count ? block.team->blocks[cluster.first + rank].get() : nullptr;
}

void finish_tensor_memory(Block& block) {
  if (!block.tensor) return;
  for (const TensorAllocation& allocation : block.tensor->allocations) {
    fail(block, "block (%u, %u, %u) exits with the %u columns of tensor memory that it allocated at line %d: the next block on the multiprocessor "
         "will wait for them; deallocate them", block.index.x, block.index.y, block.index.z, allocation.count, allocation.site);
  }
}

}  // namespace tl::sim

using namespace tl::sim;

// "tcgen05.alloc is a potentially blocking instruction": of one block alone, nobody would give columns back.
void tl_sim_tcgen05_alloc(uint32_t* slot, uint32_t columns, int group, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  TensorMemory& memory = tensor_memory(block);
  if (thread->lane == __builtin_ctz(thread->home->live)) {
    if (memory.relinquished) fail(block, "tcgen05.alloc after relinquish_alloc_permit (line %d), %s", site, name_thread(*thread).c_str());
    if (group == 2 && !partner_of(block)) fail(block, "tcgen05.alloc for a pair of blocks without a cluster of two (line %d), %s", site, name_thread(*thread).c_str());
    if (memory.group && memory.group != group) fail(block, "tcgen05.alloc with two kinds of .cta_group in one kernel (line %d), %s", site, name_thread(*thread).c_str());
    uint32_t first = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (const TensorAllocation& other : memory.allocations) {
        if (first < other.first + other.count && other.first < first + columns) first = other.first + other.count, moved = true;
      }
    }
    if (first + columns > tensor_columns) {
      fail(block, "tcgen05.alloc of %u columns: %u of %u are free behind the block's other allocations, and the block itself holds them (line %d), %s",
           columns, tensor_columns - std::min(first, tensor_columns), tensor_columns, site, name_thread(*thread).c_str());
    }
    memory.group = group;
    memory.allocations.push_back({first, columns, site, group});
    for (auto& lane : memory.cell) memset(lane + first, 0xff, columns * 4);  // as shared memory: NaN until something is written
    if (block.observer) {
      block.observer->renew(block, TensorPiece{0, tensor_lanes, first, columns});
      block.observer->access(*thread, slot, 4, Access::write, site_of(site));
    }
    *slot = first;
  }
  meet(step_alloc, static_cast<int>(columns / 32), site);
}

void tl_sim_tcgen05_dealloc(uint32_t address, uint32_t columns, int group, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  TensorMemory& memory = tensor_memory(block);
  const bool leads = thread->lane == __builtin_ctz(thread->home->live);  // others may have exited after the meeting
  meet(step_dealloc, static_cast<int>(columns / 32), site);
  if (!leads) return;
  const TensorPiece piece{0, tensor_lanes, address, columns};
  for (size_t i = 0; i < memory.allocations.size(); ++i) {
    const TensorAllocation& held = memory.allocations[i];
    if (held.first != address || held.count != columns || held.group != group) continue;
    refuse_in_flight(block, piece, true, "tcgen05.dealloc", site);
    check_fences(block, piece, TensorMemory::Touch::warp, "tcgen05.dealloc", site);
    observe_tensor(*thread, block, piece, Access::write, 0, site);
    memory.allocations.erase(memory.allocations.begin() + static_cast<long>(i));
    return;
  }
  fail(block, "tcgen05.dealloc of %u columns at 0x%x, which are no allocation of this block's (line %d), %s", columns, address, site,
       name_thread(*thread).c_str());
}

void tl_sim_tcgen05_relinquish(int, int site) {
  Thread* thread = self();
  tensor_memory(*thread->block).relinquished = true;
  meet(step_relinquish, 0, site);
}

void tl_sim_tcgen05_ld(void* registers, uint32_t address, int columns, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  tensor_memory(block);
  meet(step_ld, columns, site);
  TensorTransfer load = transfer_of(address, columns, "tcgen05.ld", site);
  load.registers = registers;
  check_fences(block, piece_of(load), TensorMemory::Touch::warp, "tcgen05.ld", site);
  if (block.observer) {
    block.observer->async_access(*thread, loads_of(*thread), thread->tensor_time, registers, static_cast<size_t>(columns) * 4, Access::write, Proxy::generic, site_of(site));
  }
  memset(registers, 0xff, static_cast<size_t>(columns) * 4);
  thread->tensor_loads.push_back(std::move(load));
  if (at_once(*block.team)) {
    // The values are there early; that nobody has waited for them, only the load's absence from the list would hide.
    refuse_in_flight(block, piece_of(thread->tensor_loads.back()), false, "tcgen05.ld", site);
    memcpy(registers, &block.tensor->cell[thread->tensor_loads.back().lane][address & 0xffff], static_cast<size_t>(columns) * 4);
  }
}

void tl_sim_tcgen05_st(uint32_t address, const void* registers, int columns, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  tensor_memory(block);
  meet(step_st, columns, site);
  TensorTransfer store = transfer_of(address, columns, "tcgen05.st", site);
  check_fences(block, piece_of(store), TensorMemory::Touch::warp, "tcgen05.st", site);
  if (block.observer) block.observer->registers(*thread, registers, static_cast<size_t>(columns) * 4, Access::read, site_of(site));
  auto* words = static_cast<const uint32_t*>(registers);
  store.values.assign(words, words + columns);
  thread->tensor_stores.push_back(std::move(store));
  if (at_once(*block.team)) {
    const TensorTransfer& issued = thread->tensor_stores.back();
    memcpy(&block.tensor->cell[issued.lane][issued.column], issued.values.data(), issued.values.size() * 4);
  }
}

void tl_sim_tcgen05_wait(int stores, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  tensor_memory(block);
  for (const TensorTransfer& done : stores ? thread->tensor_stores : thread->tensor_loads) {
    observe_tensor(*thread, block, piece_of(done), stores ? Access::write : Access::read, 0, done.site);
  }
  if (!stores && block.observer) block.observer->async_done(*thread, loads_of(*thread), thread->tensor_time);
  if (stores) finish_stores(*thread);
  else finish_loads(*thread);
  meet(stores ? step_wait_st : step_wait_ld, 0, site);
}

void tl_sim_tcgen05_fence(int after, int) {
  Thread* thread = self();
  if (after) thread->fenced_syncs = thread->syncs;
  else thread->tensor_fenced = thread->tensor_time;
}

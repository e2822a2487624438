// Allocation of tensor memory, loads and stores (PTX ISA 9.7.16.7 "Tensor Memory Allocation and Management Instructions", 9.7.16.8
// "Tensor Memory and Register Load/Store Instructions"), and the fences that order them between threads.
#include "tensor_memory.h"

#include <cstring>

#include "team.h"

namespace tl::sim {

namespace {

enum Step : uint8_t { step_alloc, step_dealloc, step_relinquish, step_ld, step_st, step_wait_ld, step_wait_st };

// These instructions are .sync.aligned: all lanes of the warp come to the same one.
void meet(Step step, int shape, int count, int site) {
  Request request{};
  request.kind = Collective::tensor;
  request.mode = static_cast<uint8_t>(step + shape * 8);
  request.count = static_cast<uint8_t>(count);
  request.site = site;
  rendezvous(request);
}

TensorPiece piece_of(const TensorTransfer& transfer) {
  return {transfer.lane, 1, transfer.column, static_cast<uint32_t>(transfer.columns)};
}

// Registers [first, first + columns) of a thread are in one lane of tensor memory, in neighbouring columns.
struct Run {
  uint32_t lane, column;
  int first, columns;
};

// The runs of a thread, lanes and columns counted from the address (9.7.16.2.3.1 "Memory Layout", figures of the fragments).
std::vector<Run> runs_of(int shape, int count, int offset, uint32_t lane) {
  const uint32_t group = lane / 4, member = lane % 4;
  std::vector<Run> runs;
  auto add = [&](uint32_t row, int column, int first, int columns) { runs.push_back({row, static_cast<uint32_t>(column), first, columns}); };
  switch (shape) {
    case TL_SIM_TCGEN05_32X32B: add(lane, 0, 0, count); break;
    case TL_SIM_TCGEN05_16X32BX2: add(lane % 16, lane < 16 ? 0 : offset, 0, count); break;
    case TL_SIM_TCGEN05_16X64B:
      for (int i = 0; i < count; ++i) add(group + lane / 2 % 2 * 8, i * 2 + static_cast<int>(lane % 2), i, 1);
      break;
    case TL_SIM_TCGEN05_16X128B:
      for (int i = 0; i < count; ++i) add(group + static_cast<uint32_t>(i % 2) * 8, i / 2 * 4 + static_cast<int>(member), i, 1);
      break;
    case TL_SIM_TCGEN05_16X256B:
      for (int i = 0; i < count; i += 2) add(group + static_cast<uint32_t>(i / 2 % 2) * 8, i / 4 * 8 + static_cast<int>(member) * 2, i, 2);
      break;
  }
  return runs;
}

// What a thread moves. "The warp can access only a chunk of the lanes", 32 * (number of the warp in its warpgroup) onwards (9.7.16.8.1);
// shapes of 16 lanes start there or 16 lanes behind it.
std::vector<TensorTransfer> transfers_of(uint32_t address, int count, int shape, int offset, const char* what, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  const uint32_t first = address >> 16, quarter = static_cast<uint32_t>(thread->warp % 4) * 32;
  if (first != quarter && (shape == TL_SIM_TCGEN05_32X32B || first != quarter + 16)) {
    fail(block, "%s of warp %d starts at lane %u: it reaches lanes %u to %u (line %d), %s", what, thread->warp, first, quarter, quarter + 31,
         site, name_thread(*thread).c_str());
  }
  std::vector<TensorTransfer> transfers;
  for (const Run& run : runs_of(shape, count, offset, static_cast<uint32_t>(thread->lane))) {
    transfers.push_back({first + run.lane, (address & 0xffff) + run.column, run.first, run.columns, site, nullptr, {}});
    require_allocated(block, piece_of(transfers.back()), what, site);
  }
  return transfers;
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
  meet(step_alloc, 0, static_cast<int>(columns / 32), site);
}

void tl_sim_tcgen05_dealloc(uint32_t address, uint32_t columns, int group, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  TensorMemory& memory = tensor_memory(block);
  const bool leads = thread->lane == __builtin_ctz(thread->home->live);  // others may have exited after the meeting
  meet(step_dealloc, 0, static_cast<int>(columns / 32), site);
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
  meet(step_relinquish, 0, 0, site);
}

void tl_sim_tcgen05_ld(void* registers, uint32_t address, int count, int shape, int offset, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  tensor_memory(block);
  meet(step_ld, shape, count, site);
  std::vector<TensorTransfer> loads = transfers_of(address, count, shape, offset, "tcgen05.ld", site);
  for (const TensorTransfer& load : loads) check_fences(block, piece_of(load), TensorMemory::Touch::warp, "tcgen05.ld", site);
  if (block.observer) {
    block.observer->async_access(*thread, loads_of(*thread), thread->tensor_time, registers, static_cast<size_t>(count) * 4, Access::write, Proxy::generic, site_of(site));
  }
  memset(registers, 0xff, static_cast<size_t>(count) * 4);
  const bool early = at_once(*block.team);
  for (TensorTransfer& load : loads) {
    load.registers = static_cast<uint32_t*>(registers) + load.first;
    if (early) {
      // The values are there early; that nobody has waited for them, only the load's absence from the list would hide.
      refuse_in_flight(block, piece_of(load), false, "tcgen05.ld", site);
      memcpy(load.registers, &block.tensor->cell[load.lane][load.column], static_cast<size_t>(load.columns) * 4);
    }
    thread->tensor_loads.push_back(std::move(load));
  }
}

void tl_sim_tcgen05_st(uint32_t address, const void* registers, int count, int shape, int offset, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  tensor_memory(block);
  meet(step_st, shape, count, site);
  std::vector<TensorTransfer> stores = transfers_of(address, count, shape, offset, "tcgen05.st", site);
  for (const TensorTransfer& store : stores) check_fences(block, piece_of(store), TensorMemory::Touch::warp, "tcgen05.st", site);
  if (block.observer) block.observer->registers(*thread, registers, static_cast<size_t>(count) * 4, Access::read, site_of(site));
  const bool early = at_once(*block.team);
  for (TensorTransfer& store : stores) {
    auto* words = static_cast<const uint32_t*>(registers) + store.first;
    store.values.assign(words, words + store.columns);
    if (early) memcpy(&block.tensor->cell[store.lane][store.column], words, static_cast<size_t>(store.columns) * 4);
    thread->tensor_stores.push_back(std::move(store));
  }
}

void tl_sim_tcgen05_wait(int stores, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  tensor_memory(block);
  // The warp's lanes do these together, wait included: to the checks they are one thread's, whichever lane has the registers.
  Thread& first = block.threads[static_cast<size_t>(thread->warp * lanes_per_warp + __builtin_ctz(thread->home->live))];
  for (const TensorTransfer& done : stores ? thread->tensor_stores : thread->tensor_loads) {
    observe_tensor(first, block, piece_of(done), stores ? Access::write : Access::read, 0, done.site);
  }
  if (!stores && block.observer) block.observer->async_done(*thread, loads_of(*thread), thread->tensor_time);
  if (stores) finish_stores(*thread);
  else finish_loads(*thread);
  meet(stores ? step_wait_st : step_wait_ld, 0, 0, site);
}

void tl_sim_tcgen05_fence(int after, int) {
  Thread* thread = self();
  if (after) thread->fenced_syncs = thread->syncs;
  else thread->tensor_fenced = thread->tensor_time;
}

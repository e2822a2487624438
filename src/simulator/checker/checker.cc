// Accesses: where they go, and what they meet there.
#include "checker.h"

#include "../tensor_memory.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>

namespace tl::sim {

namespace {

struct ObjectSearch {
  uintptr_t address, base = 0, end = 0;
};

// The mapped extent of the shared object that holds an address.
int find_object(dl_phdr_info* info, size_t, void* data) {
  auto* search = static_cast<ObjectSearch*>(data);
  uintptr_t low = UINTPTR_MAX, high = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    if (start < low) low = start;
    if (start + info->dlpi_phdr[i].p_memsz > high) high = start + info->dlpi_phdr[i].p_memsz;
  }
  if (search->address < low || search->address >= high) return 0;
  search->base = info->dlpi_addr;
  search->end = high;
  return 1;
}

}  // namespace

void Checker::launch_begin(const uint32_t[3], const uint32_t[3], uint32_t, const void* entry) {
  ObjectSearch search{reinterpret_cast<uintptr_t>(entry)};
  dl_iterate_phdr(find_object, &search);
  object_base_ = search.base;
  object_end_ = search.end;
  first_block_ = blocks_begun_ + 1;
  block_index_.clear();
  atomics_.clear();
  objects_.clear();
  memo_.clear();
  alive_.clear();
  current_ = nullptr;
}

void Checker::block_begin(Block& block) {
  std::unique_ptr<BlockState>& state = states_[&block];
  if (!state) state = std::make_unique<BlockState>();
  uint32_t number = ++blocks_begun_;
  block_index_.push_back(block.index);
  state->begin(block, number, alive_.empty() ? number : alive_.front()->birth);
  alive_.push_back(state.get());
  current_ = state.get();
  if (checks_ & (check_init | check_misuse)) {
    for (Thread& thread : block.threads) {
      thread.observed[0] = {nullptr, reinterpret_cast<const char*>(UINTPTR_MAX)};
      thread.observed_count = 1;
    }
  }
}

void Checker::block_end(Block& block) {
  BlockState& state = state_of(block);
  for (size_t i = 0; i < alive_.size(); ++i) {
    if (alive_[i] == &state) alive_.erase(alive_.begin() + static_cast<long>(i--));
  }
  if (alive_.empty()) objects_.clear();  // addresses in shared memory: the next block has others there
}

BlockState& Checker::state_of(const Block& block) {
  if (!suspects_.empty() || carried_.thread) settle();
  if (current_ && current_->block == &block) return *current_;
  current_ = states_[&block].get();
  return *current_;
}

void Checker::settle() {
  std::vector<Suspect> suspects;
  suspects.swap(suspects_);
  for (const Suspect& suspect : suspects) {
    const bool same = std::equal(suspect.before.begin(), suspect.before.end(), suspect.written.address);
    if (!same) report_race(suspect.actor, suspect.target, suspect.record, suspect.offset, false);
  }
  if (!carried_.thread) return;
  const Carried carried = carried_;
  carried_ = {};
  report_unwritten_registers(*carried.thread, carried.site);
}

// The undefined bytes of what a thread stores, if it is what it has just read.
uint64_t Checker::carried_by(const Thread& thread, size_t bytes) {
  if (carried_.thread != &thread || carried_.bytes != bytes) return 0;
  const uint64_t undefined = carried_.undefined;
  carried_ = {};
  return undefined;
}

uint32_t Checker::compact_site(Site site) const {
  if (site < (1u << 24)) return static_cast<uint32_t>(site);
  return static_cast<uint32_t>(site - object_base_) | site_is_offset;
}

Checker::Target Checker::locate(Thread& thread, const void* address, size_t bytes) {
  Block& block = *thread.block;
  BlockState& state = state_of(block);
  if (in_shared_memory(block, address, bytes)) {
    return {Place::shared, nullptr, &state, &state.shared, static_cast<size_t>(static_cast<const char*>(address) - block.shared)};
  }
  if (block.tensor) {
    const auto at = static_cast<size_t>(static_cast<const char*>(address) - reinterpret_cast<const char*>(block.tensor->cell));
    if (at < sizeof block.tensor->cell) return {Place::tensor, nullptr, &state, &state.tensor_shadow(), at};
  }
  if (state.registers.holds(address)) return {Place::local, nullptr, nullptr, nullptr, 0};
  if (Region* region = regions_.find(address, bytes)) {
    return {Place::global, region, nullptr, &region->shadow, region->offset_of(address)};
  }
  for (BlockState* other : alive_) {
    if (other != &state && in_shared_memory(*other->block, address, bytes)) {
      return {Place::shared, nullptr, other, &other->shared, static_cast<size_t>(static_cast<const char*>(address) - other->block->shared)};
    }
    if (other != &state && other->block->tensor) {
      const auto at = static_cast<size_t>(static_cast<const char*>(address) - reinterpret_cast<const char*>(other->block->tensor->cell));
      if (at < sizeof other->block->tensor->cell) return {Place::tensor, nullptr, other, &other->tensor_shadow(), at};
    }
  }
  auto at = reinterpret_cast<uintptr_t>(address);
  bool constant = at >= object_base_ && at < object_end_;
  auto threads = reinterpret_cast<uintptr_t>(block.threads.data());
  bool of_runtime = at >= threads && at < threads + block.threads.size() * sizeof(Thread);
  if (constant || of_runtime || address == static_cast<const void*>(&tl_sim_self)) return {Place::runtime, nullptr, nullptr, nullptr, 0};
  // Tables of inline functions: those of the first object that came with them serve all.
  if (at < constants_base_ || at >= constants_end_) {
    ObjectSearch search{at};
    dl_iterate_phdr(find_object, &search);
    if (!search.end) return {Place::outside, nullptr, nullptr, nullptr, 0};
    constants_base_ = search.base;
    constants_end_ = search.end;
  }
  return {Place::runtime, nullptr, nullptr, nullptr, 0};
}

inline bool Checker::present(const Target& target, const Record& record) const {
  return record.block >= (target.home ? target.home->birth : first_block_);
}

inline bool Checker::ordered(const Actor& actor, const Record& record) const {
  const ThreadClock& clock = actor.state.clocks[static_cast<size_t>(actor.thread.index)];
  if (record.block != actor.state.number) {
    if (!clock.view || !clock.view->foreign) return false;
    auto found = clock.view->foreign->find(record.block);
    uint32_t column = column_of(record);
    return found != clock.view->foreign->end() && column < found->second.size() && clock_of(record) <= found->second[column];
  }
  uint32_t column = column_of(record);
  if (column == actor.column && column >= actor.state.columns.first_shared()) {
    const Agent& agent = actor.state.agents[column - actor.state.columns.first_shared()];
    // The operations of a warpgroup run in order; so do products of one shape and the copies before them (9.7.16.6.2).
    if (agent.kind == AgentKind::wgmma || agent.kind == AgentKind::tensor) return true;
  }
  return knows(actor.state.columns, static_cast<uint32_t>(actor.thread.index), clock.view, clock.own, column, clock_of(record));
}

// Called for the records that could conflict with the access.
inline void Checker::conflict(const Actor& actor, const Target& target, const Record& record, size_t offset) {
  if (record.block == 0 || actor.knows(record) || !present(target, record) || (actor.flags & record.flags & record_atomic)) return;
  if (!ordered(actor, record)) {
    const bool alike = record.flags == record_write && record.block == actor.state.number && record.site == actor.site &&
                       column_of(record) < actor.state.columns.threads;
    if (alike && written_.bytes) {
      const char* before = written_.address;
      suspects_.push_back({actor, target, record, offset, written_, {before, before + written_.bytes}});
    } else {
      report_race(actor, target, record, offset, false);
    }
    return;
  }
  // Ordered, but in another proxy: the async proxy sees generic writes only behind a fence.proxy.async (PTX ISA 8, "Proxies").
  if ((actor.flags & record_async_proxy) && !(record.flags & record_async_proxy) && (record.flags & record_write) &&
      record.block == actor.state.number) {
    const auto thread = static_cast<uint32_t>(actor.thread.index);
    const ThreadClock::ProxyClock& proxy = actor.state.clocks[thread].proxy[target.place == Place::global];
    if (!knows(actor.state.columns, thread, proxy.view, proxy.own, column_of(record), clock_of(record))) {
      report_race(actor, target, record, offset, true);
      return;
    }
  }
  actor.known[actor.next_known++ & 1] = record;
}

void Checker::read_cell(const Actor& actor, const Target& target, Cell& cell, size_t offset) {
  if (checks_ & check_init) {
    bool unwritten = target.home ? cell.write.block < target.home->birth : target.region->fresh && cell.write.block == 0;
    if (unwritten || cell.write.flags & record_undefined) report_unwritten(actor, target, offset);
  }
  if (!(checks_ & check_race)) return;
  conflict(actor, target, cell.write, offset);
  for (const Record& read : cell.read) {
    if (read.block && (read.flags & record_write)) conflict(actor, target, read, offset);  // an atomic update that another one displaced
  }
  note_read(actor, target, cell);
}

void Checker::note_read(const Actor& actor, const Target& target, Cell& cell) {
  const uint32_t epoch = epoch_of(actor.column, actor.clock);
  Record* slot = nullptr;
  for (Record& read : cell.read) {
    if (read.epoch == epoch && read.block == actor.owner.number && read.flags == actor.flags) return;  // known already
    if (present(target, read) && (read.flags & record_write)) continue;
    if (!slot && (!present(target, read) || actor.knows(read) || ordered(actor, read))) slot = &read;
  }
  if (!slot) {
    random_ = random_ * 1664525u + 1013904223u;
    slot = &cell.read[(random_ >> 16) % 3];
    if (slot->flags & record_write) return;
  }
  *slot = {actor.owner.number, epoch, actor.site, actor.flags};
}

void Checker::write_cell(const Actor& actor, const Target& target, Cell& cell, size_t offset) {
  if (checks_ & check_race) {
    conflict(actor, target, cell.write, offset);
    for (Record& read : cell.read) {
      conflict(actor, target, read, offset);
      bool displaced_update = (actor.flags & record_atomic) && (read.flags & record_write) && present(target, read) && !ordered(actor, read);
      if (!displaced_update) read.block = 0;
    }
    if ((actor.flags & cell.write.flags & record_atomic) && present(target, cell.write) && !ordered(actor, cell.write)) {
      for (Record& read : cell.read) {
        if (read.block) continue;
        read = cell.write;
        break;
      }
    }
  }
  cell.write = {actor.owner.number, epoch_of(actor.column, actor.clock), actor.site, actor.flags | record_write};
}

void Checker::perform(const Actor& actor, const void* address, size_t bytes) {
  Target target = locate(actor.thread, address, bytes);
  if (target.place == Place::runtime) return;
  if (target.place == Place::local) {
    touch_registers(actor, address, bytes);
    return;
  }
  if (target.place == Place::outside) {
    if ((checks_ & check_bounds) && !regions_.empty() && !follows_pointers_) report_outside(actor, address, bytes);
    return;
  }
  if ((checks_ & check_bounds) && target.place != Place::tensor) {
    static const std::string no_name;
    extents_.add(actor.site, actor.writes, target.region, target.region ? target.region->name : no_name, target.offset, bytes, actor.thread);
  }
  if (!(checks_ & (check_race | check_init))) return;
  if (actor.writes) {
    target.shadow->visit(target.offset, bytes, true, [&](Cell& cell, size_t offset) { write_cell(actor, target, cell, offset); });
  } else {
    target.shadow->visit(target.offset, bytes, false, [&](Cell& cell, size_t offset) { read_cell(actor, target, cell, offset); });
  }
}

void Checker::access(Thread& thread, const void* address, size_t bytes, Access access, Site site) {
  const bool writes = access == Access::write;
  const uint64_t undefined = writes && in_shared_memory(*thread.block, address, bytes) ? carried_by(thread, bytes) : 0;
  const auto low = static_cast<const char*>(address);
  if (undefined) {
    for (size_t first = 0, end; first < bytes; first = end) {
      const bool lacking = undefined >> first & 1;
      for (end = first + 1; end < bytes && (undefined >> end & 1) == lacking; ++end) {}
      perform(actor_of(thread, site, access, lacking ? record_undefined : 0), low + first, end - first);
    }
    return;
  }
  const Actor actor = actor_of(thread, site, access);
  if (writes) written_ = {low, bytes};
  perform(actor, address, bytes);
  written_ = {};
}

Checker::Actor Checker::actor_of(Thread& thread, Site site, Access access, uint32_t flags) {
  BlockState& state = state_of(*thread.block);
  return {thread, state, state, static_cast<uint32_t>(thread.index), state.clock_of(thread).own.thread, flags, compact_site(site), access != Access::read};
}

void Checker::async_access(Thread& issuer, Agent agent, uint32_t ticket, const void* address, size_t bytes, Access access, Proxy proxy, Site site) {
  BlockState& owner = state_of(agent.block ? *agent.block : *issuer.block);
  BlockState& state = state_of(*issuer.block);
  uint32_t flags = (proxy == Proxy::async ? uint32_t{record_async_proxy} : 0) | (access == Access::update ? uint32_t{record_atomic} : 0);
  const uint32_t column = owner.column_of(agent), at = compact_site(site);
  const bool stores = agent.kind == AgentKind::bulk_read || agent.kind == AgentKind::bulk_write;
  if (agent.kind != AgentKind::tensor_load) {
    roles_[issuer.warp] |= agent.kind == AgentKind::tensor ? role_multiplies : stores ? role_stores : role_loads;
  }
  if (agent.kind != AgentKind::cp_async) state.iterations.issue(static_cast<size_t>(issuer.index), column, ticket, at);
  perform({issuer, state, owner, column, ticket, flags, at, access != Access::read}, address, bytes);
}

void Checker::iteration(Thread& thread, int depth, int line, int64_t value) {
  BlockState& state = state_of(*thread.block);
  state.iterations.enter(static_cast<size_t>(thread.index), state.clock_of(thread).own.thread, depth, {line, value});
}

void Checker::work(Thread& thread, Work work, uint64_t, Site) {
  if (work == Work::gemm) roles_[thread.warp] |= role_multiplies;
}

// Operations on an mbarrier are in order with each other; what they need is its initialisation.
void Checker::mbarrier(Thread& thread, const void* address, Site site) {
  if (!(checks_ & check_race)) return;
  Actor actor = actor_of(thread, site, Access::write, record_atomic);
  Target target = locate(thread, address, 8);
  if (target.place != Place::shared) return;
  target.shadow->visit(target.offset, 8, false, [&](Cell& cell, size_t offset) { conflict(actor, target, cell.write, offset); });
}

// B is read by four warps, each of which must itself be in order with what it reads; they are one reader to later accesses.
void Checker::wgmma(Block& block, const WgmmaAccess& what, Site site) {
  BlockState& state = state_of(block);
  const uint32_t column = state.column_of({AgentKind::wgmma, static_cast<uint32_t>(what.group)}), at = compact_site(site);
  const int first = what.group * warpgroup_threads;
  for (int warp = 0; warp < 4; ++warp) roles_[first / lanes_per_warp + warp] |= role_multiplies;
  state.iterations.issue(static_cast<size_t>(self()->index), column, what.ticket, at);
  const Target target{Place::shared, nullptr, &state, &state.shared, 0};
  auto actor_of_warp = [&](int warp) {
    return Actor{block.threads[static_cast<size_t>(first + warp * lanes_per_warp)], state, state, column, what.ticket, record_async_proxy, at, false};
  };
  if (checks_ & (check_race | check_init)) {
    Actor warps[4] = {actor_of_warp(0), actor_of_warp(1), actor_of_warp(2), actor_of_warp(3)};
    Actor all = actor_of_warp(0);
    for (int warp = 0; warp < 4 && !what.a_in_registers; ++warp) {
      for (uint32_t chunk : what.a[warp]) {
        state.shared.visit(chunk, 16, false, [&](Cell& cell, size_t offset) { read_cell(warps[warp], target, cell, offset); });
      }
    }
    for (int i = 0; i < what.b_chunks; ++i) {
      state.shared.visit(what.b[i], 16, false, [&](Cell& cell, size_t offset) {
        if (!all.knows(cell.write)) {
          for (int warp = 1; warp < 4; ++warp) conflict(warps[warp], target, cell.write, offset);
        }
        read_cell(all, target, cell, offset);
      });
    }
  }
  for (int i = 0; i < warpgroup_threads; ++i) {
    Thread& thread = block.threads[static_cast<size_t>(first + i)];
    Actor actor{thread, state, state, column, what.ticket, 0, at, false};
    if (what.a_in_registers) {
      check_fenced(actor, what.a_registers[i], 16);
      touch_registers(actor, what.a_registers[i], 16);
    }
    actor.writes = true;
    check_fenced(actor, what.c[i], what.c_bytes);
    touch_registers(actor, what.c[i], what.c_bytes);
  }
}

void Checker::renew(Block& block, const TensorPiece& piece) {
  for (uint32_t lane = piece.lane; lane < piece.lane + piece.lanes; ++lane) {
    state_of(block).tensor_shadow().visit((lane * tensor_columns + piece.first) * 4, piece.count * 4, true, [](Cell& cell, size_t) { cell = {}; });
  }
}

void Checker::atomic(Thread& thread, const void* address, size_t bytes, AtomicKind kind, Order order, Site site) {
  BlockState& state = state_of(*thread.block);
  ThreadClock& clock = state.clock_of(thread);
  perform(actor_of(thread, site, kind == AtomicKind::load ? Access::read : Access::write, record_atomic), address, bytes);
  if (!(checks_ & check_race)) return;
  std::shared_ptr<const Foreign>& known = atomics_[address];
  bool acquires = order == Order::acquire || order == Order::acquire_release;
  bool releases = order == Order::release || order == Order::acquire_release;
  if (kind != AtomicKind::store && known) {
    if (acquires) {
      acquire_foreign(state, clock, known);
    } else if (!clock.to_acquire) {
      clock.to_acquire = known;
    } else if (clock.to_acquire != known) {
      auto merged = std::make_shared<Foreign>(*clock.to_acquire);
      raise(*merged, *known);
      clock.to_acquire = std::move(merged);
    }
  }
  if (kind == AtomicKind::load) return;
  std::shared_ptr<const Foreign> released = releases ? as_foreign(state, thread, clock) : clock.released;
  if (kind == AtomicKind::store || !known) {
    known = released;  // a plain store ends the release sequences before it
  } else if (released && released != known) {
    auto merged = std::make_shared<Foreign>(*known);
    raise(*merged, *released);
    known = std::move(merged);
  }
  if (releases) ++clock.own.thread;
}

}  // namespace tl::sim

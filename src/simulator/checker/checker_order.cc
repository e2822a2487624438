// Synchronisation: how threads come to know of each other's accesses.
#include "checker.h"

#include <algorithm>

namespace tl::sim {

namespace {

// What a thread knows behind a barrier that it took part in.
void take(ThreadClock& clock, const Gathering& gathering) {
  clock.view = gathering.view();
  for (int space = 0; space < 2; ++space) {
    if (gathering.proxy_view(space)) clock.proxy[space].view = gathering.proxy_view(space);
  }
}

}  // namespace

void Checker::barrier_arrive(Thread& thread, int id, bool waits, Site) {
  BlockState& state = state_of(*thread.block);
  BlockState::Arrivals& arrivals = state.barriers[id];
  ThreadClock& clock = state.clock_of(thread);
  arrivals.gathering.add(state.columns, static_cast<uint32_t>(thread.index), clock);
  if (waits) arrivals.waiting.push_back(thread.index);
  ++clock.own.thread;
}

void Checker::barrier_complete(Block& block, int id) {
  BlockState& state = state_of(block);
  BlockState::Arrivals& arrivals = state.barriers[id];
  for (int index : arrivals.waiting) {
    ThreadClock& clock = state.clocks[static_cast<size_t>(index)];
    take(clock, arrivals.gathering);
  }
  arrivals.gathering.clear();
  arrivals.waiting.clear();
}

void Checker::warp_sync(Block& block, int warp, uint32_t lanes) {
  BlockState& state = state_of(block);
  Gathering gathering;
  for (uint32_t left = lanes; left; left &= left - 1) {
    auto index = static_cast<uint32_t>(warp * lanes_per_warp + __builtin_ctz(left));
    gathering.add(state.columns, index, state.clocks[index]);
  }
  for (uint32_t left = lanes; left; left &= left - 1) {
    ThreadClock& clock = state.clocks[static_cast<size_t>(warp * lanes_per_warp + __builtin_ctz(left))];
    take(clock, gathering);
    ++clock.own.thread;
  }
}

void Checker::async_done(Thread& waiter, Agent agent, uint32_t ticket) {
  BlockState& state = state_of(*waiter.block);
  ThreadClock& clock = state.clock_of(waiter);
  const auto kind = static_cast<size_t>(agent.kind);
  if (kind <= static_cast<size_t>(AgentKind::bulk_write) && agent.index == static_cast<uint32_t>(waiter.index)) {
    uint32_t& done = clock.own.private_agents[kind];
    if (done < ticket) done = ticket;
  } else {
    clock.view = memo_.raised(clock.view, state.column_of(agent), ticket);
  }
}

void Checker::proxy_fence(Thread& thread, bool global) {
  ThreadClock& clock = state_of(*thread.block).clock_of(thread);
  clock.proxy[global] = {clock.view, clock.own};
  ++clock.own.thread;  // what the thread does from now on is not covered
}

// ---- objects ----

Checker::Object::Part& Checker::Object::of(BlockState& state) {
  for (Part& part : parts) {
    if (part.state == &state) return part;
  }
  parts.push_back({&state, {}, {}, {{}, {}}, {}, {}});
  return parts.back();
}

void Checker::release(Thread& thread, const void* object) {
  BlockState& state = state_of(*thread.block);
  ThreadClock& clock = state.clock_of(thread);
  objects_[object].of(state).gathering.add(state.columns, static_cast<uint32_t>(thread.index), clock);
  ++clock.own.thread;
}

// cp.async.mbarrier.arrive: the copies are done when the phase completes, though the thread itself does not know it yet.
void Checker::release_copies(Thread& thread, const void* object, uint32_t ticket) {
  uint32_t& done = state_of(*thread.block).clock_of(thread).own.private_agents[0];
  const uint32_t before = done;
  done = ticket;
  release(thread, object);
  state_of(*thread.block).clock_of(thread).own.private_agents[0] = before;
}

// tcgen05.commit: its arrival comes when the operations are over. What the thread itself did before is not released by it.
void Checker::commit_products(Thread& thread, uint32_t ticket) {
  BlockState& state = state_of(*thread.block);
  state.committed[{thread.index, ticket}] = state.clock_of(thread).view;
}

void Checker::release_products(Thread& thread, const void* object, uint32_t ticket) {
  BlockState& state = state_of(*thread.block);
  const uint32_t column = state.column_of({AgentKind::tensor, static_cast<uint32_t>(thread.index)});
  Object::Part& part = objects_[object].of(state);
  if (part.products.size() <= column) part.products.resize(column + 1, 0);
  part.products[column] = std::max(part.products[column], ticket);
  if (const ViewPointer& view = state.committed[{thread.index, ticket}]) part.behind = part.behind ? join(part.behind, view) : view;
}

void Checker::publish(Block& block, const void* object, const Agent* agent, uint32_t ticket) {
  BlockState& home = state_of(block);
  Object& what = objects_[object];
  if (agent) what.of(home);
  auto foreign = what.parts.size() > 1 || (what.parts.size() == 1 && what.parts[0].state != &home) ? std::make_shared<Foreign>() : nullptr;
  for (Object::Part& part : what.parts) {
    part.view = part.gathering.view();
    for (int space = 0; space < 2; ++space) part.proxy_view[space] = part.gathering.proxy_view(space);
    part.gathering.clear();
    if (part.behind) part.view = part.view ? join(part.view, part.behind) : part.behind;
    part.behind = ViewPointer();
    for (uint32_t column = 0; column < part.products.size(); ++column) {
      if (part.products[column]) part.view.own().raise_to(column, part.products[column]);
    }
    part.products.clear();
    if (agent && part.state == &home) part.view.own().raise_to(home.column_of(*agent), ticket);
    if (foreign && part.view) {
      if (part.view->foreign) raise(*foreign, *part.view->foreign);
      raise((*foreign)[part.state->number], part.view->clocks);
    }
  }
  what.foreign = std::move(foreign);
}

void Checker::acquire(Thread& thread, const void* object) {
  auto found = objects_.find(object);
  if (found == objects_.end()) return;
  BlockState& state = state_of(*thread.block);
  ThreadClock& clock = state.clock_of(thread);
  for (Object::Part& part : found->second.parts) {
    if (!part.view || part.state != &state) continue;
    clock.view = memo_.joined(clock.view, part.view);
    for (int space = 0; space < 2; ++space) clock.proxy[space].view = memo_.joined(clock.proxy[space].view, part.proxy_view[space]);
  }
  if (found->second.foreign) acquire_foreign(state, clock, found->second.foreign);
}

void Checker::forget(Block&, const void* object) { objects_.erase(object); }

// ---- fences and atomics: knowledge between blocks ----

std::shared_ptr<const Foreign> Checker::as_foreign(const BlockState& state, const Thread& thread, const ThreadClock& clock) const {
  ViewPointer all = snapshot(state.columns, static_cast<uint32_t>(thread.index), clock.view, clock.own);
  auto foreign = all->foreign ? std::make_shared<Foreign>(*all->foreign) : std::make_shared<Foreign>();
  raise((*foreign)[state.number], all->clocks);
  return foreign;
}

void Checker::acquire_foreign(const BlockState& state, ThreadClock& clock, const std::shared_ptr<const Foreign>& known) {
  clock.view = memo_.with_foreign(clock.view, known, state.number);
}

void Checker::fence(Thread& thread, Scope, Order order) {
  if (!(checks_ & check_race)) return;
  BlockState& state = state_of(*thread.block);
  ThreadClock& clock = state.clock_of(thread);
  if (order != Order::release && order != Order::relaxed && clock.to_acquire) {
    acquire_foreign(state, clock, clock.to_acquire);
    clock.to_acquire = nullptr;
  }
  if (order != Order::acquire && order != Order::relaxed) {
    clock.released = as_foreign(state, thread, clock);
    ++clock.own.thread;
  }
}

}  // namespace tl::sim

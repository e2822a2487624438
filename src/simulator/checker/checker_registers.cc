// A thread's own local arrays: nobody else touches them, but an asynchronous operation may own them for a while.
#include <algorithm>

#include "checker.h"

namespace tl::sim {

void Checker::touch_registers(const Actor& actor, const void* address, size_t bytes) {
  auto base = static_cast<const char*>(address);
  auto& in_flight = actor.state.in_flight[static_cast<size_t>(actor.thread.index)];
  const bool of_agent = actor.column >= actor.state.columns.threads;
  const bool tracked = of_agent || !in_flight.empty();
  if (checks_ & check_race) {
    // Operations of one agent end in order: the latest stands for those before it.
    auto same = [&](const BlockState::InFlight& o) { return o.base == base && o.bytes == bytes && o.column == actor.column && o.writes == actor.writes; };
    if (of_agent && !in_flight.empty() && same(in_flight.back())) {
      in_flight.back().clock = actor.clock, in_flight.back().site = actor.site;
    } else {
      const ThreadClock& clock = actor.state.clock_of(actor.thread);
      for (size_t i = 0; i < in_flight.size(); ++i) {
        const BlockState::InFlight& owner = in_flight[i];
        if (knows(actor.state.columns, static_cast<uint32_t>(actor.thread.index), clock.view, clock.own, owner.column, owner.clock)) {
          in_flight.erase(in_flight.begin() + static_cast<long>(i--));
        } else if (!of_agent && base < owner.base + owner.bytes && owner.base < base + bytes && (actor.writes || owner.writes)) {
          report_in_flight(actor, owner);
        }
      }
      if (of_agent) {
        auto known = std::find_if(in_flight.begin(), in_flight.end(), same);
        if (known == in_flight.end()) in_flight.push_back({base, bytes, actor.column, actor.clock, actor.site, actor.writes});
        else known->clock = actor.clock, known->site = actor.site;
      }
    }
  }
  if (tracked) observe_in_flight(actor.state, actor.thread);
  if (!actor.state.registers.holds(address)) return;
  if (actor.writes && !of_agent && (checks_ & check_misuse) && actor.thread.wgmma_fenced) {
    actor.state.registers.changed(address, bytes, static_cast<size_t>(actor.thread.index));
  }
  if (!(checks_ & check_init)) return;
  if (actor.writes) actor.state.registers.written(address, bytes);
  else if (actor.state.registers.unwritten(address, bytes)) report_unwritten_registers(actor.thread, actor.site);
}

// What a thread's own accesses can meet are registers in flight; only a log of all writes has to hear of others.
void Checker::observe_in_flight(const BlockState& state, Thread& thread) const {
  if (checks_ & (check_init | check_misuse)) return;
  thread.observed_count = 0;
  for (const BlockState::InFlight& owner : state.in_flight[static_cast<size_t>(thread.index)]) {
    const char *low = owner.base, *high = owner.base + owner.bytes;
    int i = 0;
    while (i < thread.observed_count && (low > thread.observed[i].high || high < thread.observed[i].low)) ++i;
    if (i == Thread::most_observed) --i;  // too many: one grows over what lies between
    Thread::Extent& extent = thread.observed[i];
    if (i == thread.observed_count) {
      extent = {low, high};
      ++thread.observed_count;
    } else {
      extent = {std::min(extent.low, low), std::max(extent.high, high)};
    }
  }
}

void Checker::registers(Thread& thread, const void* address, size_t bytes, Access access, Site site) {
  BlockState& state = state_of(*thread.block);
  const auto index = static_cast<size_t>(thread.index);
  const auto low = static_cast<const char*>(address);
  for (const BlockState::InFlight& owner : state.in_flight[index]) {
    if (low >= owner.base + owner.bytes || low + bytes <= owner.base) continue;
    touch_registers({thread, state, state, static_cast<uint32_t>(index), 0, 0, compact_site(site), access == Access::write}, address, bytes);
    return;
  }
  if (!(checks_ & (check_init | check_misuse)) || !state.registers.holds(address)) return;
  if (access == Access::write) {
    if ((checks_ & check_misuse) && thread.wgmma_fenced) state.registers.changed(address, bytes, index);
    if (checks_ & check_init) state.registers.written(address, bytes);
  } else if ((checks_ & check_init) && state.registers.unwritten(address, bytes)) {
    if (bytes > 64) report_unwritten_registers(thread, compact_site(site));
    else carried_ = {&thread, compact_site(site), bytes, state.registers.unwritten_bytes(address, bytes)};
  }
}

void Checker::wgmma_fence(Thread& thread) { state_of(*thread.block).registers.fence(static_cast<size_t>(thread.index)); }

// PTX ISA 9.7.15.7.1 "wgmma.fence": "must be used to fence register accesses of wgmma.mma_async": before the first one, and
// whenever registers that one reads or accumulates in were accessed by other instructions.
void Checker::check_fenced(const Actor& actor, const void* address, size_t bytes) {
  if (!(checks_ & check_misuse) || !actor.state.registers.holds(address)) return;
  if (!actor.state.registers.is_changed(address, bytes, static_cast<size_t>(actor.thread.index))) return;
  misuse(actor.thread, "wgmma on registers changed since the last wgmma_fence",
         "wgmma_fence between ordinary writes to an accumulator or an A fragment and the wgmma that uses it", actor.site);
}

}  // namespace tl::sim

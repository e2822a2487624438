#include "trace.h"

#include <algorithm>

namespace tl::sim {

namespace {

uint64_t key_of(Agent agent, uint32_t ticket) {
  return (uint64_t{static_cast<uint8_t>(agent.kind)} << 56) ^ (uint64_t{agent.index} << 32) ^ ticket;
}

}  // namespace

void Trace::launch_begin(const uint32_t[3], const uint32_t[3], uint32_t, const void*) {
  ++launch_;
  states_.clear();
}

void Trace::block_begin(Block& block) {
  State& state = states_[&block];
  state = State();
  state.number = static_cast<uint32_t>(block_index_.size());
  state.lanes.resize(static_cast<size_t>(block.thread_count));
  block_index_.push_back(block.index);
}

void Trace::block_end(Block& block) {
  State& state = state_of(block);
  for (int i = 0; i < block.thread_count; ++i) close(state, i);
  states_.erase(&block);
}

// What lanes of a warp do at one line from one moment is one event.
void Trace::add(State& state, int thread, Kind kind, uint32_t line, uint64_t start, uint64_t duration, uint64_t amount) {
  int warp = thread / lanes_per_warp;
  uint64_t key = (static_cast<uint64_t>(warp) << 56) ^ (start << 20) ^ (uint64_t{line} << 3) ^ static_cast<uint64_t>(kind);
  auto found = state.events.find(key);
  if (found != state.events.end()) {
    Event& event = events_[found->second];
    event.duration = std::max(event.duration, duration);
    event.amount += amount;
    return;
  }
  if (append({kind, launch_, line, state.number, warp, start, duration, amount})) state.events[key] = events_.size() - 1;
}

bool Trace::append(const Event& event) {
  truncated_ = truncated_ || events_.size() >= event_limit;
  if (!truncated_) events_.push_back(event);
  return !truncated_;
}

void Trace::close(State& state, int thread) {
  LaneClock& lane = state.lanes[static_cast<size_t>(thread)];
  if (!lane.open) return;
  lane.open = false;
  add(state, thread, lane.kind, lane.line, lane.start, lane.now - lane.start, lane.amount);
}

void Trace::work(Thread& thread, Work work, uint64_t amount, Site site) {
  State& state = state_of(*thread.block);
  LaneClock& lane = state.lanes[static_cast<size_t>(thread.index)];
  Kind kind = work == Work::copy ? Kind::copy : work == Work::gemm ? Kind::gemm : Kind::store;
  auto line = static_cast<uint32_t>(site);
  if (!lane.open || lane.line != line || lane.kind != kind) {
    close(state, thread.index);
    lane.open = true;
    lane.kind = kind;
    lane.line = line;
    lane.start = lane.now;
    lane.amount = 0;
  }
  uint64_t rate = work == Work::gemm ? multiply_adds_per_cycle : bytes_per_cycle;
  lane.amount += amount;
  lane.now += std::max<uint64_t>(1, amount * lanes_per_warp / rate);
}

void Trace::async_access(Thread& issuer, Agent agent, uint32_t ticket, const void*, size_t, Access, Proxy, Site) {
  State& state = state_of(*issuer.block);
  uint64_t& landed = state.landed[key_of(agent, ticket)];
  landed = std::max(landed, state.lanes[static_cast<size_t>(issuer.index)].now + copy_latency);
}

// The tensor cores of a warpgroup take its operations one after the other.
void Trace::wgmma(Block& block, const WgmmaAccess& what, Site site) {
  State& state = state_of(block);
  const Agent agent{AgentKind::wgmma, static_cast<uint32_t>(what.group)};
  const LaneClock& lane = state.lanes[static_cast<size_t>(what.group * warpgroup_threads)];
  uint64_t& busy = state.tensor_cores[what.group];
  uint64_t start = std::max(busy, lane.now), duration = std::max<uint64_t>(1, what.multiply_adds / (4 * multiply_adds_per_cycle));
  busy = start + duration;
  state.landed[key_of(agent, what.ticket)] = busy;
  append({Kind::gemm, launch_, static_cast<uint32_t>(site), state.number, -1 - what.group, start, duration, what.multiply_adds});
}

void Trace::wait_until(State& state, int thread, Kind kind, uint64_t time, uint32_t line) {
  close(state, thread);
  LaneClock& lane = state.lanes[static_cast<size_t>(thread)];
  if (time < lane.now) return;
  add(state, thread, kind, line, lane.now, time - lane.now, 0);
  lane.now = time;
}

void Trace::async_done(Thread& waiter, Agent agent, uint32_t ticket) {
  State& state = state_of(*waiter.block);
  auto landed = state.landed.find(key_of(agent, ticket));
  if (landed == state.landed.end()) return;
  wait_until(state, waiter.index, Kind::wait, landed->second, state.lanes[static_cast<size_t>(waiter.index)].line);
}

void Trace::barrier_arrive(Thread& thread, int id, bool waits, Site site) {
  State& state = state_of(*thread.block);
  close(state, thread.index);
  LaneClock& lane = state.lanes[static_cast<size_t>(thread.index)];
  state.arrivals[id].push_back({thread.index, ++lane.now, static_cast<uint32_t>(site), waits});
}

void Trace::barrier_complete(Block& block, int id) {
  State& state = state_of(block);
  uint64_t last = 0;
  for (const Arrival& arrival : state.arrivals[id]) last = std::max(last, arrival.time);
  for (const Arrival& arrival : state.arrivals[id]) {
    if (arrival.waits) wait_until(state, arrival.thread, Kind::barrier, last, arrival.line);
  }
  state.arrivals[id].clear();
}

void Trace::publish(Block& block, const void* object, const Agent* agent, uint32_t ticket) {
  State& state = state_of(block);
  uint64_t time = 0;
  if (Thread* thread = self()) time = lane_of(*thread).now;
  if (agent) {
    auto landed = state.landed.find(key_of(*agent, ticket));
    if (landed != state.landed.end()) time = std::max(time, landed->second);
  }
  state.published[object] = time;
}

void Trace::acquire(Thread& thread, const void* object) {
  State& state = state_of(*thread.block);
  auto time = state.published.find(object);
  if (time == state.published.end()) return;
  wait_until(state, thread.index, Kind::wait, time->second, state.lanes[static_cast<size_t>(thread.index)].line);
}

std::string Trace::report() const {
  static const char* const names[] = {"copy", "gemm", "store", "wait", "barrier"};
  std::string text = "{\"truncated\":";
  text += truncated_ ? "true" : "false";
  text += ",\"model\":{\"bytes_per_cycle\":" + std::to_string(bytes_per_cycle) + ",\"multiply_adds_per_cycle\":" +
          std::to_string(multiply_adds_per_cycle) + ",\"copy_latency\":" + std::to_string(copy_latency) + "},\"events\":[";
  bool first = true;
  for (const Event& event : events_) {
    const tl_sim_dim3& block = block_index_[event.block];
    text += first ? "" : ",";
    first = false;
    text += "[\"" + std::string(names[static_cast<int>(event.kind)]) + "\"," + std::to_string(event.launch) + "," + std::to_string(event.line) +
            ",[" + std::to_string(block.x) + "," + std::to_string(block.y) + "," + std::to_string(block.z) + "]," +
            std::to_string(event.warp) + "," + std::to_string(event.start) + "," + std::to_string(event.duration) + "," +
            std::to_string(event.amount) + "]";
  }
  return text + "]}";
}

}  // namespace tl::sim

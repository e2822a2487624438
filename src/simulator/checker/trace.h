// A trace of what warps do: copies, waits, matrix multiplications, barriers, on a clock of stated costs.
//
// The clock is a model, not a measurement. Lanes of a warp move in step; what they do at one line is one event. In cycles:
// an instruction takes 1 to issue; a copy takes its bytes / 64 (what an SM gets from L2), a matrix multiplication its
// multiply-adds / 1024 (a tensor core, one for each of four warps), both counted for the whole warp; plain loads and stores
// are not events and take no time. wgmma runs on a track of its own (the four tensor cores of its warpgroup), one operation
// after the other. An asynchronous copy has landed 600 cycles after its issue, and a wait for it lasts until
// then. Who waits at a barrier goes on when the last one has come.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "../block.h"

namespace tl::sim {

class Trace final : public Observer {
 public:
  static constexpr uint64_t bytes_per_cycle = 64, multiply_adds_per_cycle = 1024, copy_latency = 600;
  static constexpr size_t event_limit = 200000;

  std::string report() const;  // JSON: events and the model

  void launch_begin(const uint32_t grid[3], const uint32_t block[3], uint32_t shared_bytes, const void* entry) override;
  void block_begin(Block&) override;
  void block_end(Block&) override;
  void work(Thread&, Work, uint64_t amount, Site) override;
  void async_access(Thread& issuer, Agent, uint32_t ticket, const void*, size_t, Access, Proxy, Site) override;
  void wgmma(Block&, const WgmmaAccess&, Site) override;
  void async_done(Thread& waiter, Agent, uint32_t ticket) override;
  void barrier_arrive(Thread&, int id, bool waits, Site) override;
  void barrier_complete(Block&, int id) override;
  void publish(Block&, const void* object, const Agent*, uint32_t ticket) override;
  void acquire(Thread&, const void* object) override;

 private:
  enum class Kind : uint8_t { copy, gemm, store, wait, barrier };
  struct Event {
    Kind kind;
    uint32_t launch, line, block;  // block: number in block_index_
    int warp;  // negative: the tensor cores of warpgroup -1 - warp
    uint64_t start, duration, amount;
  };
  struct LaneClock {
    uint64_t now = 0;
    uint32_t line = 0;  // where it worked last
    // the run of work at one line that is still growing
    bool open = false;
    Kind kind = Kind::copy;
    uint64_t start = 0, amount = 0;
  };
  struct Arrival {
    int thread;
    uint64_t time;
    uint32_t line;
    bool waits;
  };
  struct State {
    uint32_t number = 0;
    std::vector<LaneClock> lanes;
    std::vector<Arrival> arrivals[barrier_count];
    std::unordered_map<uint64_t, uint64_t> landed;       // by agent and ticket: when its copies have landed
    std::unordered_map<const void*, uint64_t> published;
    std::unordered_map<uint32_t, uint64_t> tensor_cores;  // by warpgroup: busy until
    std::unordered_map<uint64_t, size_t> events;         // of this block, by warp, line and start
  };

  State& state_of(const Block& block) { return states_[&block]; }
  LaneClock& lane_of(const Thread& thread) { return state_of(*thread.block).lanes[static_cast<size_t>(thread.index)]; }
  void close(State&, int thread);
  bool append(const Event&);  // false: there are too many
  void add(State&, int thread, Kind, uint32_t line, uint64_t start, uint64_t duration, uint64_t amount);
  void wait_until(State&, int thread, Kind, uint64_t time, uint32_t line);

  uint32_t launch_ = 0;
  bool truncated_ = false;
  std::vector<Event> events_;
  std::vector<tl_sim_dim3> block_index_;
  std::unordered_map<const Block*, State> states_;
};

}  // namespace tl::sim

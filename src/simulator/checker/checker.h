// Looks for races, accesses out of bounds, reads of memory that nothing wrote, deadlocks and misuse while kernels run.
//
// Races by happens-before (vector clocks): every access is stamped with its thread's or agent's clock; an access is ordered
// before the running one if the running thread's view covers that stamp. Barriers, warp barriers, waits for asynchronous
// operations and atomics with fences move views; shuffles, votes and matrix instructions do not, as PTX gives them no memory
// order (PTX ISA 9.7.9.6, 9.7.13; CUDA C++ Programming Guide, "Warp Shuffle Functions": they imply no memory barrier).
#pragma once
#include <memory>
#include <unordered_map>

#include "access_log.h"
#include "block_state.h"
#include "finding.h"
#include "region.h"
#include "view_memo.h"

namespace tl::sim {

enum Check : uint32_t { check_race = 1, check_bounds = 2, check_init = 4, check_deadlock = 8, check_misuse = 16 };

class Checker final : public Observer {
 public:
  explicit Checker(uint32_t checks) : checks_(checks) {}

  bool watch_memory(const void* base, size_t bytes, const char* name, bool fresh) { return regions_.add(base, bytes, name, fresh); }
  void forget_memory() { regions_.clear(); }
  void follow_pointers() { follows_pointers_ = true; }
  std::string report() const;  // JSON: findings, and the extents of accesses

  void launch_begin(const uint32_t grid[3], const uint32_t block[3], uint32_t shared_bytes, const void* entry) override;
  void block_begin(Block&) override;
  void block_end(Block&) override;
  void thread_exit(Thread&) override;
  void deadlock(Block&) override;
  void iteration(Thread&, int depth, int line, int64_t value) override;
  void work(Thread&, Work, uint64_t amount, Site) override;

  void access(Thread&, const void* address, size_t bytes, Access, Site) override;
  void registers(Thread&, const void* address, size_t bytes, Access, Site) override;
  void async_access(Thread& issuer, Agent, uint32_t ticket, const void* address, size_t bytes, Access, Proxy, Site) override;
  void async_done(Thread& waiter, Agent, uint32_t ticket) override;
  void atomic(Thread&, const void* address, size_t bytes, AtomicKind, Order, Site) override;
  void mbarrier(Thread&, const void* address, Site) override;
  void wgmma(Block&, const WgmmaAccess&, Site) override;
  void renew(Block&, const TensorPiece&) override;
  void misuse(Thread&, const char* kind, const char* rule, Site) override;

  void fence(Thread&, Scope, Order) override;
  void proxy_fence(Thread&, bool global) override;
  void wgmma_fence(Thread&) override;
  void barrier_arrive(Thread&, int id, bool waits, Site) override;
  void barrier_complete(Block&, int id) override;
  void warp_sync(Block&, int warp, uint32_t lanes) override;
  void release(Thread&, const void* object) override;
  void release_copies(Thread&, const void* object, uint32_t ticket) override;
  void commit_products(Thread&, uint32_t ticket) override;
  void release_products(Thread&, const void* object, uint32_t ticket) override;
  void publish(Block&, const void* object, const Agent*, uint32_t ticket) override;
  void acquire(Thread&, const void* object) override;
  void forget(Block&, const void* object) override;

  // A local array indexed outside its bounds, seen by -fsanitize=bounds; does not return.
  void local_index(Thread&, int64_t index, const char* array, Site);

 private:
  // One access as the shadow sees it.
  struct Actor {
    Thread& thread;  // in whose order it is
    BlockState& state;
    BlockState& owner;       // whose column it is: the thread's block, or that of the mbarrier on which a copy completes
    uint32_t column, clock;  // of the thread or the agent
    uint32_t flags, site;
    bool writes;
    // Records that were found in order with it: neighbouring cells mostly hold the same.
    mutable Record known[2] = {};
    mutable uint32_t next_known = 0;
    bool knows(const Record& record) const {
      auto same = [&](const Record& k) { return k.block == record.block && k.epoch == record.epoch && k.flags == record.flags; };
      return same(known[0]) || same(known[1]);
    }
  };
  struct Written {
    const char* address = nullptr;
    size_t bytes = 0;
  };
  enum class Place : uint8_t { shared, tensor, global, local, runtime, outside };
  struct Target {
    Place place;
    Region* region;    // global memory
    BlockState* home;  // shared memory: whose
    Shadow* shadow;
    size_t offset;
  };
  // A plain write that meets that of another thread of its block by the same statement, unordered. Both may write the same
  // value, as where every thread stores the block's total: the order is of no matter then (compute-sanitizer's racecheck calls
  // it information). What this one writes is known when it has written, which is before anything else happens.
  struct Suspect {
    Actor actor;
    Target target;
    Record record;
    size_t offset;
    Written written;
    std::vector<char> before;
  };

  // What was read from a local array that nothing had written, for the time until the thread does something else. A copy to
  // shared memory is no use of it, but as unwritten there: tiles are staged whole where a part is meant.
  struct Carried {
    Thread* thread = nullptr;
    uint32_t site = 0;
    size_t bytes = 0;
    uint64_t undefined = 0;  // a bit for each byte
  };

  // checker.cc
  BlockState& state_of(const Block& block);  // asked for by whatever happens, first of all; settles what is suspect
  void settle();
  uint64_t carried_by(const Thread&, size_t bytes);
  Target locate(Thread&, const void* address, size_t bytes);
  void perform(const Actor&, const void* address, size_t bytes);
  void read_cell(const Actor&, const Target&, Cell&, size_t offset);
  void write_cell(const Actor&, const Target&, Cell&, size_t offset);
  bool present(const Target&, const Record&) const;  // of this launch and this block's memory
  bool ordered(const Actor&, const Record&) const;
  void conflict(const Actor&, const Target&, const Record&, size_t offset);
  uint32_t compact_site(Site site) const;
  Actor actor_of(Thread&, Site, Access, uint32_t flags = 0);
  void note_read(const Actor&, const Target&, Cell&);

  // checker_registers.cc
  void touch_registers(const Actor&, const void* address, size_t bytes);
  void check_fenced(const Actor&, const void* address, size_t bytes);
  void observe_in_flight(const BlockState&, Thread&) const;

  // checker_report.cc
  void report_race(const Actor&, const Target&, const Record&, size_t offset, bool unfenced);
  void report_unwritten(const Actor&, const Target&, size_t offset);
  void report_unwritten_registers(Thread&, uint32_t site);
  [[noreturn]] void report_outside(const Actor&, const void* address, size_t bytes);
  void report_in_flight(const Actor&, const BlockState::InFlight&);
  std::string missing_order(const Actor&, const Record&);
  std::string name_access(const Actor&) const;
  Party party_of(const Actor&) const;
  Party party_of(const Actor&, const Record&);
  const BlockState* living(uint32_t number) const;

  // checker_order.cc
  void acquire_foreign(const BlockState&, ThreadClock&, const std::shared_ptr<const Foreign>&);
  std::shared_ptr<const Foreign> as_foreign(const BlockState&, const Thread&, const ThreadClock&) const;

  // What the warps of a block do, of all launches: in a warp-specialised kernel it tells their roles.
  enum Role : uint8_t { role_loads = 1, role_multiplies = 2, role_stores = 4 };
  uint8_t roles_[max_warps] = {};

  uint32_t checks_;
  bool follows_pointers_ = false;  // to memory that nobody registered
  Regions regions_;
  Findings findings_;
  AccessLog extents_;

  // the launch
  uintptr_t object_base_ = 0, object_end_ = 0;
  uintptr_t constants_base_ = 0, constants_end_ = 0;  // another object that was found to hold tables
  uint32_t first_block_ = 1, blocks_begun_ = 0;  // numbers go on from launch to launch
  std::vector<tl_sim_dim3> block_index_;         // by number, from first_block_
  std::unordered_map<const void*, std::shared_ptr<const Foreign>> atomics_;  // what releases at an address have made known

  // the blocks that run: one, or those of a cluster
  std::unordered_map<const Block*, std::unique_ptr<BlockState>> states_;
  std::vector<BlockState*> alive_;
  BlockState* current_ = nullptr;
  Written written_;  // by the running plain access, if it is a write
  std::vector<Suspect> suspects_;
  Carried carried_;

  // mbarriers and the like
  struct Object {
    struct Part {
      BlockState* state;
      Gathering gathering;
      ViewPointer view, proxy_view[2];
      Clocks products;    // tcgen05 operations whose end is released, by column
      ViewPointer behind;  // what they were ordered behind
    };
    std::vector<Part> parts;  // by the block whose threads release
    std::shared_ptr<const Foreign> foreign;  // what was published by several blocks, for each other
    Part& of(BlockState& state);
  };
  std::unordered_map<const void*, Object> objects_;
  ViewMemo memo_;
  uint32_t random_ = 1;
};

}  // namespace tl::sim

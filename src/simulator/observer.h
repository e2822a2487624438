// Who watches a simulated kernel: the race checker, the trace. The runtime tells an Observer what happens, at the moment at
// which it happens in the kernel's own order; it asks nothing back. Without one (block.observer null, the ordinary case) the
// cost is a test of a pointer beside work that takes a hundred times as long.
//
// Plain loads and stores of the kernel text come in through the host compiler's instrumentation (checker/instrumentation.cc);
// everything that the runtime does on a thread's behalf is reported where it is done.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tl::sim {

struct Block;
struct Thread;
struct TensorPiece;
enum class Wait : uint8_t;

// Where in the kernel text: a line, or the return address of an instrumented access (no address is as low as a line).
using Site = uintptr_t;
inline Site site_of(int line) { return static_cast<Site>(static_cast<unsigned>(line)); }
inline Site site_of(const void* program_counter) { return reinterpret_cast<Site>(program_counter); }

enum class Access : uint8_t { read, write, update };  // update: an atomic read-modify-write
enum class Proxy : uint8_t { generic, async };
enum class Scope : uint8_t { block, cluster, device };
enum class Order : uint8_t { relaxed, acquire, release, acquire_release };
enum class AtomicKind : uint8_t { load, store, update };

// Who performs an asynchronous access. Accesses of one agent finish in the order of their tickets, counted from 1, and a wait
// tells its thread that all accesses up to a ticket are done:
//   cp_async     one for each thread (index = thread.index); ticket = number of the commit group
//   bulk_read    the same, for what TMA and bulk stores of a bulk group read: wait_group.read knows it done
//   bulk_write   and for what they write: only wait_group does
//   mbarrier     one for each mbarrier (index = byte offset in shared memory); ticket = phase that the bytes complete, from 1
//                (cp.async whose completion an mbarrier tracks included)
//   wgmma        one for each warpgroup (index = its number); ticket = number of the commit group
//   tensor       tcgen05 operations of a thread (index = thread.index); ticket = number of its commit
//   tensor_load  registers that its tcgen05.ld will write; ticket: rises with every load
enum class AgentKind : uint8_t { cp_async, bulk_read, bulk_write, mbarrier, wgmma, tensor, tensor_load };
struct Agent {
  AgentKind kind;
  uint32_t index;
  Block* block = nullptr;  // of an mbarrier: the block that has it; null: the issuer's
};

// What one wgmma of a warpgroup touches, told once all its threads have issued it.
struct WgmmaAccess {
  static constexpr int chunks_of_a = 32, most_chunks_of_b = 1024;
  int group;
  uint32_t ticket;
  bool a_in_registers;
  int b_chunks;
  uint32_t a[4][chunks_of_a];    // by warp: offsets in shared memory of the 16-byte chunks that hold its rows
  uint32_t b[most_chunks_of_b];  // of those that hold B, which every warp reads
  const void* const* a_registers;  // by thread, 16 bytes each
  void* const* c;                  // by thread
  size_t c_bytes;
  uint64_t multiply_adds;
};

// What takes time in a trace.
enum class Work : uint8_t { copy, gemm, store };

class Observer {
 public:
  virtual ~Observer() = default;

  // ---- the course of things ----
  virtual void launch_begin(const uint32_t /*grid*/[3], const uint32_t /*block*/[3], uint32_t /*shared_bytes*/, const void* /*entry*/) {}
  virtual void launch_end() {}
  virtual void block_begin(Block&) {}
  virtual void block_end(Block&) {}  // every thread has exited; not called when the block failed
  virtual void thread_exit(Thread&) {}
  virtual void wait_begin(Thread&, Wait, Site) {}  // the thread is suspended
  virtual void wait_end(Thread&) {}
  virtual void deadlock(Block&) {}  // before the run is given up; threads still say what they wait for
  virtual void iteration(Thread&, int /*depth*/, int /*line*/, int64_t /*value of the loop's variable*/) {}
  // Work for a trace: `amount` is bytes of a copy or store, multiply-adds of a gemm.
  virtual void work(Thread&, Work, uint64_t /*amount*/, Site) {}

  // ---- memory ----
  // By a thread, done when it returns: shared or global memory.
  virtual void access(Thread&, const void* /*address*/, size_t /*bytes*/, Access, Site) {}
  // A thread's own registers and local arrays, read or written by an instruction of the runtime.
  virtual void registers(Thread&, const void* /*address*/, size_t /*bytes*/, Access, Site) {}
  // By an agent, reported when it is issued; `issuer` is the thread whose order it must respect. The operation may happen at
  // any time until a wait covers its ticket.
  virtual void async_access(Thread& /*issuer*/, Agent, uint32_t /*ticket*/, const void* /*address*/, size_t /*bytes*/, Access, Proxy, Site) {}
  // `waiter` has waited until the agent's operations up to `ticket` are done.
  virtual void async_done(Thread& /*waiter*/, Agent, uint32_t /*ticket*/) {}
  virtual void atomic(Thread&, const void* /*address*/, size_t /*bytes*/, AtomicKind, Order, Site) {}
  // An operation on an mbarrier, after its initialisation.
  virtual void mbarrier(Thread&, const void* /*address*/, Site) {}
  virtual void wgmma(Block&, const WgmmaAccess&, Site) {}
  virtual void renew(Block&, const TensorPiece&) {}  // columns of tensor memory were allocated: nobody has written them
  // Not forbidden by what the simulator models, but by the rules of PTX.
  virtual void misuse(Thread&, const char* /*kind*/, const char* /*rule*/, Site) {}

  // ---- order ----
  virtual void fence(Thread&, Scope, Order) {}
  // fence.proxy.async of shared or of global memory: generic accesses so far come before the async proxy's later ones.
  virtual void proxy_fence(Thread&, bool /*global*/) {}
  virtual void wgmma_fence(Thread&) {}  // register accesses so far come before those of later wgmma
  // Barriers of a block: `waits` is false for bar.arrive. Complete: all who arrived since the last completion are in order.
  virtual void barrier_arrive(Thread&, int /*id*/, bool /*waits*/, Site) {}
  virtual void barrier_complete(Block&, int /*id*/) {}
  virtual void warp_sync(Block&, int /*warp*/, uint32_t /*lanes*/) {}  // bar.warp.sync of these lanes, complete
  // Anything else that orders, named by an address (an mbarrier, a cluster barrier): what was released becomes visible to
  // acquirers at publish. `agent` with `ticket`, when not null, is known to be done to whoever acquires.
  virtual void release(Thread&, const void* /*object*/) {}
  // The same by cp.async.mbarrier.arrive: the thread's cp.async up to a ticket will be done when the object is published.
  virtual void release_copies(Thread&, const void* /*object*/, uint32_t /*ticket*/) {}
  // tcgen05.commit, when it is issued, and when its arrival comes: the thread's tcgen05 operations up to the ticket are done when the
  // object is published, and with them what they were ordered behind.
  virtual void commit_products(Thread&, uint32_t /*ticket*/) {}
  virtual void release_products(Thread&, const void* /*object*/, uint32_t /*ticket*/) {}
  virtual void publish(Block&, const void* /*object*/, const Agent*, uint32_t /*ticket*/) {}
  virtual void acquire(Thread&, const void* /*object*/) {}
  virtual void forget(Block&, const void* /*object*/) {}  // mbarrier.init and inval: what was known of it is void
};

// The observer of the launches of the calling OS thread, or null.
extern thread_local Observer* current_observer;

}  // namespace tl::sim

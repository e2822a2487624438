// Asynchronous operations in flight, and when they take effect.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tensor_map.h"

namespace tl::sim {

struct Block;
struct Thread;
struct Team;

enum class AsyncKind : uint8_t {
  load,          // global memory -> shared memory of one or more blocks; completes on mbarriers
  store,         // shared memory -> global memory, also reductions; completes by a bulk group
  shared_copy,   // shared memory -> shared memory of another block, also reductions; completes on an mbarrier there
  copies_arrive,  // cp.async.mbarrier.arrive: once the thread's earlier cp.async are done
  cancel,         // clusterlaunchcontrol.try_cancel: its answer is a copy to shared memory
  products_arrive  // tcgen05.commit: once the thread's earlier tcgen05 operations are done
};

enum class BulkOperation : int8_t { copy = -1, add, min, max, inc, dec, and_, or_, xor_ };  // order of tl_sim_bulk_op

struct AsyncOperation {
  AsyncKind kind;
  BulkOperation operation = BulkOperation::copy;
  uint8_t type = 0;  // of the elements that a reduction combines (tl_sim_type)
  bool tensor = false, im2col = false, rows = false;  // rows: four of them, numbered by coordinates 1 to 4
  int site = 0;
  Thread* thread = nullptr;     // who issued it
  uint64_t group = 0;           // of a store: the thread's bulk group
  uint16_t targets = 0;         // of a load: ranks of the blocks in the cluster
  uint32_t shared = 0;          // offset in shared memory of the target (load, shared_copy) or source (store)
  uint32_t barrier = 0;         // offset of the mbarrier, in the shared memory of each target
  uint32_t bytes = 0;           // bytes that land in (or leave) shared memory
  const char* source = nullptr;  // of a bulk load and a shared copy
  char* target = nullptr;        // of a bulk store
  uint64_t copies_end = 0;       // copies_arrive, products_arrive: runs when the thread has executed so many
  uint32_t ticket = 0;           // of products_arrive: the number of the commit
  bool read_done = false;        // of a store: the source has been read into `staging`
  TensorMap map{};
  int32_t coordinates[5] = {};
  int32_t offsets[3] = {};
  std::vector<char> staging;
};

class AsyncQueue {
 public:
  void clear();
  bool empty() const { return pending_.empty(); }
  // Takes an operation at its issue; runs it now if time is early, or by chance.
  void issue(Team& team, std::unique_ptr<AsyncOperation> operation);
  // Runs one operation that a suspended thread waits for. False: there is none.
  bool run_demanded(Team& team);
  // By chance, any operation.
  void run_any(Team& team);
  // At the end of a block: stores finish, loads have no business.
  void finish(Block& block);
  // Whether a store of the thread, of its groups 1..group, is unfinished (or has not read its source).
  bool unfinished(const Thread& thread, uint64_t group, bool read_only) const;
  // Loads in flight that will complete on this mbarrier.
  int in_flight(const Block& block, uint32_t barrier) const;

 private:
  std::vector<std::unique_ptr<AsyncOperation>> pending_;
  void run(Team& team, size_t index, bool read_only);
};

// tma.cc: what an operation does
void execute_load(AsyncOperation& operation);
void read_store_source(AsyncOperation& operation);
void execute_store(AsyncOperation& operation);
void execute_shared_copy(AsyncOperation& operation);

// launch_control.cc
void execute_cancel(AsyncOperation& operation);

// mbarrier.cc
void complete_transaction(Block& block, uint32_t barrier, uint32_t bytes, int site);
void arrive_asynchronously(Block& block, uint32_t barrier, int site);
bool someone_waits(const Block& block, uint32_t barrier);

// wgmma.cc
bool run_demanded_wgmma(Team& team);
void run_any_wgmma(Team& team);

}  // namespace tl::sim

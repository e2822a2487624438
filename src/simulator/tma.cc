// TMA and bulk copies (PTX ISA 9.7.9.25.4 "Bulk copy", .5 "Tensor copy"; 9.7.9.27.1 completion mechanisms): issue, and
// what an operation does when its time has come.
#include <cstdio>
#include <cstring>

#include "async.h"
#include "mbarrier.h"
#include "reduction.h"
#include "team.h"

namespace tl::sim {

namespace {

// "complete_tx ... with transactionCount equal to the amount of data copied in bytes": the whole box, clipped or not.
void finish_load(AsyncOperation& operation, Block& target) { complete_transaction(target, operation.barrier, operation.bytes, operation.site); }

Block& target_block(const AsyncOperation& operation) {
  Block& own = *operation.thread->block;
  return *own.team->blocks[cluster_of(own).first + static_cast<uint32_t>(__builtin_ctz(operation.targets))];
}

// CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN (cuTensorMapEncodeTiled, oobFill): "a special NaN", on an H100 0x7ff7 over and over.
void fill(char* target, uint32_t bytes, const TensorMap& map) {
  if (!map.fills_nan()) {
    memset(target, 0, bytes);
    return;
  }
  for (uint32_t i = 0; i < bytes; ++i) target[i] = static_cast<char>(i % 2 ? 0x7f : 0xf7);
}

// Where the byte `offset` of a box lies: the swizzle works on addresses in the shared window.
char* in_box(const Block& block, const AsyncOperation& operation, uint32_t offset) {
  uint32_t address = swizzled(shared_window_start + operation.shared + offset, operation.map.swizzle);
  return block.shared + (address - shared_window_start);
}

template <class Visit>
void walk(const AsyncOperation& operation, Visit visit) {
  if (operation.rows) {
    const uint32_t row_bytes = operation.bytes / 4;
    for (uint32_t row = 0; row < 4; ++row) {
      const int32_t at[5] = {operation.coordinates[0], operation.coordinates[1 + row]};
      walk_box(operation.map, at, nullptr, [&](uint32_t offset, char* address, uint32_t from, uint32_t to, uint32_t bytes) {
        visit(row * row_bytes + offset, address, from, to, bytes);
      });
    }
    return;
  }
  walk_box(operation.map, operation.coordinates, operation.im2col && operation.kind == AsyncKind::load ? operation.offsets : nullptr, visit);
}

}  // namespace

void execute_load(AsyncOperation& operation) {
  Block& target = target_block(operation);
  if (!operation.tensor) {
    memcpy(target.shared + operation.shared, operation.source, operation.bytes);
  } else {
    walk(operation, [&](uint32_t offset, const char* address, uint32_t from, uint32_t to, uint32_t bytes) {
      char* place = in_box(target, operation, offset);
      if (from == 0 && to == 16) {
        memcpy(place, address, 16);
      } else {
        fill(place, bytes, operation.map);
        if (address) memcpy(place + from, address + from, to - from);
      }
    });
  }
  finish_load(operation, target);
}

void read_store_source(AsyncOperation& operation) {
  const Block& block = *operation.thread->block;
  operation.staging.resize(operation.bytes);
  if (!operation.tensor) {
    memcpy(operation.staging.data(), block.shared + operation.shared, operation.bytes);
  } else {
    for (uint32_t offset = 0; offset < operation.bytes; offset += 16) memcpy(operation.staging.data() + offset, in_box(block, operation, offset), 16);
  }
  operation.read_done = true;
}

void execute_store(AsyncOperation& operation) {
  if (!operation.read_done) read_store_source(operation);
  const char* data = operation.staging.data();
  auto put = [&](char* target, const char* source, uint32_t bytes) {
    if (operation.operation == BulkOperation::copy) memcpy(target, source, bytes);
    else reduce_elements(target, source, bytes, operation.operation, operation.type);
  };
  if (!operation.tensor) {
    put(operation.target, data, operation.bytes);
    return;
  }
  walk(operation, [&](uint32_t offset, char* address, uint32_t from, uint32_t to, uint32_t) {
    if (address) put(address + from, data + offset + from, to - from);  // what lies outside the tensor is not written
  });
}

void execute_shared_copy(AsyncOperation& operation) {
  Block& target = target_block(operation);
  char* place = target.shared + operation.shared;
  if (operation.operation == BulkOperation::copy) memcpy(place, operation.source, operation.bytes);
  else reduce_elements(place, operation.source, operation.bytes, operation.operation, operation.type);
  finish_load(operation, target);
}

namespace {

template <class... Values>
[[noreturn]] __attribute__((noinline, cold)) void refuse(const char* what, int site, const char* format, Values... values) {
  char text[256];
  snprintf(text, sizeof text, format, values...);
  fail(*self()->block, "%s: %s (line %d), %s", what, text, site, name_thread(*self()).c_str());
}

std::unique_ptr<AsyncOperation> new_operation(AsyncKind kind, int site) {
  auto operation = std::make_unique<AsyncOperation>();
  operation->kind = kind;
  operation->site = site;
  operation->thread = self();
  return operation;
}

void take_map(AsyncOperation& operation, const void* map, int rank, const int32_t* coordinates, bool im2col, const char* what) {
  if (reinterpret_cast<uintptr_t>(map) % 64) refuse(what, operation.site, "the tensor map at %p is not aligned to 64 bytes", map);
  memcpy(&operation.map, map, sizeof operation.map);
  if (operation.map.mark != TensorMap::valid_mark) refuse(what, operation.site, "there is no tensor map at %p", map);
  if (operation.map.rank != rank) refuse(what, operation.site, "%d coordinates for a tensor map of rank %d", rank, operation.map.rank);
  if (operation.map.im2col() != im2col) refuse(what, operation.site, "the tensor map is %s", im2col ? "a tiled one" : "one for im2col");
  // No document states it; an H100 ends such a kernel with "illegal instruction".
  const int size = element_bytes(operation.map.type);
  if (static_cast<int64_t>(coordinates[0]) * size % 16) {
    refuse(what, operation.site, "coordinate %d of dimension 0 is %lld bytes into the row: it must be a multiple of 16 bytes", coordinates[0],
           static_cast<long long>(coordinates[0]) * size);
  }
  operation.tensor = true;
  operation.im2col = im2col;
  operation.bytes = box_bytes(operation.map);
  operation.type = operation.map.type;
  memcpy(operation.coordinates, coordinates, static_cast<size_t>(rank) * sizeof(int32_t));
}

// Pieces of global memory that a box walks, put together where they follow each other.
template <class Visit>
void walk_runs(const AsyncOperation& operation, Visit visit) {
  const char* start = nullptr;
  size_t length = 0;
  walk(operation, [&](uint32_t, const char* address, uint32_t from, uint32_t to, uint32_t) {
    if (!address) return;
    if (length && start + length == address + from) {
      length += to - from;
      return;
    }
    if (length) visit(start, length);
    start = address + from;
    length = to - from;
  });
  if (length) visit(start, length);
}

void observe_load(AsyncOperation& operation, Block& target) {
  Thread& thread = *operation.thread;
  Observer* observer = thread.block->observer;
  if (!observer) return;
  const Site site = site_of(operation.site);
  const Mbarrier& barrier = mbarrier_at(target, operation.barrier, "bulk copy", operation.site);
  const auto ticket = static_cast<uint32_t>(barrier.phase + 1);
  const Agent agent{AgentKind::mbarrier, operation.barrier, &target};
  if (!barrier.fenced) {
    observer->misuse(thread, "copy on an mbarrier whose initialisation the async proxy may not see",
                     "fence_mbarrier_init() by the thread that initialised it, before the barrier of the block", site);
  }
  if (!operation.tensor) {
    observer->async_access(thread, agent, ticket, operation.source, operation.bytes, Access::read, Proxy::async, site);
  } else {
    walk_runs(operation, [&](const char* start, size_t bytes) { observer->async_access(thread, agent, ticket, start, bytes, Access::read, Proxy::async, site); });
  }
  const Access access = operation.operation == BulkOperation::copy ? Access::write : Access::update;
  observer->async_access(thread, agent, ticket, target.shared + operation.shared, operation.bytes, access, Proxy::async, site);
  observer->work(thread, Work::copy, operation.bytes, site);
}

void observe_store(AsyncOperation& operation) {
  Thread& thread = *operation.thread;
  Observer* observer = thread.block->observer;
  if (!observer) return;
  const Site site = site_of(operation.site);
  const auto index = static_cast<uint32_t>(thread.index), ticket = static_cast<uint32_t>(operation.group);
  const Agent reader{AgentKind::bulk_read, index}, writer{AgentKind::bulk_write, index};
  const Access access = operation.operation == BulkOperation::copy ? Access::write : Access::update;
  auto write = [&](const char* start, size_t bytes) { observer->async_access(thread, writer, ticket, start, bytes, access, Proxy::async, site); };
  observer->async_access(thread, reader, ticket, thread.block->shared + operation.shared, operation.bytes, Access::read, Proxy::async, site);
  if (operation.tensor) walk_runs(operation, write);
  else write(operation.target, operation.bytes);
  observer->work(thread, Work::store, operation.bytes, site);
}

// One operation a target: the copies of a multicast land at their own times.
void issue_load(AsyncOperation& operation, const void* shared, const void* barrier, uint32_t targets, const char* what) {
  Thread* thread = operation.thread;
  Block& own = *thread->block;
  const uint32_t alignment = operation.tensor ? 128 : 16;
  // A swizzle moves bytes within their 128-byte line.
  const uint32_t span = operation.tensor && operation.map.swizzle ? (operation.bytes + 127) / 128 * 128 : operation.bytes;
  Block& owner = shared_owner(shared, span, what, operation.site);
  Block& barrier_owner = shared_owner(barrier, 8, what, operation.site);
  if (&owner != &barrier_owner) refuse(what, operation.site, "the target and the mbarrier are in different blocks");
  operation.shared = shared_offset(owner, shared);
  operation.barrier = shared_offset(owner, barrier);
  if (operation.shared % alignment) refuse(what, operation.site, "shared memory offset %u is not aligned to %u bytes", operation.shared, alignment);
  Cluster& cluster = cluster_of(own);
  if (!targets) targets = 1u << (owner.rank - cluster.first);
  else if (&owner != &own) refuse(what, operation.site, "the target of a multicast is given by its address in the own block");
  if (targets >> cluster.count) refuse(what, operation.site, "multicast to mask 0x%x in a cluster of %u blocks", targets, cluster.count);
  for (uint32_t left = targets; left; left &= left - 1) {
    const uint32_t rank = static_cast<uint32_t>(__builtin_ctz(left));
    Block& target = *own.team->blocks[cluster.first + rank];
    if (target.live == 0) refuse(what, operation.site, "block %u of the cluster has exited", rank);
    mbarrier_at(target, operation.barrier, what, operation.site);
    auto one = std::make_unique<AsyncOperation>(operation);
    one->targets = static_cast<uint16_t>(1u << rank);
    observe_load(*one, target);
    own.team->async.issue(*own.team, std::move(one));
  }
}

void issue_store(std::unique_ptr<AsyncOperation> operation, const void* shared, const char* what) {
  Thread* thread = operation->thread;
  Block& block = *thread->block;
  const uint32_t alignment = operation->tensor ? 128 : 16;
  if (!in_shared_memory(block, shared, operation->bytes)) {
    refuse(what, operation->site, "%u bytes at shared memory offset %ld of %u", operation->bytes,
           static_cast<long>(static_cast<const char*>(shared) - block.shared), block.shared_bytes);
  }
  operation->shared = shared_offset(block, shared);
  if (operation->shared % alignment) refuse(what, operation->site, "shared memory offset %u is not aligned to %u bytes", operation->shared, alignment);
  operation->group = thread->bulk_group;
  observe_store(*operation);
  block.team->async.issue(*block.team, std::move(operation));
}

void check_bulk(const void* global, uint32_t bytes, const char* what, int site) {
  if (bytes == 0 || bytes % 16) refuse(what, site, "%u bytes: the size must be a multiple of 16", bytes);
  if (reinterpret_cast<uintptr_t>(global) % 16) refuse(what, site, "address %p is not aligned to 16 bytes", global);
}

}  // namespace

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_tensor_load(void* shared, const void* map, void* barrier, int rank, const int32_t* coordinates, const int32_t* offsets,
                        uint32_t targets, int site) {
  AsyncOperation operation;
  operation.kind = AsyncKind::load;
  operation.site = site;
  operation.thread = self();
  take_map(operation, map, rank, coordinates, offsets != nullptr, "TMA load");
  if (offsets) memcpy(operation.offsets, offsets, static_cast<size_t>(rank - 2) * sizeof(int32_t));
  issue_load(operation, shared, barrier, targets, "TMA load");
}

void tl_sim_tensor_store(const void* map, const void* shared, int rank, const int32_t* coordinates, int operation, int im2col, int site) {
  auto store = new_operation(AsyncKind::store, site);
  take_map(*store, map, rank, coordinates, im2col != 0, "TMA store");
  store->operation = static_cast<BulkOperation>(operation);
  // CUDA C++ Programming Guide, "Negative indices and out of bounds": parts of a stored box may be outside, its corner not below.
  for (int d = 0; d < rank; ++d) {
    if (coordinates[d] < 0) refuse("TMA store", site, "coordinate %d of dimension %d: the corner of a stored box must not be negative", coordinates[d], d);
  }
  if (operation >= 0 && !can_reduce(store->operation, store->type)) {
    refuse("TMA reduction", site, "operation %d is not defined for the map's data type %d", operation, store->type);
  }
  issue_store(std::move(store), shared, "TMA store");
}

namespace {

// tile::gather4 and tile::scatter4: of a map of two dimensions whose box is one row.
void take_rows(AsyncOperation& operation, const void* map, const int32_t* coordinates, const char* what) {
  take_map(operation, map, 2, coordinates, false, what);
  if (operation.map.box[1] != 1) refuse(what, operation.site, "the tensor map's box has %u rows: it must be one row", operation.map.box[1]);
  memcpy(operation.coordinates, coordinates, sizeof operation.coordinates);
  operation.rows = true;
  operation.bytes *= 4;
}

}  // namespace

void tl_sim_tensor_gather(void* shared, const void* map, void* barrier, const int32_t* coordinates, int site) {
  AsyncOperation operation;
  operation.kind = AsyncKind::load;
  operation.site = site;
  operation.thread = self();
  take_rows(operation, map, coordinates, "TMA gather");
  issue_load(operation, shared, barrier, 0, "TMA gather");
}

void tl_sim_tensor_scatter(const void* map, const void* shared, const int32_t* coordinates, int site) {
  auto store = new_operation(AsyncKind::store, site);
  take_rows(*store, map, coordinates, "TMA scatter");
  issue_store(std::move(store), shared, "TMA scatter");
}

void tl_sim_tensor_prefetch(const void* map, int rank, int site) {
  AsyncOperation operation;
  operation.site = site;
  const int32_t coordinates[5] = {};
  TensorMap known;
  memcpy(&known, map, sizeof known);
  take_map(operation, map, rank ? rank : known.rank, coordinates, known.im2col(), "TMA prefetch");
}

void tl_sim_bulk_load(void* shared, const void* global, uint32_t bytes, void* barrier, uint32_t targets, int site) {
  check_bulk(global, bytes, "bulk load", site);
  AsyncOperation operation;
  operation.kind = AsyncKind::load;
  operation.site = site;
  operation.thread = self();
  operation.source = static_cast<const char*>(global);
  operation.bytes = bytes;
  issue_load(operation, shared, barrier, targets, "bulk load");
}

void tl_sim_bulk_store(void* global, const void* shared, uint32_t bytes, int operation, int type, int site) {
  check_bulk(global, bytes, "bulk store", site);
  auto store = new_operation(AsyncKind::store, site);
  store->operation = static_cast<BulkOperation>(operation);
  store->type = static_cast<uint8_t>(type);
  store->target = static_cast<char*>(global);
  store->bytes = bytes;
  issue_store(std::move(store), shared, "bulk store");
}

// cp.async.bulk and cp.reduce.async.bulk from shared::cta to shared::cluster: target and mbarrier in the same block.
void tl_sim_bulk_copy(void* target, const void* source, uint32_t bytes, void* barrier, int cta, int operation, int type, int site) {
  Thread* thread = self();
  Block& own = *thread->block;
  check_bulk(source, bytes, "bulk copy", site);
  if (!in_shared_memory(own, source, bytes)) refuse("bulk copy", site, "the source is not in the block's shared memory");
  if (cta >= 0) {
    target = tl_sim_map_shared(target, static_cast<uint32_t>(cta), site);
    barrier = tl_sim_map_shared(barrier, static_cast<uint32_t>(cta), site);
  }
  AsyncOperation copy;
  copy.kind = AsyncKind::shared_copy;
  copy.site = site;
  copy.thread = thread;
  copy.source = static_cast<const char*>(source);
  copy.operation = static_cast<BulkOperation>(operation);
  copy.type = static_cast<uint8_t>(type);
  copy.bytes = bytes;
  issue_load(copy, target, barrier, 0, "bulk copy");
}

void tl_sim_bulk_commit(void) { ++self()->bulk_group; }

// wait_group N: at most N of the most recent groups are pending; .read: until they have read their sources.
void tl_sim_bulk_wait(int pending, int read_only, int site) {
  Thread* thread = self();
  Team& team = *thread->block->team;
  const uint64_t committed = thread->bulk_group - 1;
  if (committed <= static_cast<uint64_t>(pending)) return;
  thread->wait_value = committed - static_cast<uint64_t>(pending);
  thread->wait_read = read_only != 0;
  while (team.async.unfinished(*thread, thread->wait_value, read_only != 0)) suspend(thread, Wait::bulk_group, site);
  if (Observer* observer = thread->block->observer) {
    const auto index = static_cast<uint32_t>(thread->index), ticket = static_cast<uint32_t>(thread->wait_value);
    observer->async_done(*thread, {AgentKind::bulk_read, index}, ticket);
    if (!read_only) observer->async_done(*thread, {AgentKind::bulk_write, index}, ticket);
  }
}

void tl_sim_fence_proxy_async(int global, int) {
  Thread* thread = self();
  if (thread->block->observer) thread->block->observer->proxy_fence(*thread, global != 0);
  if (global) return;
  for (const auto& barrier : thread->block->mbarriers) barrier->fenced = true;
}

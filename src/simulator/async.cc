#include "async.h"

#include "mbarrier.h"
#include "team.h"
#include "tensor_memory.h"

namespace tl::sim {

namespace {

// While an operation runs, the thread that issued it stands for it: faults and failures name it.
class Borrowed {
 public:
  explicit Borrowed(const AsyncOperation& operation) : saved_(tl_sim_self) {
    tl_sim_self = operation.thread;
    operation.thread->site = operation.site;
  }
  ~Borrowed() { tl_sim_self = saved_; }

 private:
  tl_sim_thread* saved_;
};

template <class Visit>
void for_each_target(const AsyncOperation& operation, Visit visit) {
  Cluster& cluster = cluster_of(*operation.thread->block);
  for (uint32_t rank = 0; rank < cluster.count; ++rank) {
    if (operation.targets >> rank & 1) visit(*operation.thread->block->team->blocks[cluster.first + rank]);
  }
}

// Copies and products in flight are no transactions of an mbarrier.
bool only_arrives(const AsyncOperation& operation) {
  return operation.kind == AsyncKind::copies_arrive || operation.kind == AsyncKind::products_arrive;
}

void execute(AsyncOperation& operation) {
  switch (operation.kind) {
    case AsyncKind::load: execute_load(operation); break;
    case AsyncKind::store: execute_store(operation); break;
    case AsyncKind::cancel: execute_cancel(operation); break;
    case AsyncKind::shared_copy: execute_shared_copy(operation); break;
    case AsyncKind::copies_arrive: {
      Thread& thread = *operation.thread;
      if (thread.copies_executed < operation.copies_end) execute_copies(thread, static_cast<uint32_t>(operation.copies_end - thread.copies_executed));
      arrive_asynchronously(*thread.block, operation.barrier, operation.site);
      break;
    }
    case AsyncKind::products_arrive:
      run_tensor_operations(*operation.thread, operation.copies_end);
      for_each_target(operation, [&](Block& block) {
        if (!block.live) return;
        if (block.observer) block.observer->release_products(*operation.thread, block.shared + operation.barrier, operation.ticket);
        arrive_asynchronously(block, operation.barrier, operation.site);
      });
      break;
  }
}

bool demanded(const AsyncOperation& operation) {
  const Thread& issuer = *operation.thread;
  if (operation.kind == AsyncKind::store) {
    return issuer.wait == Wait::bulk_group && operation.group <= issuer.wait_value && !(issuer.wait_read && operation.read_done);
  }
  bool yes = false;
  for_each_target(operation, [&](const Block& block) { yes |= someone_waits(block, operation.barrier); });
  return yes;
}

}  // namespace

void AsyncQueue::clear() { pending_.clear(); }

void AsyncQueue::issue(Team& team, std::unique_ptr<AsyncOperation> operation) {
  pending_.push_back(std::move(operation));
  if (team.options.time == Time::early || (team.options.time == Time::random && team.random.one_in(4))) run(team, pending_.size() - 1, false);
}

void AsyncQueue::run(Team&, size_t index, bool read_only) {
  AsyncOperation& operation = *pending_[index];
  Thread& issuer = *operation.thread;
  Borrowed borrowed(operation);
  if (read_only) {
    if (!operation.read_done) read_store_source(operation);
  } else {
    // Out of the queue first: what completes now is no longer in flight.
    std::unique_ptr<AsyncOperation> owned = std::move(pending_[index]);
    pending_.erase(pending_.begin() + static_cast<long>(index));
    execute(*owned);
    if (owned->kind != AsyncKind::store) return;
  }
  if (issuer.wait == Wait::bulk_group && !unfinished(issuer, issuer.wait_value, issuer.wait_read)) make_ready(issuer);
}

bool AsyncQueue::run_demanded(Team& team) {
  size_t candidates = 0, chosen = 0;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (demanded(*pending_[i]) && team.random.below(static_cast<uint32_t>(++candidates)) == 0) chosen = i;
  }
  if (!candidates) return false;
  AsyncOperation& operation = *pending_[chosen];
  run(team, chosen, operation.kind == AsyncKind::store && operation.thread->wait_read);
  return true;
}

void AsyncQueue::run_any(Team& team) {
  if (pending_.empty()) return;
  size_t index = team.random.below(static_cast<uint32_t>(pending_.size()));
  run(team, index, pending_[index]->kind == AsyncKind::store && team.random.one_in(2));
}

void AsyncQueue::finish(Block& block) {
  for (size_t i = 0; i < pending_.size();) {
    AsyncOperation& operation = *pending_[i];
    bool concerns = operation.thread->block == &block;
    if (operation.kind != AsyncKind::store) for_each_target(operation, [&](const Block& target) { concerns |= &target == &block; });
    if (!concerns) {
      ++i;
      continue;
    }
    if (operation.kind == AsyncKind::products_arrive) {  // of products that the wait for a later commit has covered
      run(*block.team, i, false);
      continue;
    }
    if (operation.kind != AsyncKind::store) {
      fail(block, "block (%u, %u, %u) exits while a copy to shared memory is in flight: nobody waited for it (line %d), %s", block.index.x,
           block.index.y, block.index.z, operation.site, name_thread(*operation.thread).c_str());
    }
    // The shared memory of an exited block belongs to the next one: a source that nobody waited for is lost.
    if (!operation.read_done && block.team->options.time != Time::early) {
      fail(block, "block (%u, %u, %u) exits while a bulk store may still read its shared memory: wait for its group, or for its reads (line %d), %s",
           block.index.x, block.index.y, block.index.z, operation.site, name_thread(*operation.thread).c_str());
    }
    run(*block.team, i, false);
  }
}

bool AsyncQueue::unfinished(const Thread& thread, uint64_t group, bool read_only) const {
  for (const auto& operation : pending_) {
    if (operation->thread == &thread && operation->kind == AsyncKind::store && operation->group <= group &&
        !(read_only && operation->read_done)) {
      return true;
    }
  }
  return false;
}

int AsyncQueue::in_flight(const Block& block, uint32_t barrier) const {
  int count = 0;
  for (const auto& operation : pending_) {
    if (operation->kind == AsyncKind::store || only_arrives(*operation) || operation->barrier != barrier) continue;
    for_each_target(*operation, [&](const Block& target) { count += &target == &block; });
  }
  return count;
}

}  // namespace tl::sim

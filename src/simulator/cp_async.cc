// cp.async (PTX ISA 9.7.9.25.3): the copy happens at any time between issue and the wait that covers its group, or the
// completion of an mbarrier that tracks it (9.7.13.15.15 "cp.async.mbarrier.arrive").
#include <cstring>

#include "mbarrier.h"
#include "team.h"

namespace tl::sim {

namespace {

[[noreturn]] __attribute__((noinline, cold)) void refuse_target(const void* shared, int bytes, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  fail(block, "cp.async of %d bytes to shared memory offset %ld of %u (line %d), %s", bytes,
       static_cast<long>(static_cast<const char*>(shared) - block.shared), block.shared_bytes, site, name_thread(*thread).c_str());
}

void execute(Thread& thread, const Copy& copy) {
  thread.site = copy.site;  // for the report of a fault
  if (copy.source_bytes) memcpy(copy.target, copy.source, static_cast<size_t>(copy.source_bytes));
  if (copy.source_bytes < copy.bytes) memset(copy.target + copy.source_bytes, 0, static_cast<size_t>(copy.bytes - copy.source_bytes));
}

}  // namespace

void execute_copies(Thread& thread, uint32_t count) {
  if (count > thread.copies.size()) count = static_cast<uint32_t>(thread.copies.size());
  for (uint32_t i = 0; i < count; ++i) execute(thread, thread.copies[i]);
  thread.copies.erase(thread.copies.begin(), thread.copies.begin() + count);
  thread.copies_executed += count;
  for (uint32_t& end : thread.group_ends) end = end > count ? end - count : 0;
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_cp_async(void* shared, const void* global, int bytes, int source_bytes, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  if (!in_shared_memory(block, shared, static_cast<size_t>(bytes))) refuse_target(shared, bytes, site);
  auto low_bits = static_cast<uintptr_t>(bytes - 1);  // bytes is 4, 8 or 16
  if (reinterpret_cast<uintptr_t>(shared) & low_bits) tl_sim_misaligned(shared, bytes, "cp.async target", site);
  if (source_bytes && (reinterpret_cast<uintptr_t>(global) & low_bits)) {
    tl_sim_misaligned(global, bytes, "cp.async source", site);
  }
  if (Observer* observer = block.observer) {
    Agent agent{AgentKind::cp_async, static_cast<uint32_t>(thread->index)};
    const uint32_t ticket = thread->copy_ticket;
    if (source_bytes) observer->async_access(*thread, agent, ticket, global, static_cast<size_t>(source_bytes), Access::read, Proxy::generic, site_of(site));
    observer->async_access(*thread, agent, ticket, shared, static_cast<size_t>(bytes), Access::write, Proxy::generic, site_of(site));
    observer->work(*thread, Work::copy, static_cast<uint64_t>(bytes), site_of(site));
  }
  thread->copies.push_back({static_cast<char*>(shared), static_cast<const char*>(global), bytes, source_bytes, site});
  Team& team = *block.team;
  if (team.options.time == Time::early) execute_copies(*thread, 1);
  else if (team.options.time == Time::random && team.random.one_in(4)) execute_copies(*thread, 1 + team.random.below(4));
}

void tl_sim_cp_async_commit(void) {
  Thread* thread = self();
  thread->group_tickets.push_back(thread->copy_ticket++);
  thread->group_ends.push_back(static_cast<uint32_t>(thread->copies.size()));
}

void tl_sim_cp_async_wait(int pending) {
  Thread* thread = self();
  size_t groups = thread->group_ends.size();
  if (groups <= static_cast<size_t>(pending)) return;
  const size_t finished = groups - static_cast<size_t>(pending);
  execute_copies(*thread, thread->group_ends[finished - 1]);
  if (Observer* observer = thread->block->observer) {
    observer->async_done(*thread, {AgentKind::cp_async, static_cast<uint32_t>(thread->index)}, thread->group_tickets[finished - 1]);
  }
  thread->group_ends.erase(thread->group_ends.begin(), thread->group_ends.begin() + static_cast<long>(finished));
  thread->group_tickets.erase(thread->group_tickets.begin(), thread->group_tickets.begin() + static_cast<long>(finished));
}

// "Triggers an arrive-on operation on the mbarrier once all prior cp.async operations of the thread have completed";
// without .noinc the pending count first grows by one, so that the arrival is not among the expected ones.
void tl_sim_cp_async_mbarrier_arrive(void* pointer, int no_increment, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  if (!in_shared_memory(block, pointer, 8)) refuse_target(pointer, 8, site);
  Mbarrier& barrier = mbarrier_at(block, shared_offset(block, pointer), "cp.async.mbarrier.arrive", site);
  if (!no_increment) ++barrier.pending;
  if (block.observer) block.observer->release_copies(*thread, pointer, thread->copy_ticket);
  ++thread->copy_ticket;
  auto operation = std::make_unique<AsyncOperation>();
  operation->kind = AsyncKind::copies_arrive;
  operation->site = site;
  operation->thread = thread;
  operation->targets = static_cast<uint16_t>(1u << thread->cluster_rank);
  operation->barrier = barrier.offset;
  operation->copies_end = thread->copies_tracked = thread->copies_executed + thread->copies.size();
  block.team->async.issue(*block.team, std::move(operation));
}

// cp.async: hardware may copy at any time between issue and wait; the simulator does it at the wait, the latest time
// that is allowed, so that reading without waiting finds the poison.
#include <cstring>

#include "block.h"

using namespace tl::sim;

namespace {

[[noreturn]] __attribute__((noinline, cold)) void refuse_target(const void* shared, int bytes, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  fail(block, "cp.async of %d bytes to shared memory offset %ld of %u (line %d), %s", bytes,
       static_cast<long>(static_cast<const char*>(shared) - block.shared), block.shared_bytes, site, name_thread(*thread).c_str());
}

}  // namespace

void tl_sim_cp_async(void* shared, const void* global, int bytes, int source_bytes, int site) {
  Thread* thread = self();
  if (!in_shared_memory(*thread->block, shared, static_cast<size_t>(bytes))) refuse_target(shared, bytes, site);
  auto low_bits = static_cast<uintptr_t>(bytes - 1);  // bytes is 4, 8 or 16
  if (reinterpret_cast<uintptr_t>(shared) & low_bits) tl_sim_misaligned(shared, bytes, "cp.async target", site);
  if (source_bytes && (reinterpret_cast<uintptr_t>(global) & low_bits)) {
    tl_sim_misaligned(global, bytes, "cp.async source", site);
  }
  if (Observer* observer = thread->block->observer) {
    Agent agent{AgentKind::cp_async, static_cast<uint32_t>(thread->index)};
    uint32_t ticket = thread->groups_committed + 1;
    if (source_bytes) {
      observer->async_access(*thread, agent, ticket, global, static_cast<size_t>(source_bytes), Access::read, Proxy::generic, site_of(site));
    }
    observer->async_access(*thread, agent, ticket, shared, static_cast<size_t>(bytes), Access::write, Proxy::generic, site_of(site));
    observer->work(*thread, Work::copy, static_cast<uint64_t>(bytes), site_of(site));
  }
  thread->copies.push_back({static_cast<char*>(shared), static_cast<const char*>(global), bytes, source_bytes, site});
}

void tl_sim_cp_async_commit(void) {
  Thread* thread = self();
  ++thread->groups_committed;
  thread->group_ends.push_back(static_cast<uint32_t>(thread->copies.size()));
}

void tl_sim_cp_async_wait(int pending) {
  Thread* thread = self();
  if (Observer* observer = thread->block->observer) {
    if (thread->groups_committed > static_cast<uint32_t>(pending)) {
      Agent agent{AgentKind::cp_async, static_cast<uint32_t>(thread->index)};
      observer->async_done(*thread, agent, thread->groups_committed - static_cast<uint32_t>(pending));
    }
  }
  size_t groups = thread->group_ends.size();
  if (groups <= static_cast<size_t>(pending)) return;
  size_t finished = groups - static_cast<size_t>(pending);
  uint32_t end = thread->group_ends[finished - 1];
  for (uint32_t i = 0; i < end; ++i) {
    const Copy& copy = thread->copies[i];
    if (copy.source_bytes) thread->site = copy.site, memcpy(copy.target, copy.source, static_cast<size_t>(copy.bytes));
    else memset(copy.target, 0, static_cast<size_t>(copy.bytes));
  }
  thread->copies.erase(thread->copies.begin(), thread->copies.begin() + end);
  thread->group_ends.erase(thread->group_ends.begin(), thread->group_ends.begin() + static_cast<long>(finished));
  for (uint32_t& left : thread->group_ends) left -= end;
}

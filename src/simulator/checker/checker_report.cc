// What is said about a finding.
#include "checker.h"

namespace tl::sim {

namespace {

uint64_t key_of(uint64_t check, uint32_t site, uint32_t other, const void* region) {
  uint64_t key = check;
  for (uint64_t part : {uint64_t{site}, uint64_t{other}, static_cast<uint64_t>(reinterpret_cast<uintptr_t>(region))}) {
    key = (key ^ part) * 0x9e3779b97f4a7c15ull;
    key ^= key >> 29;
  }
  return key;
}

std::string name_operation(const std::string& agent, uint32_t flags, bool writes) {
  if (!agent.empty()) return agent + (writes ? " write" : " read");
  if (flags & record_atomic) return writes ? "atomic update" : "atomic load";
  return writes ? "write" : "read";
}

}  // namespace

std::string Checker::report() const {
  std::string roles;
  for (uint8_t role : roles_) roles += (roles.empty() ? "" : ",") + std::to_string(role);
  return "{\"findings\":" + findings_.to_json() + ",\"extents\":" + extents_.to_json() + ",\"roles\":[" + roles + "]}";
}

const BlockState* Checker::living(uint32_t number) const {
  for (const BlockState* state : alive_) {
    if (state->number == number) return state;
  }
  return nullptr;
}

std::string Checker::name_access(const Actor& actor) const {
  return name_operation(actor.owner.name_column(actor.column), actor.flags, actor.writes);
}

Party Checker::party_of(const Actor& actor) const {
  const tl_sim_dim3& block = actor.thread.block_index;
  // A wgmma is told of when the last thread issues it; others may be further on.
  const uint32_t first = actor.owner.columns.first_shared();
  const bool is_wgmma = actor.column >= first && actor.owner.agents[actor.column - first].kind == AgentKind::wgmma;
  const Thread& issuer = is_wgmma ? *self() : actor.thread;
  return {name_access(actor), actor.site, actor.thread.index, {block.x, block.y, block.z}, actor.state.iterations.now(static_cast<size_t>(issuer.index))};
}

Party Checker::party_of(const Actor& actor, const Record& record) {
  const BlockState* state = living(record.block);
  // All blocks of a launch have the same threads, so the columns of threads and their own agents can be named for a block
  // that is gone.
  const BlockState& names = state ? *state : actor.state;
  uint32_t column = column_of(record);
  bool named = state || column < names.columns.first_shared();
  const tl_sim_dim3& index = block_index_[record.block - first_block_];
  std::string access = name_operation(named ? names.name_column(column) : "asynchronous", record.flags, record.flags & record_write);
  Party party{access, record.site, named ? names.thread_of_column(column) : -1, {index.x, index.y, index.z}};
  if (!state) return party;
  if (column < state->columns.threads) {
    party.iterations = state->iterations.at(column, clock_of(record));
  } else {
    // A copy on a peer's mbarrier was issued in another block: its thread is not told.
    const int issuer = state->iterations.issuer(column, clock_of(record), record.site, party.iterations);
    const bool is_wgmma = column >= state->columns.first_shared() && state->agents[column - state->columns.first_shared()].kind == AgentKind::wgmma;
    if (party.thread < 0 && !is_wgmma) party.thread = issuer;
  }
  return party;
}

std::string Checker::missing_order(const Actor& actor, const Record& record) {
  uint32_t column = column_of(record);
  if (record.block != actor.state.number) {
    if (!living(record.block) || alive_.size() == 1) return "blocks of a launch run in no order: only an atomic release and acquire orders accesses of two";
    return "no cluster barrier or mbarrier orders the two blocks";
  }
  const Columns& columns = actor.state.columns;
  auto self = static_cast<uint32_t>(actor.thread.index);
  if (column < columns.threads) {
    if (actor.column >= columns.threads && column == self) return "";  // a thread's own copy after its own access is ordered
    if (column / lanes_per_warp == self / lanes_per_warp) return "no barrier lies between these lanes of one warp (sync_warp would do)";
    return "no barrier that both threads take part in lies between";
  }
  int owner = actor.state.thread_of_column(column);
  std::string agent = actor.state.name_column(column);
  if (owner < 0) return "nothing has waited for the " + agent;
  static const char* const waits[] = {"cp_async_wait", "bulk_wait_read or bulk_wait", "bulk_wait: bulk_wait_read knows of the reads alone"};
  const uint32_t kind = column / columns.threads - 1;
  const std::string wait = waits[kind];
  if (static_cast<uint32_t>(owner) == self) return "the thread has not waited for its own copy (" + wait + ")";
  uint32_t done = actor.state.clocks[static_cast<size_t>(owner)].own.private_agents[kind];
  if (clock_of(record) <= done) return "the copying thread has waited for its copy, but no barrier lies between that and this access";
  return "the copying thread has not waited for its copy (" + wait + ")";
}

void Checker::report_race(const Actor& actor, const Target& target, const Record& record, size_t offset, bool unfenced) {
  if (!(checks_ & check_race)) return;
  uint64_t key = key_of(unfenced ? 2 : 1, actor.site, record.site, target.region);
  if (findings_.seen(key) || findings_.full()) return;
  Finding finding;
  finding.check = "race";
  bool wrote = record.flags & record_write;
  finding.kind = unfenced ? "missing proxy fence" : wrote ? (actor.writes ? "write after unordered write" : "read of unordered write") : "write over unordered read";
  finding.missing = unfenced ? "fence_proxy_async between the generic write and the access by the async proxy" : missing_order(actor, record);
  finding.space = target.place == Place::shared ? "shared" : target.place == Place::tensor ? "tensor" : "global";
  finding.region = target.region ? target.region->name : "";
  finding.offset = static_cast<int64_t>(offset);
  finding.bytes = 1;
  finding.parties = {party_of(actor), party_of(actor, record)};
  findings_.add(key, std::move(finding));
}

void Checker::report_unwritten(const Actor& actor, const Target& target, size_t offset) {
  uint64_t key = key_of(3, actor.site, 0, target.region);
  if (findings_.seen(key) || findings_.full()) return;
  Finding finding;
  finding.check = "init";
  finding.kind = "read of memory that nothing wrote";
  finding.missing = "a write before the read";
  finding.space = target.place == Place::shared ? "shared" : target.place == Place::tensor ? "tensor" : "global";
  finding.region = target.region ? target.region->name : "";
  finding.offset = static_cast<int64_t>(offset);
  finding.bytes = 1;
  finding.parties = {party_of(actor)};
  findings_.add(key, std::move(finding));
}

void Checker::report_in_flight(const Actor& actor, const BlockState::InFlight& owner) {
  uint64_t key = key_of(8, actor.site, owner.site, nullptr);
  if (findings_.seen(key) || findings_.full()) return;
  Finding finding;
  std::string agent = actor.state.name_column(owner.column);
  finding.check = "race";
  finding.kind = std::string(actor.writes ? "write to" : "read of") + " registers in flight";
  finding.missing = "nothing has waited for the " + agent + ", which owns them";
  finding.space = "local";
  const tl_sim_dim3& block = actor.thread.block_index;
  finding.parties = {party_of(actor), {agent, owner.site, actor.thread.index, {block.x, block.y, block.z}}};
  findings_.add(key, std::move(finding));
}

void Checker::report_unwritten_registers(Thread& thread, uint32_t site) {
  uint64_t key = key_of(4, site, 0, nullptr);
  if (findings_.seen(key) || findings_.full()) return;
  Finding finding;
  finding.check = "init";
  finding.kind = "read of a local array that nothing wrote";
  finding.missing = "a write before the read";
  finding.space = "local";
  finding.parties = {{"read", site, thread.index, {thread.block_index.x, thread.block_index.y, thread.block_index.z}}};
  findings_.add(key, std::move(finding));
}

void Checker::report_outside(const Actor& actor, const void* address, size_t bytes) {
  Block& block = *actor.thread.block;
  auto at = static_cast<const char*>(address);
  Finding finding;
  finding.check = "bounds";
  finding.bytes = bytes;
  finding.parties = {party_of(actor)};
  // Shared memory that is missed by less than its own size is what was meant: tensors lie far away.
  long margin = static_cast<long>(block.shared_bytes) + (1 << 14);
  const Region* region = regions_.nearest(address);
  if (block.shared_bytes && at >= block.shared - margin && at < block.shared + margin) {
    finding.kind = std::string(actor.writes ? "write" : "read") + " outside shared memory";
    finding.space = "shared";
    finding.offset = at - block.shared;
    finding.missing = "shared memory has " + std::to_string(block.shared_bytes) + " bytes";
  } else {
    finding.kind = std::string(actor.writes ? "write" : "read") + " outside every tensor";
    finding.space = "global";
    finding.region = region->name;
    finding.offset = at - region->base;
    finding.missing = region->name + " has " + std::to_string(region->bytes) + " bytes";
  }
  std::string text = finding.kind;
  uint64_t key = key_of(5, actor.site, 0, region);
  if (!findings_.seen(key)) findings_.add(key, std::move(finding));
  fail(block, "stopped: %s", text.c_str());
}

void Checker::local_index(Thread& thread, int64_t index, const char* array, Site site) {
  if (!(checks_ & check_bounds)) return;
  Finding finding;
  finding.check = "bounds";
  finding.kind = "local array index outside its bounds";
  finding.space = "local";
  finding.offset = index;
  finding.missing = "index " + std::to_string(index) + " of an array of type " + array;
  finding.parties = {{"access", compact_site(site), thread.index, {thread.block_index.x, thread.block_index.y, thread.block_index.z}}};
  uint64_t key = key_of(6, compact_site(site), 0, nullptr);
  if (!findings_.seen(key)) findings_.add(key, std::move(finding));
  fail(*thread.block, "stopped: local array index outside its bounds");
}

void Checker::misuse(Thread& thread, const char* kind, const char* rule, Site site) {
  if (!(checks_ & check_misuse)) return;
  uint32_t at = compact_site(site);
  uint64_t key = key_of(9, at, 0, kind);
  if (findings_.seen(key) || findings_.full()) return;
  Finding finding;
  finding.check = "misuse";
  finding.kind = kind;
  finding.missing = rule;
  finding.parties = {{"at fault", at, thread.index, {thread.block_index.x, thread.block_index.y, thread.block_index.z}}};
  findings_.add(key, std::move(finding));
}

void Checker::thread_exit(Thread& thread) {
  if (thread.wgmma_issued > thread.wgmma_waited) {
    misuse(thread, "exit with a wgmma in flight", "wgmma_commit() and wgmma_wait<0>() before the end of the kernel", site_of(thread.wgmma_site));
  }
  // Copies that an mbarrier tracks are waited for by whoever waits there.
  const bool tracked = thread.copies_executed + thread.copies.size() <= thread.copies_tracked;
  if (!(checks_ & check_misuse) || thread.copies.empty() || tracked) return;
  auto site = static_cast<uint32_t>(thread.copies.back().site);
  uint64_t key = key_of(7, site, 0, nullptr);
  if (findings_.seen(key)) return;
  Finding finding;
  finding.check = "misuse";
  finding.kind = "exit with a cp.async in flight";
  finding.missing = "cp_async_wait<0>() before the end of the kernel";
  finding.space = "shared";
  finding.offset = thread.copies.back().target - thread.block->shared;
  finding.bytes = static_cast<uint64_t>(thread.copies.back().bytes);
  finding.parties = {{"cp.async", site, thread.index, {thread.block_index.x, thread.block_index.y, thread.block_index.z}}};
  findings_.add(key, std::move(finding));
}

}  // namespace tl::sim

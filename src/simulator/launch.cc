// Launches: blocks are dealt to OS threads one at a time.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include "mma.h"
#include "mbarrier.h"
#include "team.h"
#include "wgmma.h"

namespace tl::sim {

thread_local Observer* current_observer = nullptr;

namespace {

std::atomic<int> requested_threads{0};

// Stacks and shared memory are worth keeping between launches; each worker of a launch borrows one Team.
std::mutex idle_mutex;
std::vector<std::unique_ptr<Team>> idle;

std::unique_ptr<Team> borrow_team() {
  std::lock_guard lock(idle_mutex);
  if (idle.empty()) return std::make_unique<Team>();
  auto team = std::move(idle.back());
  idle.pop_back();
  return team;
}

void give_back(std::unique_ptr<Team> team) {
  constexpr size_t most_kept = 16;  // blocks: the stacks and shared memory of a big cooperative grid are not kept
  if (team->blocks.size() > most_kept) team->blocks.resize(most_kept);
  std::lock_guard lock(idle_mutex);
  idle.push_back(std::move(team));
}

}  // namespace

struct Launch {
  void (*entry)(void**);
  void** arguments;
  tl_sim_dim3 grid, extent, cluster, clusters;  // clusters: of the grid, in each dimension
  uint32_t shared_bytes, cluster_blocks;
  bool cooperative;
  Options options;
  Observer* observer;
  uint64_t cluster_count;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex report_mutex;
  std::string report;

  void fail(const std::string& text) {
    std::lock_guard lock(report_mutex);
    if (!failed.exchange(true)) report = text;
  }
};

namespace {

bool prepare(Team& team, Launch& launch) {
  team.launch = &launch;
  team.entry = launch.entry;
  team.arguments = launch.arguments;
  team.grid = launch.grid;
  team.cluster_extent = launch.cluster;
  team.options = launch.options;
  team.cooperative = launch.cooperative;
  const uint64_t clusters = launch.cooperative ? launch.cluster_count : 1;
  team.count = static_cast<uint32_t>(clusters * launch.cluster_blocks);
  team.clusters.assign(clusters, Cluster{});
  for (uint32_t c = 0; c < clusters; ++c) team.clusters[c].first = c * launch.cluster_blocks, team.clusters[c].count = launch.cluster_blocks;
  team.failed = false;
  team.report.clear();
  while (team.blocks.size() < team.count) team.blocks.push_back(std::make_unique<Block>());
  for (uint32_t b = 0; b < team.count; ++b) {
    Block& block = *team.blocks[b];
    block.team = &team;
    block.observer = launch.observer;
    block.rank = b;
    block.extent = launch.extent;
    block.shared_bytes = launch.shared_bytes;
    block.thread_count = static_cast<int>(launch.extent.x * launch.extent.y * launch.extent.z);
    block.warp_count = (block.thread_count + lanes_per_warp - 1) / lanes_per_warp;
    if (block.threads.size() < static_cast<size_t>(block.thread_count)) block.threads.resize(static_cast<size_t>(block.thread_count));
    if (!block.stacks.reserve(static_cast<size_t>(block.thread_count)) || !reserve_shared_memory(block)) return false;
  }
  return true;
}

tl_sim_dim3 place_of(const Launch& launch, uint64_t cluster) {
  const uint64_t rows = cluster / launch.clusters.x;
  return {static_cast<uint32_t>(cluster % launch.clusters.x), static_cast<uint32_t>(rows % launch.clusters.y),
          static_cast<uint32_t>(rows / launch.clusters.y)};
}

// Blocks of a cluster are neighbours in the grid; rank = x + y * cluster.x + z * cluster.x * cluster.y (PTX ISA 10.16
// "%cluster_ctarank").
void place(Block& block, const Launch& launch, uint64_t cluster, uint32_t rank) {
  const tl_sim_dim3 at = place_of(launch, cluster);
  block.index = {at.x * launch.cluster.x + rank % launch.cluster.x, at.y * launch.cluster.y + rank / launch.cluster.x % launch.cluster.y,
                 at.z * launch.cluster.z + rank / launch.cluster.x / launch.cluster.y};
}

void work(Launch& launch) {
  std::unique_ptr<Team> borrowed = borrow_team();
  Team& team = *borrowed;
  if (!prepare(team, launch)) {
    launch.fail("the system refused memory for stacks and shared memory");
    return;
  }
  Team* outer = running_team;
  tl_sim_thread* outer_self = tl_sim_self;
  FaultStack fault_stack(team);
  running_team = &team;
  // A fault comes back here; the volatile-free locals below are not used after it.
  if (sigsetjmp(team.fault_return, 1) == 0) {
    uint64_t index;
    const uint64_t units = launch.cooperative ? 1 : launch.cluster_count;
    while (!launch.failed.load(std::memory_order_relaxed) && (index = launch.next.fetch_add(1, std::memory_order_relaxed)) < units) {
      for (uint32_t b = 0; b < team.count; ++b) {
        place(*team.blocks[b], launch, index + b / launch.cluster_blocks, b % launch.cluster_blocks);
      }
      // Independent of which OS thread runs it: a seed gives one schedule for each block.
      team.random.seed(launch.options.seed * 0x100000001b3ull + index);
      for (int i = 0; i < 4; ++i) team.random.next();
      team.elected = launch.options.seed ? team.random.next() : 0;
      run_team(team);
      if (team.failed) break;
    }
  }
  for (uint32_t b = 0; b < team.count; ++b) team.blocks[b]->observer = nullptr;
  running_team = outer;
  tl_sim_self = outer_self;
  if (team.failed) launch.fail(team.report);
  give_back(std::move(borrowed));
}

int worker_count(uint64_t blocks) {
  int count = requested_threads.load();
  if (count <= 0) {
    const char* text = getenv("TILELANG_SIMULATOR_THREADS");
    count = text ? atoi(text) : 0;
  }
  if (count <= 0) count = static_cast<int>(std::thread::hardware_concurrency());
  if (count < 1) count = 1;
  return blocks < static_cast<uint64_t>(count) ? static_cast<int>(blocks) : count;
}

std::string check(const tl_sim_launch_options& options) {
  const uint32_t *grid = options.grid, *block = options.block, *cluster = options.cluster;
  char text[200];
  uint64_t threads = uint64_t{block[0]} * block[1] * block[2];
  if (threads == 0 || threads > max_threads) {
    snprintf(text, sizeof text, "a block of %u x %u x %u threads: it must have 1 to %d", block[0], block[1], block[2], max_threads);
    return text;
  }
  if (options.shared_bytes > 232448) {
    snprintf(text, sizeof text, "%u bytes of shared memory: a block has at most 232448", options.shared_bytes);
    return text;
  }
  if (grid[0] > 0x7fffffffu || grid[1] > 65535 || grid[2] > 65535) {
    snprintf(text, sizeof text, "a grid of %u x %u x %u blocks: at most 2147483647 x 65535 x 65535", grid[0], grid[1], grid[2]);
    return text;
  }
  uint64_t blocks = uint64_t{cluster[0]} * cluster[1] * cluster[2];
  if (blocks == 0 || blocks > 16) {
    snprintf(text, sizeof text, "a cluster of %u x %u x %u blocks: it must have 1 to 16", cluster[0], cluster[1], cluster[2]);
    return text;
  }
  for (int d = 0; d < 3; ++d) {
    if (grid[d] % cluster[d]) {
      snprintf(text, sizeof text, "a grid of %u blocks in dimension %d: not a multiple of the cluster's %u", grid[d], d, cluster[d]);
      return text;
    }
  }
  uint64_t resident = options.cooperative ? uint64_t{grid[0]} * grid[1] * grid[2] : 0;
  if (resident * threads > 32768) {
    snprintf(text, sizeof text, "a cooperative grid of %llu blocks of %llu threads: the simulator runs at most 32768 threads together",
             static_cast<unsigned long long>(resident), static_cast<unsigned long long>(threads));
    return text;
  }
  return "";
}

int named(const char* variable, std::initializer_list<const char*> names, int otherwise) {
  const char* text = getenv(variable);
  if (!text) return otherwise;
  int index = 0;
  for (const char* name : names) {
    if (!strcmp(text, name)) return index;
    ++index;
  }
  return -1;
}

// Options that a launch leaves open come from the environment.
std::string resolve(const tl_sim_launch_options& given, Options& options) {
  int time = given.time >= 0 ? given.time : named("TILELANG_SIMULATOR_TIME", {"early", "late", "random"}, TL_SIM_TIME_LATE);
  int numerics = given.numerics >= 0 ? given.numerics : named("TILELANG_SIMULATOR_NUMERICS", {"fast", "hardware"}, TL_SIM_NUMERICS_FAST);
  if (time < 0 || time > TL_SIM_TIME_RANDOM) return "TILELANG_SIMULATOR_TIME must be early, late or random";
  if (numerics < 0 || numerics > TL_SIM_NUMERICS_HARDWARE) return "TILELANG_SIMULATOR_NUMERICS must be fast or hardware";
  const char* seed = getenv("TILELANG_SIMULATOR_SEED");
  options.time = static_cast<Time>(time);
  options.numerics = static_cast<Numerics>(numerics);
  options.seed = given.seed >= 0 ? static_cast<uint64_t>(given.seed) : seed ? strtoull(seed, nullptr, 10) : 0;
  return "";
}

}  // namespace

// Which clusters are left is chance, as on a GPU; a cooperative launch has started them all.
bool claim_cluster(Team& team, tl_sim_dim3& first) {
  Launch& launch = *team.launch;
  if (launch.cooperative) return false;
  const uint64_t index = launch.next.fetch_add(1, std::memory_order_relaxed);
  if (index >= launch.cluster_count) return false;
  const tl_sim_dim3 at = place_of(launch, index);
  first = {at.x * launch.cluster.x, at.y * launch.cluster.y, at.z * launch.cluster.z};
  return true;
}

}  // namespace tl::sim

using namespace tl::sim;

int tl_sim_abi_version(void) { return TL_SIM_ABI_VERSION; }

void tl_sim_set_threads(int count) { requested_threads = count; }

int tl_sim_launch(void (*entry)(void**), void** arguments, const uint32_t grid[3], const uint32_t block[3], uint32_t shared_bytes,
                  char* report, uint64_t report_capacity) {
  tl_sim_launch_options options = {};
  options.size = sizeof options;
  for (int d = 0; d < 3; ++d) options.grid[d] = grid[d], options.block[d] = block[d], options.cluster[d] = 1;
  options.shared_bytes = shared_bytes;
  options.time = options.numerics = -1;
  options.seed = -1;
  return tl_sim_launch_with(entry, arguments, &options, report, report_capacity);
}

int tl_sim_launch_with(void (*entry)(void**), void** arguments, const tl_sim_launch_options* given, char* report, uint64_t report_capacity) {
  auto answer = [&](int code, const std::string& text) {
    if (report && report_capacity) {
      size_t length = text.size() < report_capacity ? text.size() : report_capacity - 1;
      memcpy(report, text.data(), length);
      report[length] = 0;
    }
    return code;
  };
  if (given->size != sizeof *given) return answer(2, "tl_sim_launch_options of another version");
  const tl_sim_launch_options& options = *given;
  std::string refusal = check(options);
  Launch launch;
  if (refusal.empty()) refusal = resolve(options, launch.options);
  if (!refusal.empty()) return answer(2, refusal);
  launch.entry = entry;
  launch.arguments = arguments;
  launch.grid = {options.grid[0], options.grid[1], options.grid[2]};
  launch.extent = {options.block[0], options.block[1], options.block[2]};
  launch.cluster = {options.cluster[0], options.cluster[1], options.cluster[2]};
  launch.clusters = {options.grid[0] / options.cluster[0], options.grid[1] / options.cluster[1], options.grid[2] / options.cluster[2]};
  launch.cluster_blocks = options.cluster[0] * options.cluster[1] * options.cluster[2];
  launch.shared_bytes = options.shared_bytes;
  launch.cooperative = options.cooperative != 0;
  launch.observer = current_observer;
  launch.cluster_count = uint64_t{launch.clusters.x} * launch.clusters.y * launch.clusters.z;
  if (launch.cluster_count == 0) return answer(0, "");
  try {
    FaultGuard faults;
    std::vector<std::thread> helpers;
    // An observer watches one OS thread.
    int workers = launch.observer || launch.cooperative ? 1 : worker_count(launch.cluster_count);
    if (launch.observer) launch.observer->launch_begin(options.grid, options.block, options.shared_bytes, reinterpret_cast<const void*>(entry));
    try {
      for (int i = workers; i > 1; --i) helpers.emplace_back(work, std::ref(launch));
    } catch (const std::system_error&) {
      // No more threads to be had: those that started, and this one, do the work.
    }
    work(launch);
    for (std::thread& helper : helpers) helper.join();
    if (launch.observer) launch.observer->launch_end();
  } catch (const std::exception& error) {
    return answer(2, error.what());
  }
  fflush(stdout);
  return answer(launch.failed ? 1 : 0, launch.report);
}

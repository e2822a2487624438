// barrier.cluster (PTX ISA 9.7.13.4), mapa (9.7.9.23), and a barrier of the whole grid for cooperative launches.
#include "team.h"

namespace tl::sim {

namespace {

void release(TeamBarrier& barrier, bool Thread::*arrived, Team& team, uint32_t first, uint32_t count) {
  for (uint32_t b = first; b < first + count; ++b) {
    for (int i = 0; i < team.blocks[b]->thread_count; ++i) team.blocks[b]->threads[i].*arrived = false;
  }
  Block& block = *team.blocks[first];
  if (block.observer) block.observer->publish(block, &barrier, nullptr, 0);
  barrier.arrived = 0;
  for (Thread* thread : barrier.waiting) make_ready(*thread);
  barrier.waiting.clear();
}

void release_cluster(Block& block) {
  Cluster& cluster = cluster_of(block);
  if (cluster.barrier.arrived && cluster.barrier.arrived == cluster.live) {
    release(cluster.barrier, &Thread::cluster_arrived, *block.team, cluster.first, cluster.count);
  }
}

void release_grid(Team& team) {
  if (team.grid_barrier.arrived && team.grid_barrier.arrived == team.live) {
    release(team.grid_barrier, &Thread::grid_arrived, team, 0, team.count);
  }
}

}  // namespace

// "barrier.cluster.wait causes the executing thread to wait for all non-exited threads of the cluster".
void team_barriers_on_exit(Block& block) {
  --cluster_of(block).live;
  release_cluster(block);
  release_grid(*block.team);
}

Block& shared_owner(const void* pointer, size_t bytes, const char* what, int site) {
  Thread* thread = self();
  Block& own = *thread->block;
  if (in_shared_memory(own, pointer, bytes)) return own;
  Cluster& cluster = cluster_of(own);
  for (uint32_t b = cluster.first; b < cluster.first + cluster.count; ++b) {
    Block& block = *own.team->blocks[b];
    if (!in_shared_memory(block, pointer, bytes)) continue;
    if (block.live == 0) {
      fail(own, "%s in the shared memory of block %u of the cluster, which has exited (line %d), %s", what, b - cluster.first, site,
           name_thread(*thread).c_str());
    }
    return block;
  }
  fail(own, "%s of %zu bytes at shared memory offset %ld of %u (line %d), %s", what, bytes,
       static_cast<long>(static_cast<const char*>(pointer) - own.shared), own.shared_bytes, site, name_thread(*thread).c_str());
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_cluster_arrive(int release, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  Cluster& cluster = cluster_of(block);
  if (thread->cluster_owes_wait) {
    fail(block, "a second cluster_arrive without a cluster_wait between (line %d), %s", site, name_thread(*thread).c_str());
  }
  thread->cluster_arrived = thread->cluster_owes_wait = true;
  thread->site = site;
  if (release && block.observer) block.observer->release(*thread, &cluster.barrier);
  ++cluster.barrier.arrived;
  release_cluster(block);
}

void tl_sim_cluster_wait(int site) {
  Thread* thread = self();
  if (!thread->cluster_owes_wait) {
    fail(*thread->block, "a cluster_wait without a cluster_arrive before it (line %d), %s", site, name_thread(*thread).c_str());
  }
  thread->cluster_owes_wait = false;
  ++thread->syncs;
  TeamBarrier& barrier = cluster_of(*thread->block).barrier;
  if (thread->cluster_arrived) {  // else the phase in which it arrived has completed
    barrier.waiting.push_back(thread);
    suspend(thread, Wait::cluster, site);
  }
  if (thread->block->observer) thread->block->observer->acquire(*thread, &barrier);
}

void* tl_sim_map_shared(const void* pointer, uint32_t rank, int site) {
  Thread* thread = self();
  Block& own = *thread->block;
  Cluster& cluster = cluster_of(own);
  if (rank >= cluster.count) {
    fail(own, "rank %u in a cluster of %u blocks (line %d), %s", rank, cluster.count, site, name_thread(*thread).c_str());
  }
  Block& owner = shared_owner(pointer, 1, "map_shared_rank", site);
  return own.team->blocks[cluster.first + rank]->shared + shared_offset(owner, pointer);
}

void tl_sim_grid_sync(int site) {
  Thread* thread = self();
  Team& team = *thread->block->team;
  if (!team.cooperative) {
    fail(*thread->block, "grid_sync in a launch that is not cooperative (line %d), %s", site, name_thread(*thread).c_str());
  }
  thread->grid_arrived = true;
  Observer* observer = thread->block->observer;
  if (observer) observer->release(*thread, &team.grid_barrier);
  ++team.grid_barrier.arrived;
  thread->site = site;
  release_grid(team);
  if (thread->grid_arrived) {
    team.grid_barrier.waiting.push_back(thread);
    suspend(thread, Wait::grid, site);
  }
  if (observer) observer->acquire(*thread, &team.grid_barrier);
}

// A thread that loads the same flag again and again waits for another to set it: let others run. Which operation such a
// loop waits for nobody knows, so that any may take effect.
void tl_sim_atomic_load_done(void) {
  Thread* thread = self();
  if (++thread->spins % 16) return;
  yield(thread);
}

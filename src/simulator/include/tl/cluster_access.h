// Clusters and cooperative grids, simulated.
#pragma once
#include <tl/backend.h>

namespace tl {

inline int32_t cluster_rank() { return static_cast<int32_t>(tl_sim_self->cluster_rank); }
inline uint32_t cluster_size() {
  const tl_sim_dim3& extent = tl_sim_self->cluster_extent;
  return extent.x * extent.y * extent.z;
}
// Launches are simulated one after the other: what a grid depends on has completed.
inline void grid_dependency_wait() {}
inline void grid_launch_dependents() {}

namespace detail {

inline void cluster_arrive(int site) { tl_sim_cluster_arrive(1, site); }
inline void cluster_arrive_relaxed(int site) { tl_sim_cluster_arrive(0, site); }
inline void cluster_wait(int site) { tl_sim_cluster_wait(site); }
inline void* map_shared(const void* pointer, uint32_t rank, int site) { return tl_sim_map_shared(pointer, rank, site); }
inline void grid_sync(uint32_t*, int site) { tl_sim_grid_sync(site); }

}  // namespace detail

}  // namespace tl

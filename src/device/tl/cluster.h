// Blocks of a cluster, a barrier among them, their shared memory (PTX ISA 9.7.13.4 "barrier.cluster", 9.7.9.23 "mapa"); the
// barrier of a cooperative grid; programmatic dependent launch (9.7.13.13 "griddepcontrol").
#pragma once
#include <tl/cluster_access.h>
#include <tl/memory.h>

namespace tl {

#if TL_HOPPER

// Every thread of the cluster arrives, then waits; whole warps together. Between the two it may do what needs no peer.
TL_FUNC void cluster_arrive(TL_SITE_PARAMETER_ALONE) { detail::cluster_arrive(TL_SITE_ARGUMENT_ALONE); }
TL_FUNC void cluster_arrive_relaxed(TL_SITE_PARAMETER_ALONE) { detail::cluster_arrive_relaxed(TL_SITE_ARGUMENT_ALONE); }
TL_FUNC void cluster_wait(TL_SITE_PARAMETER_ALONE) { detail::cluster_wait(TL_SITE_ARGUMENT_ALONE); }
TL_FUNC void cluster_sync(TL_SITE_PARAMETER_ALONE) {
  detail::cluster_arrive(TL_SITE_ARGUMENT_ALONE);
  detail::cluster_wait(TL_SITE_ARGUMENT_ALONE);
}

// The same place in the shared memory of block `rank`.
template <class T>
TL_FUNC T* map_shared_rank(T* pointer, uint32_t rank TL_SITE_PARAMETER) {
  return static_cast<T*>(detail::map_shared(pointer, rank TL_SITE_ARGUMENT));
}

// Stores to the same place in the shared memory of block `rank`.
template <class T>
TL_FUNC void store_to_rank(T* pointer, uint32_t rank, T value TL_SITE_PARAMETER) {
  *map_shared_rank(pointer, rank TL_SITE_ARGUMENT) = value;
}
// `Bytes` of registers at once; both aligned to as many.
template <int Bytes, class T, class U>
TL_FUNC void store_wide_to_rank(T* pointer, uint32_t rank, const U* values TL_SITE_PARAMETER) {
  store<Bytes>(map_shared_rank(pointer, rank TL_SITE_ARGUMENT), values);
}

#endif

// A barrier of all blocks of a cooperative launch. `counter` is a 32-bit word in global memory that starts as zero, is used
// for nothing else, and may serve any number of times.
TL_FUNC void grid_sync(uint32_t* counter TL_SITE_PARAMETER) { detail::grid_sync(counter TL_SITE_ARGUMENT); }

}  // namespace tl

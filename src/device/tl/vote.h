// Barriers of the block that also count a predicate (CUDA C++ Programming Guide, "__syncthreads_count").
#pragma once
#include <tl/lanes.h>
#include <tl/sync.h>

namespace tl {

#if TL_ON_GPU
TL_FUNC int syncthreads_count(bool predicate) { return __syncthreads_count(predicate); }
TL_FUNC bool syncthreads_and(bool predicate) { return __syncthreads_and(predicate); }
TL_FUNC bool syncthreads_or(bool predicate) { return __syncthreads_or(predicate); }
#else
TL_FUNC int syncthreads_count(bool predicate TL_SITE_PARAMETER) { return tl_sim_barrier_count(predicate, tl_site); }
TL_FUNC bool syncthreads_and(bool predicate TL_SITE_PARAMETER) { return tl_sim_barrier_count(!predicate, tl_site) == 0; }
TL_FUNC bool syncthreads_or(bool predicate TL_SITE_PARAMETER) { return tl_sim_barrier_count(predicate, tl_site) != 0; }
#endif

}  // namespace tl

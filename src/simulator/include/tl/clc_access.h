// Cluster launch control, simulated.
#pragma once
#include <tl/smem_address.h>

namespace tl::detail {

inline void clc_try_cancel(void* answer, uint64_t* barrier, int site) { tl_sim_try_cancel(answer, barrier, 0, site); }
inline void clc_try_cancel_multicast(void* answer, uint64_t* barrier, int site) { tl_sim_try_cancel(answer, barrier, 1, site); }
inline bool clc_is_canceled(const void* answer, int site) { return tl_sim_query_cancel(answer, -1, site) != 0; }
template <int Axis>
inline int32_t clc_first_ctaid(const void* answer, int site) {
  return tl_sim_query_cancel(answer, Axis, site);
}

}  // namespace tl::detail

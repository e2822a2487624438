// Cluster launch control, sm_100 (PTX ISA 9.7.13.17 "clusterlaunchcontrol"): a running cluster takes over one that has not started. The
// answer is 16 bytes in shared memory, aligned to 16; the mbarrier counts them. One thread asks; after an answer of "no", nobody does.
#pragma once
#include <tl/clc_access.h>

#if TL_BLACKWELL

namespace tl {

TL_FUNC void clc_try_cancel(void* answer, uint64_t* barrier TL_SITE_PARAMETER) { detail::clc_try_cancel(answer, barrier TL_SITE_ARGUMENT); }
// The answer goes to this place in every block of the cluster, and counts on its barrier.
TL_FUNC void clc_try_cancel_multicast(void* answer, uint64_t* barrier TL_SITE_PARAMETER) {
  detail::clc_try_cancel_multicast(answer, barrier TL_SITE_ARGUMENT);
}
// Whether a cluster was taken over; then where its first block is in the grid.
TL_FUNC bool clc_is_canceled(const void* answer TL_SITE_PARAMETER) { return detail::clc_is_canceled(answer TL_SITE_ARGUMENT); }
TL_FUNC int32_t clc_first_ctaid_x(const void* answer TL_SITE_PARAMETER) { return detail::clc_first_ctaid<0>(answer TL_SITE_ARGUMENT); }
TL_FUNC int32_t clc_first_ctaid_y(const void* answer TL_SITE_PARAMETER) { return detail::clc_first_ctaid<1>(answer TL_SITE_ARGUMENT); }
TL_FUNC int32_t clc_first_ctaid_z(const void* answer TL_SITE_PARAMETER) { return detail::clc_first_ctaid<2>(answer TL_SITE_ARGUMENT); }

}  // namespace tl

#endif

// mbarrier operations, simulated.
#pragma once
#include <tl/backend.h>

namespace tl::detail {

inline void mbarrier_init(uint64_t* barrier, uint32_t count, int site) { tl_sim_mbarrier_init(barrier, count, site); }
inline void mbarrier_invalidate(uint64_t* barrier, int site) { tl_sim_mbarrier_invalidate(barrier, site); }
inline void mbarrier_arrive(uint64_t* barrier, uint32_t count, int site) { tl_sim_mbarrier_arrive(barrier, -1, count, 0, site); }
inline void mbarrier_arrive_expect(uint64_t* barrier, uint32_t bytes, int site) { tl_sim_mbarrier_arrive(barrier, -1, 1, bytes, site); }
inline void mbarrier_expect(uint64_t* barrier, uint32_t bytes, int site) { tl_sim_mbarrier_expect(barrier, -1, bytes, site); }
inline void mbarrier_complete(uint64_t* barrier, uint32_t bytes, int site) { tl_sim_mbarrier_complete(barrier, -1, bytes, site); }
inline void mbarrier_arrive_remote(uint64_t* barrier, uint32_t rank, uint32_t count, int site) {
  tl_sim_mbarrier_arrive(barrier, static_cast<int>(rank), count, 0, site);
}
inline void mbarrier_arrive_expect_remote(uint64_t* barrier, uint32_t rank, uint32_t bytes, int site) {
  tl_sim_mbarrier_arrive(barrier, static_cast<int>(rank), 1, bytes, site);
}
inline bool mbarrier_test_wait(uint64_t* barrier, uint32_t parity, int site) { return tl_sim_mbarrier_test(barrier, parity, 0, site); }
inline bool mbarrier_try_wait(uint64_t* barrier, uint32_t parity, int site) { return tl_sim_mbarrier_test(barrier, parity, 1, site); }
inline void mbarrier_wait(uint64_t* barrier, uint32_t parity, int site) { tl_sim_mbarrier_wait(barrier, parity, site); }
inline void fence_mbarrier_init(int site) { tl_sim_fence_mbarrier_init(site); }
inline void cp_async_arrive(uint64_t* barrier, int site) { tl_sim_cp_async_mbarrier_arrive(barrier, 0, site); }
inline void cp_async_arrive_noinc(uint64_t* barrier, int site) { tl_sim_cp_async_mbarrier_arrive(barrier, 1, site); }

}  // namespace tl::detail

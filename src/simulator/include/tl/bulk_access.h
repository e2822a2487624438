// Bulk copies, simulated.
#pragma once
#include <tl/bulk_op.h>
#include <tl/element_type.h>

namespace tl::detail {

inline void bulk_load(void* smem, const void* gmem, uint32_t bytes, uint64_t* barrier, int site) {
  tl_sim_bulk_load(smem, gmem, bytes, barrier, 0, site);
}
inline void bulk_load_hint(void* smem, const void* gmem, uint32_t bytes, uint64_t* barrier, uint64_t, int site) {
  tl_sim_bulk_load(smem, gmem, bytes, barrier, 0, site);
}
inline void bulk_load_multicast(void* smem, const void* gmem, uint32_t bytes, uint64_t* barrier, uint16_t mask, int site) {
  tl_sim_bulk_load(smem, gmem, bytes, barrier, mask, site);
}
inline void bulk_store(void* gmem, const void* smem, uint32_t bytes, int site) { tl_sim_bulk_store(gmem, smem, bytes, -1, 0, site); }
inline void bulk_store_hint(void* gmem, const void* smem, uint32_t bytes, uint64_t, int site) {
  tl_sim_bulk_store(gmem, smem, bytes, -1, 0, site);
}
inline void bulk_copy(void* target, const void* smem, uint32_t bytes, uint64_t* barrier, uint32_t rank, int site) {
  tl_sim_bulk_copy(target, smem, bytes, barrier, static_cast<int>(rank), -1, 0, site);
}
inline void bulk_prefetch(const void*, uint32_t) {}

template <bulk_op Op, class T>
inline void bulk_reduce(T* gmem, const void* smem, uint32_t bytes, int site) {
  constexpr int type = element_type<T>();
  constexpr bool half = type == TL_SIM_TYPE_F16 || type == TL_SIM_TYPE_BF16, integer = is_integer<T> && sizeof(T) >= 4;
  static_assert(Op == bulk_op::add   ? type >= 0
                : Op <= bulk_op::max ? integer || half
                : Op <= bulk_op::dec ? type == TL_SIM_TYPE_U32
                                     : integer,
                "the operation is not defined for this type");
  tl_sim_bulk_store(gmem, smem, bytes, static_cast<int>(Op), type, site);
}
template <bulk_op Op, class T>
inline void bulk_reduce_shared(T* target, const void* smem, uint32_t bytes, uint64_t* barrier, uint32_t rank, int site) {
  constexpr int type = element_type<T>();
  static_assert(type == TL_SIM_TYPE_U32 || type == TL_SIM_TYPE_S32 || (type == TL_SIM_TYPE_U64 && Op == bulk_op::add),
                "into shared memory: 32-bit integers, and add of uint64_t");
  tl_sim_bulk_copy(target, smem, bytes, barrier, static_cast<int>(rank), static_cast<int>(Op), type, site);
}

}  // namespace tl::detail

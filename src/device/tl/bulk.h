// Copies of contiguous bytes by the bulk engine (PTX ISA 9.7.9.25.4 "cp.async.bulk"). One thread issues; addresses are
// aligned to 16 bytes and sizes are multiples of 16. Loads count their bytes on `barrier`; stores belong to the thread's bulk
// group (<tl/bulk_group.h>).
#pragma once
#include <tl/bulk_access.h>
#include <tl/bulk_group.h>

#if TL_HOPPER

namespace tl {

TL_FUNC void bulk_load(void* smem, const void* gmem, uint32_t bytes, uint64_t* barrier TL_SITE_PARAMETER) {
  detail::bulk_load(smem, gmem, bytes, barrier TL_SITE_ARGUMENT);
}
TL_FUNC void bulk_load_hint(void* smem, const void* gmem, uint32_t bytes, uint64_t* barrier, uint64_t policy TL_SITE_PARAMETER) {
  detail::bulk_load_hint(smem, gmem, bytes, barrier, policy TL_SITE_ARGUMENT);
}
// To the same place in every block of the cluster whose bit is set in `mask`.
TL_FUNC void bulk_load_multicast(void* smem, const void* gmem, uint32_t bytes, uint64_t* barrier, uint16_t mask TL_SITE_PARAMETER) {
  detail::bulk_load_multicast(smem, gmem, bytes, barrier, mask TL_SITE_ARGUMENT);
}
TL_FUNC void bulk_store(void* gmem, const void* smem, uint32_t bytes TL_SITE_PARAMETER) {
  detail::bulk_store(gmem, smem, bytes TL_SITE_ARGUMENT);
}
TL_FUNC void bulk_store_hint(void* gmem, const void* smem, uint32_t bytes, uint64_t policy TL_SITE_PARAMETER) {
  detail::bulk_store_hint(gmem, smem, bytes, policy TL_SITE_ARGUMENT);
}
// Shared memory to the shared memory of block `rank`: `target` and `barrier` are places there, named by their counterparts here.
TL_FUNC void bulk_copy_to_rank(void* target, const void* smem, uint32_t bytes, uint64_t* barrier, uint32_t rank TL_SITE_PARAMETER) {
  detail::bulk_copy(target, smem, bytes, barrier, rank TL_SITE_ARGUMENT);
}
// Combines `bytes` bytes of elements of type T with those in global memory, each by one atomic operation.
template <bulk_op Op, class T>
TL_FUNC void bulk_reduce(T* gmem, const void* smem, uint32_t bytes TL_SITE_PARAMETER) {
  detail::bulk_reduce<Op, T>(gmem, smem, bytes TL_SITE_ARGUMENT);
}
// The same into the shared memory of block `rank`; integers only.
template <bulk_op Op, class T>
TL_FUNC void bulk_reduce_to_rank(T* target, const void* smem, uint32_t bytes, uint64_t* barrier, uint32_t rank TL_SITE_PARAMETER) {
  detail::bulk_reduce_shared<Op, T>(target, smem, bytes, barrier, rank TL_SITE_ARGUMENT);
}
// Brings the bytes into L2.
TL_FUNC void bulk_prefetch(const void* gmem, uint32_t bytes) { detail::bulk_prefetch(gmem, bytes); }

}  // namespace tl

#endif

// Bulk copy instructions of a GPU; <tl/bulk.h> says what they mean.
#pragma once
#include <tl/bulk_op.h>
#include <tl/float_types.h>
#include <tl/smem_address.h>

#if TL_HOPPER

namespace tl::detail {

TL_FUNC void bulk_load(void* smem, const void* gmem, uint32_t bytes, uint64_t* barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(smem_address(smem)),
               "l"(__cvta_generic_to_global(gmem)), "r"(bytes), "r"(smem_address(barrier))
               : "memory");
}
TL_FUNC void bulk_load_hint(void* smem, const void* gmem, uint32_t bytes, uint64_t* barrier, uint64_t policy) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], %4;" ::"r"(
                   smem_address(smem)),
               "l"(__cvta_generic_to_global(gmem)), "r"(bytes), "r"(smem_address(barrier)), "l"(policy)
               : "memory");
}
TL_FUNC void bulk_load_multicast(void* smem, const void* gmem, uint32_t bytes, uint64_t* barrier, uint16_t mask) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1], %2, [%3], %4;" ::"r"(
                   smem_address(smem)),
               "l"(__cvta_generic_to_global(gmem)), "r"(bytes), "r"(smem_address(barrier)), "h"(mask)
               : "memory");
}
TL_FUNC void bulk_store(void* gmem, const void* smem, uint32_t bytes) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(__cvta_generic_to_global(gmem)),
               "r"(smem_address(smem)), "r"(bytes)
               : "memory");
}
TL_FUNC void bulk_store_hint(void* gmem, const void* smem, uint32_t bytes, uint64_t policy) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group.L2::cache_hint [%0], [%1], %2, %3;" ::"l"(__cvta_generic_to_global(gmem)),
               "r"(smem_address(smem)), "r"(bytes), "l"(policy)
               : "memory");
}
TL_FUNC void bulk_copy(void* target, const void* smem, uint32_t bytes, uint64_t* barrier, uint32_t rank) {
  asm volatile(
      "{\n .reg .b32 to, signal;\n mapa.shared::cluster.u32 to, %0, %4;\n mapa.shared::cluster.u32 signal, %3, %4;\n"
      " cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [to], [%1], %2, [signal];\n}" ::"r"(smem_address(target)),
      "r"(smem_address(smem)), "r"(bytes), "r"(smem_address(barrier)), "r"(rank)
      : "memory");
}
TL_FUNC void bulk_prefetch(const void* gmem, uint32_t bytes) {
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(__cvta_generic_to_global(gmem)), "r"(bytes) : "memory");
}

#define TL_BULK_REDUCE(operation)                                                                                     \
  asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group." operation " [%0], [%1], %2;" ::"l"(to), "r"(from), \
               "r"(bytes)                                                                                             \
               : "memory")
template <bulk_op Op, class T>
TL_FUNC void bulk_reduce(T* gmem, const void* smem, uint32_t bytes) {
  constexpr bool u32 = is_same<T, uint32_t>, s32 = is_same<T, int32_t>, wide = is_integer<T> && sizeof(T) == 8;
  constexpr bool s64 = is_same<T, long> || is_same<T, long long>, u64 = wide && !s64;
  constexpr bool half = is_same<T, half_t>, bfloat = is_same<T, bfloat16_t>;
  const auto to = __cvta_generic_to_global(gmem);
  const uint32_t from = smem_address(smem);
  if constexpr (Op == bulk_op::add) {
    static_assert(u32 || s32 || wide || half || bfloat || is_wide_float<T>, "add takes 32- and 64-bit integers and floats of 16 bits and more");
    if constexpr (u32) TL_BULK_REDUCE("add.u32");
    if constexpr (s32) TL_BULK_REDUCE("add.s32");
    if constexpr (wide) TL_BULK_REDUCE("add.u64");  // two's complement: the same sum
    if constexpr (half) TL_BULK_REDUCE("add.noftz.f16");
    if constexpr (bfloat) TL_BULK_REDUCE("add.noftz.bf16");
    if constexpr (is_same<T, float>) TL_BULK_REDUCE("add.f32");
    if constexpr (is_same<T, double>) TL_BULK_REDUCE("add.f64");
  } else if constexpr (Op == bulk_op::min || Op == bulk_op::max) {
    static_assert(u32 || s32 || wide || half || bfloat, "min and max take 32- and 64-bit integers and 16-bit floats");
    constexpr bool least = Op == bulk_op::min;
    if constexpr (u32 && least) TL_BULK_REDUCE("min.u32");
    if constexpr (u32 && !least) TL_BULK_REDUCE("max.u32");
    if constexpr (s32 && least) TL_BULK_REDUCE("min.s32");
    if constexpr (s32 && !least) TL_BULK_REDUCE("max.s32");
    if constexpr (u64 && least) TL_BULK_REDUCE("min.u64");
    if constexpr (u64 && !least) TL_BULK_REDUCE("max.u64");
    if constexpr (s64 && least) TL_BULK_REDUCE("min.s64");
    if constexpr (s64 && !least) TL_BULK_REDUCE("max.s64");
    if constexpr (half && least) TL_BULK_REDUCE("min.f16");
    if constexpr (half && !least) TL_BULK_REDUCE("max.f16");
    if constexpr (bfloat && least) TL_BULK_REDUCE("min.bf16");
    if constexpr (bfloat && !least) TL_BULK_REDUCE("max.bf16");
  } else if constexpr (Op == bulk_op::inc || Op == bulk_op::dec) {
    static_assert(u32, "inc and dec take uint32_t");
    if constexpr (Op == bulk_op::inc) TL_BULK_REDUCE("inc.u32");
    else TL_BULK_REDUCE("dec.u32");
  } else {
    static_assert(is_integer<T> && sizeof(T) >= 4, "and, or, xor take 32- and 64-bit integers");
    if constexpr (Op == bulk_op::bit_and && sizeof(T) == 4) TL_BULK_REDUCE("and.b32");
    if constexpr (Op == bulk_op::bit_or && sizeof(T) == 4) TL_BULK_REDUCE("or.b32");
    if constexpr (Op == bulk_op::bit_xor && sizeof(T) == 4) TL_BULK_REDUCE("xor.b32");
    if constexpr (Op == bulk_op::bit_and && sizeof(T) == 8) TL_BULK_REDUCE("and.b64");
    if constexpr (Op == bulk_op::bit_or && sizeof(T) == 8) TL_BULK_REDUCE("or.b64");
    if constexpr (Op == bulk_op::bit_xor && sizeof(T) == 8) TL_BULK_REDUCE("xor.b64");
  }
}
#undef TL_BULK_REDUCE

#define TL_BULK_REDUCE_SHARED(operation)                                                                                       \
  asm volatile(                                                                                                                \
      "{\n .reg .b32 to, signal;\n mapa.shared::cluster.u32 to, %0, %4;\n mapa.shared::cluster.u32 signal, %3, %4;\n"          \
      " cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes." operation " [to], [%1], %2, [signal];\n}" \
      ::"r"(smem_address(target)), "r"(smem_address(smem)), "r"(bytes), "r"(smem_address(barrier)), "r"(rank)                  \
      : "memory")
template <bulk_op Op, class T>
TL_FUNC void bulk_reduce_shared(T* target, const void* smem, uint32_t bytes, uint64_t* barrier, uint32_t rank) {
  constexpr bool u32 = is_same<T, uint32_t>, s32 = is_same<T, int32_t>, u64 = is_same<T, unsigned long> || is_same<T, unsigned long long>;
  static_assert(u32 || s32 || (u64 && Op == bulk_op::add), "into shared memory: 32-bit integers, and add of uint64_t");
  if constexpr (Op == bulk_op::add && u32) TL_BULK_REDUCE_SHARED("add.u32");
  if constexpr (Op == bulk_op::add && s32) TL_BULK_REDUCE_SHARED("add.s32");
  if constexpr (Op == bulk_op::add && u64) TL_BULK_REDUCE_SHARED("add.u64");
  if constexpr (Op == bulk_op::min && u32) TL_BULK_REDUCE_SHARED("min.u32");
  if constexpr (Op == bulk_op::min && s32) TL_BULK_REDUCE_SHARED("min.s32");
  if constexpr (Op == bulk_op::max && u32) TL_BULK_REDUCE_SHARED("max.u32");
  if constexpr (Op == bulk_op::max && s32) TL_BULK_REDUCE_SHARED("max.s32");
  if constexpr (Op == bulk_op::inc) TL_BULK_REDUCE_SHARED("inc.u32");
  if constexpr (Op == bulk_op::dec) TL_BULK_REDUCE_SHARED("dec.u32");
  if constexpr (Op == bulk_op::bit_and) TL_BULK_REDUCE_SHARED("and.b32");
  if constexpr (Op == bulk_op::bit_or) TL_BULK_REDUCE_SHARED("or.b32");
  if constexpr (Op == bulk_op::bit_xor) TL_BULK_REDUCE_SHARED("xor.b32");
}
#undef TL_BULK_REDUCE_SHARED

}  // namespace tl::detail

#endif

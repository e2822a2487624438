// Tensor copy instructions of a GPU; <tl/tma.h> says what they mean.
#pragma once
#include <tl/bulk_op.h>
#include <tl/smem_address.h>
#include <tl/tensor_map.h>

#if TL_HOPPER

namespace tl::detail {

using map_argument = const tensor_map*;

TL_FUNC void prefetch_map(map_argument map) { asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory"); }

// Each rank's list of coordinates, and its operands.
#define TL_TMA_EACH_RANK(use)                                                       \
  use(1, "{%5}", "r"(c[0]))                                                          \
  use(2, "{%5, %6}", "r"(c[0]), "r"(c[1]))                                           \
  use(3, "{%5, %6, %7}", "r"(c[0]), "r"(c[1]), "r"(c[2]))                            \
  use(4, "{%5, %6, %7, %8}", "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]))             \
  use(5, "{%5, %6, %7, %8, %9}", "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]), "r"(c[4]))

// Operands: %0 shared address, %1 map, %2 barrier, %3 mask, %4 policy, %5.. coordinates.
#define TL_TMA_LOAD(rank, list, ...)                                                                                             \
  if constexpr (Rank == rank && !Multicast && !Hint) {                                                                           \
    asm volatile("cp.async.bulk.tensor." #rank "d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, " list "], [%2];" \
                 ::"r"(target), "l"(map), "r"(signal), "h"(mask), "l"(policy), __VA_ARGS__ : "memory");                          \
  } else if constexpr (Rank == rank && !Multicast) {                                                                             \
    asm volatile("cp.async.bulk.tensor." #rank "d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1, " \
                 list "], [%2], %4;" ::"r"(target), "l"(map), "r"(signal), "h"(mask), "l"(policy), __VA_ARGS__ : "memory");      \
  } else if constexpr (Rank == rank && !Hint) {                                                                                  \
    asm volatile("cp.async.bulk.tensor." #rank "d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, " \
                 list "], [%2], %3;" ::"r"(target), "l"(map), "r"(signal), "h"(mask), "l"(policy), __VA_ARGS__ : "memory");      \
  } else if constexpr (Rank == rank) {                                                                                           \
    asm volatile("cp.async.bulk.tensor." #rank "d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster.L2::cache_hint " \
                 "[%0], [%1, " list "], [%2], %3, %4;" ::"r"(target), "l"(map), "r"(signal), "h"(mask), "l"(policy), __VA_ARGS__ \
                 : "memory");                                                                                                    \
  }

template <int Rank, bool Multicast, bool Hint>
TL_FUNC void tensor_load(void* smem, map_argument map, uint64_t* barrier, const int32_t* c, uint16_t mask, uint64_t policy) {
  static_assert(Rank >= 1 && Rank <= 5, "a tensor map has 1 to 5 dimensions");
  const uint32_t target = smem_address(smem), signal = smem_address(barrier);
  TL_TMA_EACH_RANK(TL_TMA_LOAD)
}
#undef TL_TMA_LOAD

// %0 shared address, %1 map, %2 barrier, %3 mask, %4.. coordinates, then offsets.
#define TL_TMA_IM2COL(rank, list, offsets, ...)                                                                                  \
  if constexpr (Rank == rank && !Multicast) {                                                                                    \
    asm volatile("cp.async.bulk.tensor." #rank "d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%0], [%1, " list     \
                 "], [%2], " offsets ";" ::"r"(target), "l"(map), "r"(signal), "h"(mask), __VA_ARGS__ : "memory");               \
  } else if constexpr (Rank == rank) {                                                                                           \
    asm volatile("cp.async.bulk.tensor." #rank "d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, " \
                 list "], [%2], " offsets ", %3;" ::"r"(target), "l"(map), "r"(signal), "h"(mask), __VA_ARGS__ : "memory");      \
  }

template <int Rank, bool Multicast>
TL_FUNC void im2col_load(void* smem, map_argument map, uint64_t* barrier, const int32_t* c, uint16_t mask) {
  const uint32_t target = smem_address(smem), signal = smem_address(barrier);
  TL_TMA_IM2COL(3, "{%4, %5, %6}", "{%7}", "r"(c[0]), "r"(c[1]), "r"(c[2]), "h"(static_cast<uint16_t>(c[3])))
  TL_TMA_IM2COL(4, "{%4, %5, %6, %7}", "{%8, %9}", "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]), "h"(static_cast<uint16_t>(c[4])),
                "h"(static_cast<uint16_t>(c[5])))
  TL_TMA_IM2COL(5, "{%4, %5, %6, %7, %8}", "{%9, %10, %11}", "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]), "r"(c[4]),
                "h"(static_cast<uint16_t>(c[5])), "h"(static_cast<uint16_t>(c[6])), "h"(static_cast<uint16_t>(c[7])))
}
#undef TL_TMA_IM2COL

// %0 shared address, %1 map, %2 policy, %3 and %4 unused, %5.. coordinates.
#define TL_TMA_STORE(rank, list, ...)                                                                                        \
  if constexpr (Rank == rank && !Hint) {                                                                                     \
    asm volatile("cp.async.bulk.tensor." #rank "d.global.shared::cta.bulk_group [%1, " list "], [%0];" ::"r"(source), "l"(map), \
                 "l"(policy), "n"(0), "n"(0), __VA_ARGS__ : "memory");                                                       \
  } else if constexpr (Rank == rank) {                                                                                       \
    asm volatile("cp.async.bulk.tensor." #rank "d.global.shared::cta.bulk_group.L2::cache_hint [%1, " list "], [%0], %2;"      \
                 ::"r"(source), "l"(map), "l"(policy), "n"(0), "n"(0), __VA_ARGS__ : "memory");                              \
  }

template <int Rank, bool Hint>
TL_FUNC void tensor_store(map_argument map, const void* smem, const int32_t* c, uint64_t policy) {
  static_assert(Rank >= 1 && Rank <= 5, "a tensor map has 1 to 5 dimensions");
  const uint32_t source = smem_address(smem);
  TL_TMA_EACH_RANK(TL_TMA_STORE)
}
#undef TL_TMA_STORE

#define TL_TMA_IM2COL_STORE(rank, list, ...)                                                                             \
  if constexpr (Rank == rank) {                                                                                          \
    asm volatile("cp.async.bulk.tensor." #rank "d.global.shared::cta.im2col_no_offs.bulk_group [%1, " list "], [%0];"      \
                 ::"r"(source), "l"(map), "n"(0), "n"(0), "n"(0), __VA_ARGS__ : "memory");                               \
  }
template <int Rank>
TL_FUNC void im2col_store(map_argument map, const void* smem, const int32_t* c) {
  static_assert(Rank >= 3 && Rank <= 5, "im2col takes 3 to 5 dimensions");
  const uint32_t source = smem_address(smem);
  TL_TMA_IM2COL_STORE(3, "{%5, %6, %7}", "r"(c[0]), "r"(c[1]), "r"(c[2]))
  TL_TMA_IM2COL_STORE(4, "{%5, %6, %7, %8}", "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]))
  TL_TMA_IM2COL_STORE(5, "{%5, %6, %7, %8, %9}", "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]), "r"(c[4]))
}
#undef TL_TMA_IM2COL_STORE

#define TL_TMA_REDUCE_AS(operation, rank, list, ...)                                                                          \
  asm volatile("cp.reduce.async.bulk.tensor." #rank "d.global.shared::cta." operation ".tile.bulk_group [%1, " list "], [%0];" \
               ::"r"(source), "l"(map), "n"(0), "n"(0), "n"(0), __VA_ARGS__ : "memory");
#define TL_TMA_REDUCE(rank, list, ...)                                                              \
  if constexpr (Rank == rank) {                                                                     \
    if constexpr (Op == bulk_op::add) TL_TMA_REDUCE_AS("add", rank, list, __VA_ARGS__)              \
    if constexpr (Op == bulk_op::min) TL_TMA_REDUCE_AS("min", rank, list, __VA_ARGS__)              \
    if constexpr (Op == bulk_op::max) TL_TMA_REDUCE_AS("max", rank, list, __VA_ARGS__)              \
    if constexpr (Op == bulk_op::inc) TL_TMA_REDUCE_AS("inc", rank, list, __VA_ARGS__)              \
    if constexpr (Op == bulk_op::dec) TL_TMA_REDUCE_AS("dec", rank, list, __VA_ARGS__)              \
    if constexpr (Op == bulk_op::bit_and) TL_TMA_REDUCE_AS("and", rank, list, __VA_ARGS__)          \
    if constexpr (Op == bulk_op::bit_or) TL_TMA_REDUCE_AS("or", rank, list, __VA_ARGS__)            \
    if constexpr (Op == bulk_op::bit_xor) TL_TMA_REDUCE_AS("xor", rank, list, __VA_ARGS__)          \
  }
template <bulk_op Op, int Rank>
TL_FUNC void tensor_reduce(map_argument map, const void* smem, const int32_t* c) {
  static_assert(Rank >= 1 && Rank <= 5, "a tensor map has 1 to 5 dimensions");
  const uint32_t source = smem_address(smem);
  TL_TMA_EACH_RANK(TL_TMA_REDUCE)
}
#undef TL_TMA_REDUCE
#undef TL_TMA_REDUCE_AS

#define TL_TMA_PREFETCH(rank, list, ...)                                                                                             \
  if constexpr (Rank == rank) {                                                                                                      \
    asm volatile("cp.async.bulk.prefetch.tensor." #rank "d.L2.global [%0, " list "];" ::"l"(map), "n"(0), "n"(0), "n"(0), "n"(0), __VA_ARGS__ \
                 : "memory");                                                                                                        \
  }
template <int Rank>
TL_FUNC void tensor_prefetch(map_argument map, const int32_t* c) {
  static_assert(Rank >= 1 && Rank <= 5, "a tensor map has 1 to 5 dimensions");
  TL_TMA_EACH_RANK(TL_TMA_PREFETCH)
}
#undef TL_TMA_PREFETCH
#undef TL_TMA_EACH_RANK

}  // namespace tl::detail

#endif

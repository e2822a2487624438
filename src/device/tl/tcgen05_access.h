// tcgen05 instructions of a GPU; <tl/tcgen05.h> says what they mean.
#pragma once
#include <tl/smem_address.h>
#include <tl/tcgen05/registers.h>
#include <tl/tcgen05_rules.h>

#if TL_BLACKWELL

namespace tl {
namespace detail {

#define TL_TCGEN05_GROUP(group, before, after, ...)                                     \
  if constexpr (group == 1) asm volatile(before ".cta_group::1" after __VA_ARGS__);     \
  else asm volatile(before ".cta_group::2" after __VA_ARGS__)

template <int Columns, int Group>
TL_FUNC void tcgen05_alloc(uint32_t* address) {
  TL_TCGEN05_GROUP(Group, "tcgen05.alloc", ".sync.aligned.shared::cta.b32 [%0], %1;", ::"r"(smem_address(address)), "n"(Columns) : "memory");
}
template <int Columns, int Group>
TL_FUNC void tcgen05_dealloc(uint32_t address) {
  TL_TCGEN05_GROUP(Group, "tcgen05.dealloc", ".sync.aligned.b32 %0, %1;", ::"r"(address), "n"(Columns) : "memory");
}
template <int Group>
TL_FUNC void tcgen05_relinquish() {
  TL_TCGEN05_GROUP(Group, "tcgen05.relinquish_alloc_permit", ".sync.aligned;", ::: "memory");
}

TL_FUNC void tcgen05_fence_before() { asm volatile("tcgen05.fence::before_thread_sync;" ::: "memory"); }
TL_FUNC void tcgen05_fence_after() { asm volatile("tcgen05.fence::after_thread_sync;" ::: "memory"); }
TL_FUNC void tcgen05_wait_ld() { asm volatile("tcgen05.wait::ld.sync.aligned;" ::: "memory"); }
TL_FUNC void tcgen05_wait_st() { asm volatile("tcgen05.wait::st.sync.aligned;" ::: "memory"); }

// Accumulators of 32 bits keep their type: an array that is seen as another type may end up in memory.
template <int Columns, class T>
TL_FUNC void tcgen05_ld(T* registers, uint32_t address) {
  if constexpr (is_same<T, float>) tcgen05_registers<Columns>::load(registers, address);
  else tcgen05_registers<Columns>::load(reinterpret_cast<uint32_t*>(registers), address);
}
template <int Columns, class T>
TL_FUNC void tcgen05_st(uint32_t address, const T* registers) {
  if constexpr (is_same<T, float>) tcgen05_registers<Columns>::store(address, registers);
  else tcgen05_registers<Columns>::store(address, reinterpret_cast<const uint32_t*>(registers));
}

#define TL_TCGEN05_MMA(kind, a, type)                                                                                         \
  TL_TCGEN05_GROUP(Group, "{\n .reg .pred p;\n setp.ne.b32 p, %4, 0;\n tcgen05.mma", ".kind::" kind " [%0], " a ", %2, %3, p;\n}", \
                   ::"r"(d), type(left), "l"(b), "r"(instruction), "r"(static_cast<int>(accumulate)) : "memory")
#define TL_TCGEN05_KINDS(instruction, a, type)                            \
  if constexpr (Kind == tcgen05_f16) {                                    \
    instruction("f16", a, type);                                          \
  } else if constexpr (Kind == tcgen05_tf32) {                            \
    instruction("tf32", a, type);                                         \
  } else if constexpr (Kind == tcgen05_f8f6f4) {                          \
    instruction("f8f6f4", a, type);                                       \
  } else {                                                                \
    instruction("i8", a, type);                                           \
  }

template <tcgen05_kind Kind, int Group>
TL_FUNC void tcgen05_mma_ss(uint32_t d, uint64_t left, uint64_t b, uint32_t instruction, bool accumulate) {
  TL_TCGEN05_KINDS(TL_TCGEN05_MMA, "%1", "l")
}
template <tcgen05_kind Kind, int Group>
TL_FUNC void tcgen05_mma_ts(uint32_t d, uint32_t left, uint64_t b, uint32_t instruction, bool accumulate) {
  TL_TCGEN05_KINDS(TL_TCGEN05_MMA, "[%1]", "r")
}

#define TL_TCGEN05_MASKED(kind, a, type)                                                                                                \
  asm volatile("{\n .reg .pred p;\n setp.ne.b32 p, %4, 0;\n tcgen05.mma.cta_group::1.kind::" kind " [%0], " a ", %2, %3, {%5, %6, %7, %8}, p;\n}" \
               ::"r"(d), type(left), "l"(b), "r"(instruction), "r"(static_cast<int>(accumulate)), "r"(kept[0]), "r"(kept[1]), "r"(kept[2]),  \
               "r"(kept[3]) : "memory")
#define TL_TCGEN05_WIDE(kind, a, type)                                                                                                  \
  asm volatile("{\n .reg .pred p;\n setp.ne.b32 p, %4, 0;\n tcgen05.mma.ws.cta_group::1.kind::" kind " [%0], " a ", %2, %3, p;\n}"         \
               ::"r"(d), type(left), "l"(b), "r"(instruction), "r"(static_cast<int>(accumulate)) : "memory")

template <tcgen05_kind Kind>
TL_FUNC void tcgen05_mma_masked_ss(uint32_t d, uint64_t left, uint64_t b, uint32_t instruction, bool accumulate, const uint32_t* kept) {
  TL_TCGEN05_KINDS(TL_TCGEN05_MASKED, "%1", "l")
}
template <tcgen05_kind Kind>
TL_FUNC void tcgen05_mma_masked_ts(uint32_t d, uint32_t left, uint64_t b, uint32_t instruction, bool accumulate, const uint32_t* kept) {
  TL_TCGEN05_KINDS(TL_TCGEN05_MASKED, "[%1]", "r")
}
template <tcgen05_kind Kind>
TL_FUNC void tcgen05_mma_wide_ss(uint32_t d, uint64_t left, uint64_t b, uint32_t instruction, bool accumulate) {
  TL_TCGEN05_KINDS(TL_TCGEN05_WIDE, "%1", "l")
}
template <tcgen05_kind Kind>
TL_FUNC void tcgen05_mma_wide_ts(uint32_t d, uint32_t left, uint64_t b, uint32_t instruction, bool accumulate) {
  TL_TCGEN05_KINDS(TL_TCGEN05_WIDE, "[%1]", "r")
}

template <int Group>
TL_FUNC void tcgen05_mma_scaled(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction, uint32_t scale_a, uint32_t scale_b, bool accumulate) {
  TL_TCGEN05_GROUP(Group, "{\n .reg .pred p;\n setp.ne.b32 p, %6, 0;\n tcgen05.mma",
                   ".kind::mxf8f6f4.block_scale.scale_vec::1X [%0], %1, %2, %3, [%4], [%5], p;\n}", ::"r"(d), "l"(a), "l"(b), "r"(instruction),
                   "r"(scale_a), "r"(scale_b), "r"(static_cast<int>(accumulate)) : "memory");
}
template <int Group>
TL_FUNC void tcgen05_cp_warpx4(uint32_t address, uint64_t rows) {
  TL_TCGEN05_GROUP(Group, "tcgen05.cp", ".32x128b.warpx4 [%0], %1;", ::"r"(address), "l"(rows) : "memory");
}
template <int Group>
TL_FUNC void tcgen05_shift(uint32_t address) {
  TL_TCGEN05_GROUP(Group, "tcgen05.shift", ".down [%0];", ::"r"(address) : "memory");
}
template <int Group>
TL_FUNC void tcgen05_commit(uint64_t* barrier) {
  TL_TCGEN05_GROUP(Group, "tcgen05.commit", ".mbarrier::arrive::one.shared::cluster.b64 [%0];", ::"r"(smem_address(barrier)) : "memory");
}

#undef TL_TCGEN05_KINDS
#undef TL_TCGEN05_WIDE
#undef TL_TCGEN05_MASKED
#undef TL_TCGEN05_MMA
#undef TL_TCGEN05_GROUP

TL_FUNC void tcgen05_commit_pair(uint64_t* barrier, uint16_t blocks) {
  asm volatile("tcgen05.commit.cta_group::2.mbarrier::arrive::one.shared::cluster.multicast::cluster.b64 [%0], %1;" ::"r"(smem_address(barrier)),
               "h"(blocks)
               : "memory");
}

}  // namespace detail

// Holds registers in place: the compiler knows nothing of registers that are written later, and would move reads of them before the
// wait. After every tcgen05_wait_ld whose registers are read.
template <int Columns, class T>
TL_FUNC void tcgen05_pin(T* registers) {
  if constexpr (is_same<T, float>) detail::tcgen05_registers<Columns>::pin(registers);
  else detail::tcgen05_registers<Columns>::pin(reinterpret_cast<uint32_t*>(registers));
}

}  // namespace tl

#endif

// Tensor memory and the matrix instructions that work on it, sm_100a (PTX ISA 9.7.16 "tcgen05").
// Tensor memory is 128 lanes of 512 columns of 32 bits. An address is lane << 16 | column. Warp w of a block reaches lanes
// 32 * (w % 4) to 32 * (w % 4) + 31, one lane of the warp each.
//   order     tcgen05.mma runs asynchronously; tcgen05_commit makes an mbarrier tell when the products issued so far are over.
//             Loads are over after tcgen05_wait_ld, stores after tcgen05_wait_st. Where one thread's operation follows another's,
//             it needs tcgen05_fence_before() there, a barrier, and tcgen05_fence_after() here.
//   operands  half_t (to float or half_t), bfloat16_t, float (tf32: the lower 13 bits are ignored), 8-bit floats in any mix, int8_t
//             and uint8_t in any mix (to int32_t); K is 32 bytes: 16, 8 or 32 elements
//   A, B      tiles in shared memory by descriptor; A also in tensor memory: row i in lane i, packed 32 bits to a column
//   pairs     Group 2, in every instruction of the kernel: two blocks of a cluster, of ranks 2i and 2i + 1. One thread of one of them
//             issues. M is that of both: each has its half of the rows of A and of D, and half of the columns of B, at the same places.
//             With M of 128, D's second half of columns is in lanes 64 to 127.
//   D         row i in lane i (M of 64: in lane i / 16 * 32 + i % 16), column j in column j, 16-bit elements in its lower half
#pragma once
#include <tl/tcgen05_access.h>

#if TL_BLACKWELL

namespace tl {

// The 64 bits that describe a tile (PTX ISA 9.7.16.4.1 "Shared memory descriptor"); offsets as in wgmma_descriptor of <tl/wgmma.h>.
template <int Swizzle>
TL_FUNC uint64_t tcgen05_descriptor(const void* smem, uint32_t leading_offset, uint32_t stride_offset) {
  static_assert(Swizzle == 0 || Swizzle == 32 || Swizzle == 64 || Swizzle == 128, "swizzle spans are 0, 32, 64 or 128 bytes");
  constexpr uint64_t mode = Swizzle == 128 ? 2 : Swizzle == 64 ? 4 : Swizzle == 32 ? 6 : 0;
  return static_cast<uint64_t>((detail::smem_address(smem) & 0x3ffffu) >> 4) | static_cast<uint64_t>((leading_offset & 0x3ffffu) >> 4) << 16 |
         static_cast<uint64_t>((stride_offset & 0x3ffffu) >> 4) << 32 | uint64_t{1} << 46 | mode << 61;
}

// Columns for the block (Group 2: for both blocks of a pair), by one warp; waits until there are so many. Their address goes to shared
// memory. The same number is to be given back, by one warp, before the block ends.
template <int Columns, int Group = 1>
TL_FUNC void tcgen05_alloc(uint32_t* address TL_SITE_PARAMETER) {
  static_assert(Columns >= 32 && Columns <= 512 && (Columns & (Columns - 1)) == 0, "columns are allocated by powers of two, 32 to 512");
  detail::tcgen05_alloc<Columns, Group>(address TL_SITE_ARGUMENT);
}
template <int Columns, int Group = 1>
TL_FUNC void tcgen05_dealloc(uint32_t address TL_SITE_PARAMETER) {
  detail::tcgen05_dealloc<Columns, Group>(address TL_SITE_ARGUMENT);
}
// The block allocates no more: another one on the multiprocessor may.
template <int Group = 1>
TL_FUNC void tcgen05_relinquish(TL_SITE_PARAMETER_ALONE) {
  detail::tcgen05_relinquish<Group>(TL_SITE_ARGUMENT_ALONE);
}

TL_FUNC void tcgen05_fence_before(TL_SITE_PARAMETER_ALONE) { detail::tcgen05_fence_before(TL_SITE_ARGUMENT_ALONE); }
TL_FUNC void tcgen05_fence_after(TL_SITE_PARAMETER_ALONE) { detail::tcgen05_fence_after(TL_SITE_ARGUMENT_ALONE); }

// Columns [address, address + Columns) of the warp's lanes, from or to registers: 4 * Columns bytes a thread. Register arrays are
// to be pinned after the wait, before they are read.
template <int Columns, class T>
TL_FUNC void tcgen05_ld(T* registers, uint32_t address TL_SITE_PARAMETER) {
  detail::tcgen05_ld<Columns>(registers, address TL_SITE_ARGUMENT);
}
template <int Columns, class T>
TL_FUNC void tcgen05_st(uint32_t address, const T* registers TL_SITE_PARAMETER) {
  detail::tcgen05_st<Columns>(address, registers TL_SITE_ARGUMENT);
}
TL_FUNC void tcgen05_wait_ld(TL_SITE_PARAMETER_ALONE) { detail::tcgen05_wait_ld(TL_SITE_ARGUMENT_ALONE); }
TL_FUNC void tcgen05_wait_st(TL_SITE_PARAMETER_ALONE) { detail::tcgen05_wait_st(TL_SITE_ARGUMENT_ALONE); }

// D += A * B, or D = A * B, by one thread. Transposed: MN-major.
template <class A, class B, class C, int M, int N, bool TransA = false, bool TransB = false, int Group = 1>
TL_FUNC void tcgen05_mma_ss(uint32_t d, uint64_t a, uint64_t b, bool accumulate TL_SITE_PARAMETER) {
  detail::check_tcgen05<A, B, C, M, N, TransA, TransB, Group>();
  detail::tcgen05_mma_ss<detail::tcgen05_kind_of<A>(), Group>(d, a, b, detail::tcgen05_instruction<A, B, C, M, N, TransA, TransB>(),
                                                             accumulate TL_SITE_ARGUMENT);
}
template <class A, class B, class C, int M, int N, bool TransB = false, int Group = 1>
TL_FUNC void tcgen05_mma_ts(uint32_t d, uint32_t a, uint64_t b, bool accumulate TL_SITE_PARAMETER) {
  detail::check_tcgen05<A, B, C, M, N, false, TransB, Group>();
  detail::tcgen05_mma_ts<detail::tcgen05_kind_of<A>(), Group>(d, a, b, detail::tcgen05_instruction<A, B, C, M, N, false, TransB>(),
                                                             accumulate TL_SITE_ARGUMENT);
}

// The same by an instruction descriptor made by hand; Kind is a number of tcgen05_kind. Lanes whose bits are set keep their D. Wide: .ws, of
// M 32, 64 or 128 and N 64, 128 or 256, where M of 64 has D's second half of columns in lanes 64 to 127, M of 32 a quarter in each 32 lanes.
template <int Kind, bool Wide = false, int Group = 1>
TL_FUNC void tcgen05_issue_ss(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction, bool accumulate TL_SITE_PARAMETER) {
  detail::check_tcgen05_issue<Kind, Wide, Group>();
  constexpr auto kind = static_cast<detail::tcgen05_kind>(Kind);
  if constexpr (Wide) detail::tcgen05_mma_wide_ss<kind>(d, a, b, instruction, accumulate TL_SITE_ARGUMENT);
  else detail::tcgen05_mma_ss<kind, Group>(d, a, b, instruction, accumulate TL_SITE_ARGUMENT);
}
template <int Kind, bool Wide = false, int Group = 1>
TL_FUNC void tcgen05_issue_ts(uint32_t d, uint32_t a, uint64_t b, uint32_t instruction, bool accumulate TL_SITE_PARAMETER) {
  detail::check_tcgen05_issue<Kind, Wide, Group>();
  constexpr auto kind = static_cast<detail::tcgen05_kind>(Kind);
  if constexpr (Wide) detail::tcgen05_mma_wide_ts<kind>(d, a, b, instruction, accumulate TL_SITE_ARGUMENT);
  else detail::tcgen05_mma_ts<kind, Group>(d, a, b, instruction, accumulate TL_SITE_ARGUMENT);
}
template <int Kind>
TL_FUNC void tcgen05_issue_masked_ss(uint32_t d, uint64_t a, uint64_t b, uint32_t instruction, bool accumulate, uint32_t lanes0,
                                     uint32_t lanes1, uint32_t lanes2, uint32_t lanes3 TL_SITE_PARAMETER) {
  detail::check_tcgen05_issue<Kind, false, 1>();
  const uint32_t kept[4] = {lanes0, lanes1, lanes2, lanes3};
  detail::tcgen05_mma_masked_ss<static_cast<detail::tcgen05_kind>(Kind)>(d, a, b, instruction, accumulate, kept TL_SITE_ARGUMENT);
}
template <int Kind>
TL_FUNC void tcgen05_issue_masked_ts(uint32_t d, uint32_t a, uint64_t b, uint32_t instruction, bool accumulate, uint32_t lanes0,
                                     uint32_t lanes1, uint32_t lanes2, uint32_t lanes3 TL_SITE_PARAMETER) {
  detail::check_tcgen05_issue<Kind, false, 1>();
  const uint32_t kept[4] = {lanes0, lanes1, lanes2, lanes3};
  detail::tcgen05_mma_masked_ts<static_cast<detail::tcgen05_kind>(Kind)>(d, a, b, instruction, accumulate, kept TL_SITE_ARGUMENT);
}

// Block scales: D += (A * scale_A) (B * scale_B) of 8-bit floats, M of 128 for each block. A scale is a power of two (float8_e8m0fnu)
// for 32 elements along k. Row r of A, or column r of B, has its scales in lane r % 32 of column r / 32 from `scale` on, once for each
// quarter of the lanes; four of them are in a column, of which `id` picks one (PTX ISA 9.7.16.10.7 "Block scaling").
template <class A, class B, int M, int N, bool TransA = false, bool TransB = false, int Group = 1>
TL_FUNC void tcgen05_mma_scaled(uint32_t d, uint64_t a, uint64_t b, uint32_t scale_a, uint32_t scale_b, uint32_t id_a, uint32_t id_b,
                                bool accumulate TL_SITE_PARAMETER) {
  detail::check_tcgen05<A, B, float, M, N, TransA, TransB, Group>();
  static_assert(sizeof(A) == 1 && sizeof(B) == 1 && !is_integer<A> && M == 128 * Group, "8-bit floats, 128 rows in each block");
  const uint32_t instruction = detail::tcgen05_scaled_instruction<A, B, M, N, TransA, TransB>() | (id_b & 3) << 4 | (id_a & 3) << 29;
  detail::tcgen05_mma_scaled<Group>(d, a, b, instruction, scale_a, scale_b, accumulate TL_SITE_ARGUMENT);
}

// 32 rows of 16 bytes by descriptor (without swizzle) to four columns, into each quarter of the lanes; by one thread, and in order with
// its products. Commits tell when it is over.
template <int Group = 1>
TL_FUNC void tcgen05_cp_warpx4(uint32_t address, uint64_t rows TL_SITE_PARAMETER) {
  detail::tcgen05_cp_warpx4<Group>(address, rows TL_SITE_ARGUMENT);
}

// 32 rows from a lane that is a multiple of 32, eight columns: each row but the last moves one row down, over the next; the first stays.
// By one thread, and in order with its products.
template <int Group = 1>
TL_FUNC void tcgen05_shift(uint32_t address TL_SITE_PARAMETER) {
  detail::tcgen05_shift<Group>(address TL_SITE_ARGUMENT);
}

// One arrival on the barrier when everything that this thread has issued is over. With a mask, for pairs: on the barriers at the same
// place in those blocks of the cluster.
template <int Group = 1>
TL_FUNC void tcgen05_commit(uint64_t* barrier TL_SITE_PARAMETER) {
  detail::tcgen05_commit<Group>(barrier TL_SITE_ARGUMENT);
}
TL_FUNC void tcgen05_commit_pair(uint64_t* barrier, uint16_t blocks TL_SITE_PARAMETER) {
  detail::tcgen05_commit_pair(barrier, blocks TL_SITE_ARGUMENT);
}

}  // namespace tl

#endif

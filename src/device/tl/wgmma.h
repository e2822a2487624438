// Warpgroup matrix multiply-accumulate, D += A * B with D 64 x N (PTX ISA 9.7.15 "wgmma"). All 128 threads of a warpgroup
// take part. Include <tl/wgmma/m64n<N>.h> for each N in use: N is a multiple of 8 up to 256 (8-bit integers: of 16 above 32).
//   operands  half_t (to float or half_t), bfloat16_t, float (tf32: the lower 13 bits are ignored), float8_* in any mix (to
//             float or half_t), int8_t and uint8_t in any mix (to int32_t); K is 32 bytes: 16, 8 or 32 elements
//   A, B      tiles in shared memory by descriptor; A also in registers: elements of 16 bytes, in the order of <tl/mma.h>'s a[]
//   D         N/2 elements: 4j + e is row 16*warp + lane/4 + 8*(e/2), column 8j + 2*(lane%4) + e%2; half_t aligned to 4 bytes
// Order: write registers, wgmma_fence(), wgmma_ss/rs..., wgmma_commit(), wgmma_wait<>(), wgmma_pin<N>(d), read registers.
#pragma once
#include <tl/wgmma_access.h>

#if TL_HOPPER

namespace tl {

// The 64 bits that describe a tile (PTX ISA 9.7.15.5.1.2.2 "Matrix Descriptor Format"). `Swizzle` is the span in bytes of the
// tile's swizzle, 0, 32, 64 or 128; offsets are in bytes.
//   K-major        stride_offset: from 8 rows to the next 8; leading_offset: without swizzle, between the halves of a row
//   MN-major       with swizzle: stride_offset from 8 k to the next 8, leading_offset from one span of elements to the next;
//                  without: stride_offset between chunks of 8 elements, leading_offset from 8 k to the next 8
template <int Swizzle>
TL_FUNC uint64_t wgmma_descriptor(const void* smem, uint32_t leading_offset, uint32_t stride_offset) {
  static_assert(Swizzle == 0 || Swizzle == 32 || Swizzle == 64 || Swizzle == 128, "swizzle spans are 0, 32, 64 or 128 bytes");
  constexpr uint64_t mode = Swizzle == 128 ? 1 : Swizzle == 64 ? 2 : Swizzle == 32 ? 3 : 0;
  return static_cast<uint64_t>((detail::smem_address(smem) & 0x3ffffu) >> 4) | static_cast<uint64_t>((leading_offset & 0x3ffffu) >> 4) << 16 |
         static_cast<uint64_t>((stride_offset & 0x3ffffu) >> 4) << 32 | mode << 62;
}
// The same tile `bytes` further on, a multiple of 16: the next step of K.
TL_FUNC uint64_t wgmma_advance(uint64_t descriptor, uint32_t bytes) { return descriptor + (bytes >> 4); }

// A and B in shared memory. Transposed (MN-major): 16-bit types only. A scale of -1 negates the operand (not integers).
// accumulate false: D = A * B. Where that is certain, `overwrite()` instead of false: what D held is then not kept up to there.
template <class A, class B, int N, bool TransA = false, bool TransB = false, int ScaleA = 1, int ScaleB = 1, class C, class Keep>
TL_FUNC void wgmma_ss(C* d, uint64_t a, uint64_t b, Keep accumulate TL_SITE_PARAMETER) {
  detail::check_wgmma<A, B, C, N, TransA, TransB, ScaleA, ScaleB>();
  detail::wgmma_ss<A, B, N, TransA, TransB, ScaleA, ScaleB>(d, a, b, accumulate TL_SITE_ARGUMENT);
}

// A in registers, which must not change until the group has been waited for.
template <class A, class B, int N, bool TransB = false, int ScaleA = 1, int ScaleB = 1, class C, class Keep>
TL_FUNC void wgmma_rs(C* d, const A* a, uint64_t b, Keep accumulate TL_SITE_PARAMETER) {
  detail::check_wgmma<A, B, C, N, false, TransB, ScaleA, ScaleB>();
  detail::wgmma_rs<A, B, N, TransB, ScaleA, ScaleB>(d, a, b, accumulate TL_SITE_ARGUMENT);
}

// 2, 4 or 8 of them along K, by descriptors that step by so many bytes (multiples of 16); A in registers: one step's elements after
// the other's. The second half of eight begins `Half` bytes after the first, where a swizzled row ends between them. The same
// instructions as one by one, in one statement, which compiles in less time.
template <class A, class B, int N, bool TransA, bool TransB, int Steps, int StrideA, int StrideB, int HalfA = Steps / 2 * StrideA,
          int HalfB = Steps / 2 * StrideB, class C, class Keep>
TL_FUNC void wgmma_ss_steps(C* d, uint64_t a, uint64_t b, Keep accumulate TL_SITE_PARAMETER) {
  detail::check_wgmma<A, B, C, N, TransA, TransB, 1, 1>();
  detail::check_steps<Steps, StrideA, HalfA>();
  detail::check_steps<Steps, StrideB, HalfB>();
  detail::wgmma_ss_steps<A, B, N, TransA, TransB, Steps, StrideA, StrideB, HalfA, HalfB>(d, a, b, accumulate TL_SITE_ARGUMENT);
}
template <class A, class B, int N, bool TransB, int Steps, int StrideB, int HalfB = Steps / 2 * StrideB, class C, class Keep>
TL_FUNC void wgmma_rs_steps(C* d, const A* a, uint64_t b, Keep accumulate TL_SITE_PARAMETER) {
  detail::check_wgmma<A, B, C, N, false, TransB, 1, 1>();
  detail::check_steps<Steps, StrideB, HalfB>();
  detail::wgmma_rs_steps<A, B, N, TransB, Steps, StrideB, HalfB>(d, a, b, accumulate TL_SITE_ARGUMENT);
}

}  // namespace tl

#endif

// Which operands tcgen05.mma takes, and the 32 bits that describe them (PTX ISA 9.7.16.4.2 "Instruction descriptor").
#pragma once
#include <tl/float_types.h>

namespace tl::detail {

// Numbers of .kind, in the order of PTX ISA 9.7.16.2 "tcgen05.mma kinds"; the simulator takes the same.
enum tcgen05_kind { tcgen05_f16, tcgen05_tf32, tcgen05_f8f6f4, tcgen05_i8, tcgen05_mxf8f6f4 };

template <class A>
TL_FUNC constexpr tcgen05_kind tcgen05_kind_of() {
  return is_integer<A> ? tcgen05_i8 : sizeof(A) == 4 ? tcgen05_tf32 : sizeof(A) == 2 ? tcgen05_f16 : tcgen05_f8f6f4;
}

// The number of an operand's type within its kind.
template <class T>
TL_FUNC constexpr uint32_t tcgen05_type() {
  if (is_same<T, float>) return 2;
  if (is_same<T, bfloat16_t> || is_same<T, float8_e5m2_t>) return 1;
  if constexpr (is_integer<T>) return is_signed<T> ? 1 : 0;
  return 0;
}

template <class A, class B, class C, int M, int N, bool TransA, bool TransB, int Group>
TL_FUNC constexpr void check_tcgen05() {
  constexpr bool sixteen = is_same<A, B> && ((is_same<A, half_t> && (is_same<C, float> || is_same<C, half_t>)) ||
                                            (is_same<A, bfloat16_t> && is_same<C, float>));
  constexpr bool tf32 = is_same<A, float> && is_same<B, float> && is_same<C, float>;
  constexpr bool eight = is_narrow_float<A> && is_narrow_float<B> && sizeof(A) == 1 && sizeof(B) == 1 &&
                         (is_same<C, float> || is_same<C, half_t>);
  constexpr bool integer = is_integer<A> && is_integer<B> && sizeof(A) == 1 && sizeof(B) == 1 && is_same<C, int32_t>;
  static_assert(sixteen || tf32 || eight || integer,
                "tcgen05.mma takes half_t (to float or half_t), bfloat16_t or float (to float), 8-bit floats (to float or half_t), "
                "8-bit integers (to int32_t)");
  static_assert(Group == 1 || Group == 2, "one block or a pair of blocks");
  static_assert(M == 64 * Group || M == 128 * Group, "M is 64 or 128 for each block of the group");
  static_assert(N >= 8 * Group && N <= 256 && N % (Group == 2 ? 16 : M == 128 ? 16 : 8) == 0,
                "N is at most 256, a multiple of 16, or of 8 where M is 64");
  static_assert(!integer || N <= 32 || N % 16 == 0, "with 8-bit integers N is a multiple of 16 above 32");
  static_assert(!tf32 || (!TransA && !TransB), "32-bit operands are K-major");
}

template <class A, class B, class C, int M, int N, bool TransA, bool TransB>
TL_FUNC constexpr uint32_t tcgen05_instruction() {
  constexpr uint32_t result = is_same<C, int32_t> ? 2 : is_same<C, float> ? 1 : 0;
  return result << 4 | tcgen05_type<A>() << 7 | tcgen05_type<B>() << 10 | uint32_t{TransA} << 15 | uint32_t{TransB} << 16 |
         uint32_t{N / 8} << 17 | uint32_t{M / 16} << 24;
}

template <int Kind, bool Wide, int Group>
TL_FUNC constexpr void check_tcgen05_issue() {
  static_assert(Kind >= tcgen05_f16 && Kind <= tcgen05_i8, "kinds without block scales: 0 f16, 1 tf32, 2 f8f6f4, 3 i8");
  static_assert(Group == 1 || (Group == 2 && !Wide), "one block, or a pair of blocks without .ws");
}

// With block scales: the descriptor of .kind::mxf8f6f4, beside the numbers of the scales' bytes (bits 4 and 5 of B, 29 and 30 of A).
template <class A, class B, int M, int N, bool TransA, bool TransB>
TL_FUNC constexpr uint32_t tcgen05_scaled_instruction() {
  constexpr uint32_t ue8m0 = 1;
  return tcgen05_type<A>() << 7 | tcgen05_type<B>() << 10 | uint32_t{TransA} << 15 | uint32_t{TransB} << 16 | uint32_t{N / 8} << 17 |
         ue8m0 << 23 | uint32_t{M / 128} << 27;
}

}  // namespace tl::detail

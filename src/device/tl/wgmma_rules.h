// Which operands wgmma takes (PTX ISA 9.7.15.5 "wgmma.mma_async").
#pragma once
#include <tl/float_types.h>

namespace tl {

// In place of `accumulate`: D = A * B for certain.
struct overwrite {
  TL_FUNC constexpr operator bool() const { return false; }
};

}  // namespace tl

namespace tl::detail {

template <class A, class B, class C, int N, bool TransA, bool TransB, int ScaleA, int ScaleB>
TL_FUNC constexpr void check_wgmma() {
  constexpr bool sixteen = is_same<A, B> && ((is_same<A, half_t> && (is_same<C, float> || is_same<C, half_t>)) ||
                                            (is_same<A, bfloat16_t> && is_same<C, float>));
  constexpr bool tf32 = is_same<A, float> && is_same<B, float> && is_same<C, float>;
  constexpr bool eight = is_narrow_float<A> && is_narrow_float<B> && sizeof(A) == 1 && sizeof(B) == 1 &&
                         (is_same<C, float> || is_same<C, half_t>);
  constexpr bool integer = is_integer<A> && is_integer<B> && sizeof(A) == 1 && sizeof(B) == 1 && is_same<C, int32_t>;
  static_assert(sixteen || tf32 || eight || integer,
                "wgmma takes half_t (to float or half_t), bfloat16_t or float (to float), 8-bit floats (to float or half_t), "
                "8-bit integers (to int32_t)");
  static_assert(N >= 8 && N <= 256 && N % 8 == 0, "N is a multiple of 8 from 8 to 256");
  static_assert(!integer || N <= 32 || N % 16 == 0, "with 8-bit integers N is a multiple of 16 above 32");
  static_assert(sixteen || (!TransA && !TransB), "only 16-bit operands may be MN-major");
  static_assert((ScaleA == 1 || ScaleA == -1) && (ScaleB == 1 || ScaleB == -1), "scales are 1 and -1");
  static_assert(!integer || (ScaleA == 1 && ScaleB == 1), "integer operands have no scale");
}

template <int Steps, int Stride, int Half>
TL_FUNC constexpr void check_steps() {
  static_assert((Steps == 2 || Steps == 4 || Steps == 8) && Stride % 16 == 0 && Half % 16 == 0, "2, 4 or 8 steps of multiples of 16 bytes");
  static_assert(Steps == 8 || Half == Steps / 2 * Stride, "only the halves of 8 steps may lie apart");
}

}  // namespace tl::detail

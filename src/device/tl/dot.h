// *c += the dot product of four neighbouring 8-bit integers (PTX ISA 9.7.1.23 "dp4a").
#pragma once
#include <tl/traits.h>

namespace tl {

template <class A, class B, class C>
TL_FUNC void dp4a(const A* a, const B* b, C* c) {
  static_assert(is_integer<A> && is_integer<B> && sizeof(A) == 1 && sizeof(B) == 1 && sizeof(C) == 4, "dp4a takes 8-bit integers to 32-bit ones");
#if TL_ON_GPU
  uint32_t x, y, r;
  __builtin_memcpy(&x, a, 4);
  __builtin_memcpy(&y, b, 4);
  if constexpr (is_signed<A> && is_signed<B>) asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(x), "r"(y), "r"(static_cast<uint32_t>(*c)));
  else if constexpr (is_signed<A>) asm("dp4a.s32.u32 %0, %1, %2, %3;" : "=r"(r) : "r"(x), "r"(y), "r"(static_cast<uint32_t>(*c)));
  else if constexpr (is_signed<B>) asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(x), "r"(y), "r"(static_cast<uint32_t>(*c)));
  else asm("dp4a.u32.u32 %0, %1, %2, %3;" : "=r"(r) : "r"(x), "r"(y), "r"(static_cast<uint32_t>(*c)));
  *c = static_cast<C>(r);
#else
  for (int i = 0; i < 4; ++i) *c += static_cast<C>(static_cast<int>(a[i]) * static_cast<int>(b[i]));
#endif
}

}  // namespace tl

// tcgen05.ld and tcgen05.st of 16 lanes, sm_100a (PTX ISA 9.7.16.2.3 "Data Movement Shape"); <tl/tcgen05.h> has those of 32 lanes, and
// what orders them all. An address starts at the warp's first lane or at the 16th behind it. With g = lane / 4, t = lane % 4, rows and
// columns counted from the address:
//   16x64b    register i: row g' + 8 h, column 2 i + e, where e and h are bits 0 and 1 of the lane, g' the three above
//   16x128b   register 2 i + h: row g + 8 h, column 4 i + t
//   16x256b   register 4 i + 2 h + e: row g + 8 h, column 8 i + 2 t + e (as the accumulators of mma.m16n8)
//   16x32bx2  register i: row lane % 16, column i in the lower half of the warp, Offset + i in the upper one
#pragma once
#include <tl/tcgen05.h>
#include <tl/tcgen05_shapes_access.h>

#if TL_BLACKWELL

namespace tl {

// `Registers` of each thread, a power of two up to 128. To be pinned after the wait, as tcgen05_ld's.
#define TL_TCGEN05_SHAPE(shape)                                                                  \
  template <int Registers, class T>                                                              \
  TL_FUNC void tcgen05_ld_##shape(T* registers, uint32_t address TL_SITE_PARAMETER) {            \
    detail::tcgen05_ld_##shape<Registers>(registers, address TL_SITE_ARGUMENT);                  \
  }                                                                                              \
  template <int Registers, class T>                                                              \
  TL_FUNC void tcgen05_st_##shape(uint32_t address, const T* registers TL_SITE_PARAMETER) {      \
    detail::tcgen05_st_##shape<Registers>(address, registers TL_SITE_ARGUMENT);                  \
  }
TL_TCGEN05_SHAPE(16x64b)
TL_TCGEN05_SHAPE(16x128b)
TL_TCGEN05_SHAPE(16x256b)
#undef TL_TCGEN05_SHAPE

template <int Registers, int Offset, class T>
TL_FUNC void tcgen05_ld_16x32bx2(T* registers, uint32_t address TL_SITE_PARAMETER) {
  detail::tcgen05_ld_16x32bx2<Registers, Offset>(registers, address TL_SITE_ARGUMENT);
}
template <int Registers, int Offset, class T>
TL_FUNC void tcgen05_st_16x32bx2(uint32_t address, const T* registers TL_SITE_PARAMETER) {
  detail::tcgen05_st_16x32bx2<Registers, Offset>(address, registers TL_SITE_ARGUMENT);
}

}  // namespace tl

#endif

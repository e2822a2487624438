// tcgen05.ld and tcgen05.st of 16 lanes, simulated.
#pragma once
#include <tl/smem_address.h>

namespace tl::detail {

#define TL_TCGEN05_SHAPE(shape, number)                                                           \
  template <int Registers, class T>                                                               \
  inline void tcgen05_ld_##shape(T* registers, uint32_t address, int site) {                      \
    tl_sim_tcgen05_ld(registers, address, Registers, number, 0, site);                            \
  }                                                                                               \
  template <int Registers, class T>                                                               \
  inline void tcgen05_st_##shape(uint32_t address, const T* registers, int site) {                \
    tl_sim_tcgen05_st(address, registers, Registers, number, 0, site);                            \
  }
TL_TCGEN05_SHAPE(16x64b, TL_SIM_TCGEN05_16X64B)
TL_TCGEN05_SHAPE(16x128b, TL_SIM_TCGEN05_16X128B)
TL_TCGEN05_SHAPE(16x256b, TL_SIM_TCGEN05_16X256B)
#undef TL_TCGEN05_SHAPE

template <int Registers, int Offset, class T>
inline void tcgen05_ld_16x32bx2(T* registers, uint32_t address, int site) {
  tl_sim_tcgen05_ld(registers, address, Registers, TL_SIM_TCGEN05_16X32BX2, Offset, site);
}
template <int Registers, int Offset, class T>
inline void tcgen05_st_16x32bx2(uint32_t address, const T* registers, int site) {
  tl_sim_tcgen05_st(address, registers, Registers, TL_SIM_TCGEN05_16X32BX2, Offset, site);
}

}  // namespace tl::detail

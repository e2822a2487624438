// tcgen05.ld and tcgen05.st of 16 lanes on a GPU; <tl/tcgen05_shapes.h> says what they mean.
#pragma once
#include <tl/float_types.h>
#include <tl/tcgen05/shapes.h>

#if TL_BLACKWELL

namespace tl::detail {

#define TL_TCGEN05_SHAPE(shape)                                                                                                \
  template <int Registers, class T>                                                                                            \
  TL_FUNC void tcgen05_ld_##shape(T* registers, uint32_t address) {                                                            \
    if constexpr (is_same<T, float>) tcgen05_##shape<Registers>::load(registers, address);                                     \
    else tcgen05_##shape<Registers>::load(reinterpret_cast<uint32_t*>(registers), address);                                    \
  }                                                                                                                            \
  template <int Registers, class T>                                                                                            \
  TL_FUNC void tcgen05_st_##shape(uint32_t address, const T* registers) {                                                      \
    if constexpr (is_same<T, float>) tcgen05_##shape<Registers>::store(address, registers);                                    \
    else tcgen05_##shape<Registers>::store(address, reinterpret_cast<const uint32_t*>(registers));                             \
  }
TL_TCGEN05_SHAPE(16x64b)
TL_TCGEN05_SHAPE(16x128b)
TL_TCGEN05_SHAPE(16x256b)
#undef TL_TCGEN05_SHAPE

template <int Registers, int Offset, class T>
TL_FUNC void tcgen05_ld_16x32bx2(T* registers, uint32_t address) {
  if constexpr (is_same<T, float>) tcgen05_16x32bx2<Registers>::template load<Offset>(registers, address);
  else tcgen05_16x32bx2<Registers>::template load<Offset>(reinterpret_cast<uint32_t*>(registers), address);
}
template <int Registers, int Offset, class T>
TL_FUNC void tcgen05_st_16x32bx2(uint32_t address, const T* registers) {
  if constexpr (is_same<T, float>) tcgen05_16x32bx2<Registers>::template store<Offset>(address, registers);
  else tcgen05_16x32bx2<Registers>::template store<Offset>(address, reinterpret_cast<const uint32_t*>(registers));
}

}  // namespace tl::detail

#endif

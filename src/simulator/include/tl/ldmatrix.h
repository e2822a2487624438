// 8x8 matrices between shared memory and registers, simulated; the layout is described in src/device/tl/ldmatrix.h.
#pragma once
#include <tl/backend.h>

namespace tl {

#define TL_LDMATRIX(name, matrices, transposed)                                              \
  inline void ld##name(void* registers, const void* smem, int site = __builtin_LINE()) {     \
    tl_sim_ldmatrix(registers, smem, matrices, transposed, site);                            \
  }                                                                                          \
  inline void st##name(void* smem, const void* registers, int site = __builtin_LINE()) {     \
    tl_sim_stmatrix(smem, registers, matrices, transposed, site);                            \
  }
TL_LDMATRIX(matrix_x1, 1, 0)
TL_LDMATRIX(matrix_x2, 2, 0)
TL_LDMATRIX(matrix_x4, 4, 0)
TL_LDMATRIX(matrix_x1_trans, 1, 1)
TL_LDMATRIX(matrix_x2_trans, 2, 1)
TL_LDMATRIX(matrix_x4_trans, 4, 1)
#undef TL_LDMATRIX

}  // namespace tl

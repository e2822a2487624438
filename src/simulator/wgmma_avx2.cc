// wgmma for x86-64 processors with AVX2, chosen at run time. This file alone is compiled with
// -mavx2 -mfma -mf16c -ffp-contract=fast.
#if defined(__x86_64__)
#if !defined(__FMA__) || !defined(__AVX2__)
#error "compile this file with -mavx2 -mfma -mf16c"
#endif
#include "wgmma_arithmetic.h"

namespace tl::sim {
const WgmmaKernel wgmma_kernels_avx2[2][TL_SIM_WGMMA_COUNT] = TL_SIM_WGMMA_KERNELS;
}
#endif

// Sparse matrix instructions for x86-64 processors with AVX2, FMA and F16C, chosen at run time. This file alone is compiled with
// -mavx2 -mfma -mf16c -ffp-contract=fast.
#if defined(__x86_64__)
#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "compile this file with -mavx2 -mfma -mf16c"
#endif
#include "sparse_arithmetic.h"

namespace tl::sim {
const SparseKernel sparse_kernels_avx2[2][TL_SIM_WGMMA_COUNT] = TL_SIM_SPARSE_KERNELS;
}
#endif

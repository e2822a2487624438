// Sparse matrix instructions for any processor.
#include "sparse_arithmetic.h"

namespace tl::sim {
const SparseKernel sparse_kernels_portable[2][TL_SIM_WGMMA_COUNT] = TL_SIM_SPARSE_KERNELS;
}

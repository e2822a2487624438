// Matrix instructions for any processor.
#include "mma_arithmetic.h"

namespace tl::sim {
const MmaKernel mma_kernels_portable[2][TL_SIM_MMA_COUNT] = TL_SIM_MMA_KERNELS;
}

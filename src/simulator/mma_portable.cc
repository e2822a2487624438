// Matrix instructions for any processor.
#include "mma_arithmetic.h"

namespace tl::sim {
const MmaKernel mma_kernels_portable[TL_SIM_MMA_COUNT] = TL_SIM_MMA_KERNELS;
}

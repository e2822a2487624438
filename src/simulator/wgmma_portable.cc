// wgmma for any processor.
#include "wgmma_arithmetic.h"

namespace tl::sim {
const WgmmaKernel wgmma_kernels_portable[2][TL_SIM_WGMMA_COUNT] = TL_SIM_WGMMA_KERNELS;
}

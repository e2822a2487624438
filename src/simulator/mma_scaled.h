// Block-scaled matrix instructions of a warp (PTX ISA 9.7.14.3).
#pragma once
#include "block.h"

namespace tl::sim {

void execute_scaled_mma(Warp& warp, int site);

}  // namespace tl::sim

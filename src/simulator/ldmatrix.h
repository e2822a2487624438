#pragma once
#include "block.h"

namespace tl::sim {

void execute_ldmatrix(Warp& warp);
void execute_stmatrix(Warp& warp);

}  // namespace tl::sim

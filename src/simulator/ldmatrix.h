#pragma once
#include "team.h"

namespace tl::sim {

void execute_ldmatrix(Warp& warp);
void execute_stmatrix(Warp& warp);

}  // namespace tl::sim

// Sparse wgmma with N = 32. Written by wgmma/generate.py.
#pragma once
#include <tl/wgmma_sp.h>
#define TL_WGMMA_SPARSE
#include <tl/wgmma/m64n32.h>
#undef TL_WGMMA_SPARSE

// wgmma with N = 16: register lists. Written by generate.py.
#if defined(TL_WGMMA_SPARSE) || !defined(TL_WGMMA_M64N16)  // the sparse instructions come by wgmma_sp/m64n16.h
#include <tl/wgmma.h>
#define TL_WGMMA_N 16
#define TL_WGMMA_SHAPE "m64n16"
#define TL_WGMMA_FULL "{%0, %1, %2, %3, %4, %5, %6, %7}"
#define TL_WGMMA_FULL_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7])
#define TL_WGMMA_FULL_0 "%8"
#define TL_WGMMA_FULL_1 "%9"
#define TL_WGMMA_FULL_2 "%10"
#define TL_WGMMA_FULL_3 "%11"
#define TL_WGMMA_FULL_4 "%12"
#define TL_WGMMA_FULL_5 "%13"
#define TL_WGMMA_FULL_6 "%14"
#define TL_WGMMA_FULL_7 "%15"
#define TL_WGMMA_FULL_8 "%16"
#define TL_WGMMA_FULL_9 "%17"
#define TL_WGMMA_FULL_10 "%18"
#define TL_WGMMA_HALF "{%0, %1, %2, %3}"
#define TL_WGMMA_HALF_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3])
#define TL_WGMMA_HALF_0 "%4"
#define TL_WGMMA_HALF_1 "%5"
#define TL_WGMMA_HALF_2 "%6"
#define TL_WGMMA_HALF_3 "%7"
#define TL_WGMMA_HALF_4 "%8"
#define TL_WGMMA_HALF_5 "%9"
#define TL_WGMMA_HALF_6 "%10"
#define TL_WGMMA_HALF_7 "%11"
#define TL_WGMMA_HALF_8 "%12"
#define TL_WGMMA_HALF_9 "%13"
#define TL_WGMMA_HALF_10 "%14"
#ifdef TL_WGMMA_SPARSE
#include <tl/wgmma_sp_instructions.h>
#else
#define TL_WGMMA_M64N16
#include <tl/wgmma_instructions.h>
#endif
#include <tl/wgmma_end.h>
#endif

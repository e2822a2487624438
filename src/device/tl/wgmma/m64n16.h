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
#define TL_WGMMA_FULL_11 "%19"
#define TL_WGMMA_FULL_12 "%20"
#define TL_WGMMA_FULL_13 "%21"
#define TL_WGMMA_FULL_14 "%22"
#define TL_WGMMA_FULL_15 "%23"
#define TL_WGMMA_FULL_16 "%24"
#define TL_WGMMA_FULL_17 "%25"
#define TL_WGMMA_FULL_18 "%26"
#define TL_WGMMA_FULL_19 "%27"
#define TL_WGMMA_FULL_20 "%28"
#define TL_WGMMA_FULL_21 "%29"
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
#define TL_WGMMA_HALF_11 "%15"
#define TL_WGMMA_HALF_12 "%16"
#define TL_WGMMA_HALF_13 "%17"
#define TL_WGMMA_HALF_14 "%18"
#define TL_WGMMA_HALF_15 "%19"
#define TL_WGMMA_HALF_16 "%20"
#define TL_WGMMA_HALF_17 "%21"
#define TL_WGMMA_HALF_18 "%22"
#define TL_WGMMA_HALF_19 "%23"
#define TL_WGMMA_HALF_20 "%24"
#define TL_WGMMA_HALF_21 "%25"
#ifdef TL_WGMMA_SPARSE
#include <tl/wgmma_sp_instructions.h>
#else
#define TL_WGMMA_M64N16
#include <tl/wgmma_instructions.h>
#endif
#include <tl/wgmma_end.h>
#endif

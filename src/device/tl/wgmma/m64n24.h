// wgmma with N = 24: register lists. Written by generate.py.
#if defined(TL_WGMMA_SPARSE) || !defined(TL_WGMMA_M64N24)  // the sparse instructions come by wgmma_sp/m64n24.h
#include <tl/wgmma.h>
#define TL_WGMMA_N 24
#define TL_WGMMA_SHAPE "m64n24"
#define TL_WGMMA_FULL "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11}"
#define TL_WGMMA_FULL_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11])
#define TL_WGMMA_FULL_0 "%12"
#define TL_WGMMA_FULL_1 "%13"
#define TL_WGMMA_FULL_2 "%14"
#define TL_WGMMA_FULL_3 "%15"
#define TL_WGMMA_FULL_4 "%16"
#define TL_WGMMA_FULL_5 "%17"
#define TL_WGMMA_FULL_6 "%18"
#define TL_WGMMA_FULL_7 "%19"
#define TL_WGMMA_FULL_8 "%20"
#define TL_WGMMA_FULL_9 "%21"
#define TL_WGMMA_FULL_10 "%22"
#define TL_WGMMA_FULL_11 "%23"
#define TL_WGMMA_FULL_12 "%24"
#define TL_WGMMA_FULL_13 "%25"
#define TL_WGMMA_FULL_14 "%26"
#define TL_WGMMA_FULL_15 "%27"
#define TL_WGMMA_FULL_16 "%28"
#define TL_WGMMA_FULL_17 "%29"
#define TL_WGMMA_FULL_18 "%30"
#define TL_WGMMA_FULL_19 "%31"
#define TL_WGMMA_FULL_20 "%32"
#define TL_WGMMA_FULL_21 "%33"
#define TL_WGMMA_HALF "{%0, %1, %2, %3, %4, %5}"
#define TL_WGMMA_HALF_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5])
#define TL_WGMMA_HALF_0 "%6"
#define TL_WGMMA_HALF_1 "%7"
#define TL_WGMMA_HALF_2 "%8"
#define TL_WGMMA_HALF_3 "%9"
#define TL_WGMMA_HALF_4 "%10"
#define TL_WGMMA_HALF_5 "%11"
#define TL_WGMMA_HALF_6 "%12"
#define TL_WGMMA_HALF_7 "%13"
#define TL_WGMMA_HALF_8 "%14"
#define TL_WGMMA_HALF_9 "%15"
#define TL_WGMMA_HALF_10 "%16"
#define TL_WGMMA_HALF_11 "%17"
#define TL_WGMMA_HALF_12 "%18"
#define TL_WGMMA_HALF_13 "%19"
#define TL_WGMMA_HALF_14 "%20"
#define TL_WGMMA_HALF_15 "%21"
#define TL_WGMMA_HALF_16 "%22"
#define TL_WGMMA_HALF_17 "%23"
#define TL_WGMMA_HALF_18 "%24"
#define TL_WGMMA_HALF_19 "%25"
#define TL_WGMMA_HALF_20 "%26"
#define TL_WGMMA_HALF_21 "%27"
#ifdef TL_WGMMA_SPARSE
#include <tl/wgmma_sp_instructions.h>
#else
#define TL_WGMMA_M64N24
#include <tl/wgmma_instructions.h>
#endif
#include <tl/wgmma_end.h>
#endif

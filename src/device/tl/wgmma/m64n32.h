// wgmma with N = 32: register lists. Written by generate.py.
#if defined(TL_WGMMA_SPARSE) || !defined(TL_WGMMA_M64N32)  // the sparse instructions come by wgmma_sp/m64n32.h
#include <tl/wgmma.h>
#define TL_WGMMA_N 32
#define TL_WGMMA_SHAPE "m64n32"
#define TL_WGMMA_FULL "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}"
#define TL_WGMMA_FULL_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11]), use(d[12]), use(d[13]), use(d[14]), use(d[15])
#define TL_WGMMA_FULL_0 "%16"
#define TL_WGMMA_FULL_1 "%17"
#define TL_WGMMA_FULL_2 "%18"
#define TL_WGMMA_FULL_3 "%19"
#define TL_WGMMA_FULL_4 "%20"
#define TL_WGMMA_FULL_5 "%21"
#define TL_WGMMA_FULL_6 "%22"
#define TL_WGMMA_FULL_7 "%23"
#define TL_WGMMA_FULL_8 "%24"
#define TL_WGMMA_FULL_9 "%25"
#define TL_WGMMA_FULL_10 "%26"
#define TL_WGMMA_FULL_11 "%27"
#define TL_WGMMA_FULL_12 "%28"
#define TL_WGMMA_FULL_13 "%29"
#define TL_WGMMA_FULL_14 "%30"
#define TL_WGMMA_FULL_15 "%31"
#define TL_WGMMA_FULL_16 "%32"
#define TL_WGMMA_FULL_17 "%33"
#define TL_WGMMA_FULL_18 "%34"
#define TL_WGMMA_FULL_19 "%35"
#define TL_WGMMA_FULL_20 "%36"
#define TL_WGMMA_FULL_21 "%37"
#define TL_WGMMA_HALF "{%0, %1, %2, %3, %4, %5, %6, %7}"
#define TL_WGMMA_HALF_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7])
#define TL_WGMMA_HALF_0 "%8"
#define TL_WGMMA_HALF_1 "%9"
#define TL_WGMMA_HALF_2 "%10"
#define TL_WGMMA_HALF_3 "%11"
#define TL_WGMMA_HALF_4 "%12"
#define TL_WGMMA_HALF_5 "%13"
#define TL_WGMMA_HALF_6 "%14"
#define TL_WGMMA_HALF_7 "%15"
#define TL_WGMMA_HALF_8 "%16"
#define TL_WGMMA_HALF_9 "%17"
#define TL_WGMMA_HALF_10 "%18"
#define TL_WGMMA_HALF_11 "%19"
#define TL_WGMMA_HALF_12 "%20"
#define TL_WGMMA_HALF_13 "%21"
#define TL_WGMMA_HALF_14 "%22"
#define TL_WGMMA_HALF_15 "%23"
#define TL_WGMMA_HALF_16 "%24"
#define TL_WGMMA_HALF_17 "%25"
#define TL_WGMMA_HALF_18 "%26"
#define TL_WGMMA_HALF_19 "%27"
#define TL_WGMMA_HALF_20 "%28"
#define TL_WGMMA_HALF_21 "%29"
#ifdef TL_WGMMA_SPARSE
#include <tl/wgmma_sp_instructions.h>
#else
#define TL_WGMMA_M64N32
#include <tl/wgmma_instructions.h>
#endif
#include <tl/wgmma_end.h>
#endif

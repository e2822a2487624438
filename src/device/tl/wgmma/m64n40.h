// wgmma with N = 40: register lists. Written by generate.py.
#if defined(TL_WGMMA_SPARSE) || !defined(TL_WGMMA_M64N40)  // the sparse instructions come by wgmma_sp/m64n40.h
#include <tl/wgmma.h>
#define TL_WGMMA_N 40
#define TL_WGMMA_SHAPE "m64n40"
#define TL_WGMMA_FULL "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19}"
#define TL_WGMMA_FULL_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11]), use(d[12]), use(d[13]), use(d[14]), use(d[15]), use(d[16]), use(d[17]), use(d[18]), use(d[19])
#define TL_WGMMA_FULL_0 "%20"
#define TL_WGMMA_FULL_1 "%21"
#define TL_WGMMA_FULL_2 "%22"
#define TL_WGMMA_FULL_3 "%23"
#define TL_WGMMA_FULL_4 "%24"
#define TL_WGMMA_FULL_5 "%25"
#define TL_WGMMA_FULL_6 "%26"
#define TL_WGMMA_FULL_7 "%27"
#define TL_WGMMA_FULL_8 "%28"
#define TL_WGMMA_FULL_9 "%29"
#define TL_WGMMA_FULL_10 "%30"
#define TL_WGMMA_FULL_11 "%31"
#define TL_WGMMA_FULL_12 "%32"
#define TL_WGMMA_FULL_13 "%33"
#define TL_WGMMA_FULL_14 "%34"
#define TL_WGMMA_FULL_15 "%35"
#define TL_WGMMA_FULL_16 "%36"
#define TL_WGMMA_FULL_17 "%37"
#define TL_WGMMA_FULL_18 "%38"
#define TL_WGMMA_FULL_19 "%39"
#define TL_WGMMA_FULL_20 "%40"
#define TL_WGMMA_FULL_21 "%41"
#define TL_WGMMA_HALF "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9}"
#define TL_WGMMA_HALF_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9])
#define TL_WGMMA_HALF_0 "%10"
#define TL_WGMMA_HALF_1 "%11"
#define TL_WGMMA_HALF_2 "%12"
#define TL_WGMMA_HALF_3 "%13"
#define TL_WGMMA_HALF_4 "%14"
#define TL_WGMMA_HALF_5 "%15"
#define TL_WGMMA_HALF_6 "%16"
#define TL_WGMMA_HALF_7 "%17"
#define TL_WGMMA_HALF_8 "%18"
#define TL_WGMMA_HALF_9 "%19"
#define TL_WGMMA_HALF_10 "%20"
#define TL_WGMMA_HALF_11 "%21"
#define TL_WGMMA_HALF_12 "%22"
#define TL_WGMMA_HALF_13 "%23"
#define TL_WGMMA_HALF_14 "%24"
#define TL_WGMMA_HALF_15 "%25"
#define TL_WGMMA_HALF_16 "%26"
#define TL_WGMMA_HALF_17 "%27"
#define TL_WGMMA_HALF_18 "%28"
#define TL_WGMMA_HALF_19 "%29"
#define TL_WGMMA_HALF_20 "%30"
#define TL_WGMMA_HALF_21 "%31"
#ifdef TL_WGMMA_SPARSE
#include <tl/wgmma_sp_instructions.h>
#else
#define TL_WGMMA_M64N40
#include <tl/wgmma_instructions.h>
#endif
#include <tl/wgmma_end.h>
#endif

// wgmma with N = 48: register lists. Written by generate.py.
#if defined(TL_WGMMA_SPARSE) || !defined(TL_WGMMA_M64N48)  // the sparse instructions come by wgmma_sp/m64n48.h
#include <tl/wgmma.h>
#define TL_WGMMA_N 48
#define TL_WGMMA_SHAPE "m64n48"
#define TL_WGMMA_FULL "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23}"
#define TL_WGMMA_FULL_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11]), use(d[12]), use(d[13]), use(d[14]), use(d[15]), use(d[16]), use(d[17]), use(d[18]), use(d[19]), use(d[20]), use(d[21]), use(d[22]), use(d[23])
#define TL_WGMMA_FULL_0 "%24"
#define TL_WGMMA_FULL_1 "%25"
#define TL_WGMMA_FULL_2 "%26"
#define TL_WGMMA_FULL_3 "%27"
#define TL_WGMMA_FULL_4 "%28"
#define TL_WGMMA_FULL_5 "%29"
#define TL_WGMMA_FULL_6 "%30"
#define TL_WGMMA_FULL_7 "%31"
#define TL_WGMMA_FULL_8 "%32"
#define TL_WGMMA_FULL_9 "%33"
#define TL_WGMMA_FULL_10 "%34"
#define TL_WGMMA_FULL_11 "%35"
#define TL_WGMMA_FULL_12 "%36"
#define TL_WGMMA_FULL_13 "%37"
#define TL_WGMMA_FULL_14 "%38"
#define TL_WGMMA_FULL_15 "%39"
#define TL_WGMMA_FULL_16 "%40"
#define TL_WGMMA_FULL_17 "%41"
#define TL_WGMMA_FULL_18 "%42"
#define TL_WGMMA_FULL_19 "%43"
#define TL_WGMMA_FULL_20 "%44"
#define TL_WGMMA_FULL_21 "%45"
#define TL_WGMMA_HALF "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11}"
#define TL_WGMMA_HALF_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11])
#define TL_WGMMA_HALF_0 "%12"
#define TL_WGMMA_HALF_1 "%13"
#define TL_WGMMA_HALF_2 "%14"
#define TL_WGMMA_HALF_3 "%15"
#define TL_WGMMA_HALF_4 "%16"
#define TL_WGMMA_HALF_5 "%17"
#define TL_WGMMA_HALF_6 "%18"
#define TL_WGMMA_HALF_7 "%19"
#define TL_WGMMA_HALF_8 "%20"
#define TL_WGMMA_HALF_9 "%21"
#define TL_WGMMA_HALF_10 "%22"
#define TL_WGMMA_HALF_11 "%23"
#define TL_WGMMA_HALF_12 "%24"
#define TL_WGMMA_HALF_13 "%25"
#define TL_WGMMA_HALF_14 "%26"
#define TL_WGMMA_HALF_15 "%27"
#define TL_WGMMA_HALF_16 "%28"
#define TL_WGMMA_HALF_17 "%29"
#define TL_WGMMA_HALF_18 "%30"
#define TL_WGMMA_HALF_19 "%31"
#define TL_WGMMA_HALF_20 "%32"
#define TL_WGMMA_HALF_21 "%33"
#ifdef TL_WGMMA_SPARSE
#include <tl/wgmma_sp_instructions.h>
#else
#define TL_WGMMA_M64N48
#include <tl/wgmma_instructions.h>
#endif
#include <tl/wgmma_end.h>
#endif

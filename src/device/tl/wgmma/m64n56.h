// wgmma with N = 56: register lists. Written by generate.py.
#if defined(TL_WGMMA_SPARSE) || !defined(TL_WGMMA_M64N56)  // the sparse instructions come by wgmma_sp/m64n56.h
#include <tl/wgmma.h>
#define TL_WGMMA_N 56
#define TL_WGMMA_SHAPE "m64n56"
#define TL_WGMMA_FULL "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27}"
#define TL_WGMMA_FULL_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11]), use(d[12]), use(d[13]), use(d[14]), use(d[15]), use(d[16]), use(d[17]), use(d[18]), use(d[19]), use(d[20]), use(d[21]), use(d[22]), use(d[23]), use(d[24]), use(d[25]), use(d[26]), use(d[27])
#define TL_WGMMA_FULL_0 "%28"
#define TL_WGMMA_FULL_1 "%29"
#define TL_WGMMA_FULL_2 "%30"
#define TL_WGMMA_FULL_3 "%31"
#define TL_WGMMA_FULL_4 "%32"
#define TL_WGMMA_FULL_5 "%33"
#define TL_WGMMA_FULL_6 "%34"
#define TL_WGMMA_FULL_7 "%35"
#define TL_WGMMA_FULL_8 "%36"
#define TL_WGMMA_FULL_9 "%37"
#define TL_WGMMA_FULL_10 "%38"
#define TL_WGMMA_FULL_11 "%39"
#define TL_WGMMA_FULL_12 "%40"
#define TL_WGMMA_FULL_13 "%41"
#define TL_WGMMA_FULL_14 "%42"
#define TL_WGMMA_FULL_15 "%43"
#define TL_WGMMA_FULL_16 "%44"
#define TL_WGMMA_FULL_17 "%45"
#define TL_WGMMA_FULL_18 "%46"
#define TL_WGMMA_FULL_19 "%47"
#define TL_WGMMA_FULL_20 "%48"
#define TL_WGMMA_FULL_21 "%49"
#define TL_WGMMA_HALF "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13}"
#define TL_WGMMA_HALF_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11]), use(d[12]), use(d[13])
#define TL_WGMMA_HALF_0 "%14"
#define TL_WGMMA_HALF_1 "%15"
#define TL_WGMMA_HALF_2 "%16"
#define TL_WGMMA_HALF_3 "%17"
#define TL_WGMMA_HALF_4 "%18"
#define TL_WGMMA_HALF_5 "%19"
#define TL_WGMMA_HALF_6 "%20"
#define TL_WGMMA_HALF_7 "%21"
#define TL_WGMMA_HALF_8 "%22"
#define TL_WGMMA_HALF_9 "%23"
#define TL_WGMMA_HALF_10 "%24"
#define TL_WGMMA_HALF_11 "%25"
#define TL_WGMMA_HALF_12 "%26"
#define TL_WGMMA_HALF_13 "%27"
#define TL_WGMMA_HALF_14 "%28"
#define TL_WGMMA_HALF_15 "%29"
#define TL_WGMMA_HALF_16 "%30"
#define TL_WGMMA_HALF_17 "%31"
#define TL_WGMMA_HALF_18 "%32"
#define TL_WGMMA_HALF_19 "%33"
#define TL_WGMMA_HALF_20 "%34"
#define TL_WGMMA_HALF_21 "%35"
#ifdef TL_WGMMA_SPARSE
#include <tl/wgmma_sp_instructions.h>
#else
#define TL_WGMMA_M64N56
#include <tl/wgmma_instructions.h>
#endif
#include <tl/wgmma_end.h>
#endif

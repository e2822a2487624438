// wgmma with N = 96: register lists. Written by generate.py.
#if defined(TL_WGMMA_SPARSE) || !defined(TL_WGMMA_M64N96)  // the sparse instructions come by wgmma_sp/m64n96.h
#include <tl/wgmma.h>
#define TL_WGMMA_N 96
#define TL_WGMMA_SHAPE "m64n96"
#define TL_WGMMA_FULL "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47}"
#define TL_WGMMA_FULL_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11]), use(d[12]), use(d[13]), use(d[14]), use(d[15]), use(d[16]), use(d[17]), use(d[18]), use(d[19]), use(d[20]), use(d[21]), use(d[22]), use(d[23]), use(d[24]), use(d[25]), use(d[26]), use(d[27]), use(d[28]), use(d[29]), use(d[30]), use(d[31]), use(d[32]), use(d[33]), use(d[34]), use(d[35]), use(d[36]), use(d[37]), use(d[38]), use(d[39]), use(d[40]), use(d[41]), use(d[42]), use(d[43]), use(d[44]), use(d[45]), use(d[46]), use(d[47])
#define TL_WGMMA_FULL_0 "%48"
#define TL_WGMMA_FULL_1 "%49"
#define TL_WGMMA_FULL_2 "%50"
#define TL_WGMMA_FULL_3 "%51"
#define TL_WGMMA_FULL_4 "%52"
#define TL_WGMMA_FULL_5 "%53"
#define TL_WGMMA_FULL_6 "%54"
#define TL_WGMMA_FULL_7 "%55"
#define TL_WGMMA_FULL_8 "%56"
#define TL_WGMMA_FULL_9 "%57"
#define TL_WGMMA_FULL_10 "%58"
#define TL_WGMMA_FULL_11 "%59"
#define TL_WGMMA_FULL_12 "%60"
#define TL_WGMMA_FULL_13 "%61"
#define TL_WGMMA_FULL_14 "%62"
#define TL_WGMMA_FULL_15 "%63"
#define TL_WGMMA_FULL_16 "%64"
#define TL_WGMMA_FULL_17 "%65"
#define TL_WGMMA_FULL_18 "%66"
#define TL_WGMMA_FULL_19 "%67"
#define TL_WGMMA_FULL_20 "%68"
#define TL_WGMMA_FULL_21 "%69"
#define TL_WGMMA_HALF "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23}"
#define TL_WGMMA_HALF_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11]), use(d[12]), use(d[13]), use(d[14]), use(d[15]), use(d[16]), use(d[17]), use(d[18]), use(d[19]), use(d[20]), use(d[21]), use(d[22]), use(d[23])
#define TL_WGMMA_HALF_0 "%24"
#define TL_WGMMA_HALF_1 "%25"
#define TL_WGMMA_HALF_2 "%26"
#define TL_WGMMA_HALF_3 "%27"
#define TL_WGMMA_HALF_4 "%28"
#define TL_WGMMA_HALF_5 "%29"
#define TL_WGMMA_HALF_6 "%30"
#define TL_WGMMA_HALF_7 "%31"
#define TL_WGMMA_HALF_8 "%32"
#define TL_WGMMA_HALF_9 "%33"
#define TL_WGMMA_HALF_10 "%34"
#define TL_WGMMA_HALF_11 "%35"
#define TL_WGMMA_HALF_12 "%36"
#define TL_WGMMA_HALF_13 "%37"
#define TL_WGMMA_HALF_14 "%38"
#define TL_WGMMA_HALF_15 "%39"
#define TL_WGMMA_HALF_16 "%40"
#define TL_WGMMA_HALF_17 "%41"
#define TL_WGMMA_HALF_18 "%42"
#define TL_WGMMA_HALF_19 "%43"
#define TL_WGMMA_HALF_20 "%44"
#define TL_WGMMA_HALF_21 "%45"
#ifdef TL_WGMMA_SPARSE
#include <tl/wgmma_sp_instructions.h>
#else
#define TL_WGMMA_M64N96
#include <tl/wgmma_instructions.h>
#endif
#include <tl/wgmma_end.h>
#endif

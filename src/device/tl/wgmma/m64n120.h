// wgmma with N = 120: register lists. Written by generate.py.
#if defined(TL_WGMMA_SPARSE) || !defined(TL_WGMMA_M64N120)  // the sparse instructions come by wgmma_sp/m64n120.h
#include <tl/wgmma.h>
#define TL_WGMMA_N 120
#define TL_WGMMA_SHAPE "m64n120"
#define TL_WGMMA_FULL "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59}"
#define TL_WGMMA_FULL_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11]), use(d[12]), use(d[13]), use(d[14]), use(d[15]), use(d[16]), use(d[17]), use(d[18]), use(d[19]), use(d[20]), use(d[21]), use(d[22]), use(d[23]), use(d[24]), use(d[25]), use(d[26]), use(d[27]), use(d[28]), use(d[29]), use(d[30]), use(d[31]), use(d[32]), use(d[33]), use(d[34]), use(d[35]), use(d[36]), use(d[37]), use(d[38]), use(d[39]), use(d[40]), use(d[41]), use(d[42]), use(d[43]), use(d[44]), use(d[45]), use(d[46]), use(d[47]), use(d[48]), use(d[49]), use(d[50]), use(d[51]), use(d[52]), use(d[53]), use(d[54]), use(d[55]), use(d[56]), use(d[57]), use(d[58]), use(d[59])
#define TL_WGMMA_FULL_0 "%60"
#define TL_WGMMA_FULL_1 "%61"
#define TL_WGMMA_FULL_2 "%62"
#define TL_WGMMA_FULL_3 "%63"
#define TL_WGMMA_FULL_4 "%64"
#define TL_WGMMA_FULL_5 "%65"
#define TL_WGMMA_FULL_6 "%66"
#define TL_WGMMA_FULL_7 "%67"
#define TL_WGMMA_FULL_8 "%68"
#define TL_WGMMA_FULL_9 "%69"
#define TL_WGMMA_FULL_10 "%70"
#define TL_WGMMA_FULL_11 "%71"
#define TL_WGMMA_FULL_12 "%72"
#define TL_WGMMA_FULL_13 "%73"
#define TL_WGMMA_FULL_14 "%74"
#define TL_WGMMA_FULL_15 "%75"
#define TL_WGMMA_FULL_16 "%76"
#define TL_WGMMA_FULL_17 "%77"
#define TL_WGMMA_FULL_18 "%78"
#define TL_WGMMA_FULL_19 "%79"
#define TL_WGMMA_FULL_20 "%80"
#define TL_WGMMA_FULL_21 "%81"
#define TL_WGMMA_HALF "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29}"
#define TL_WGMMA_HALF_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11]), use(d[12]), use(d[13]), use(d[14]), use(d[15]), use(d[16]), use(d[17]), use(d[18]), use(d[19]), use(d[20]), use(d[21]), use(d[22]), use(d[23]), use(d[24]), use(d[25]), use(d[26]), use(d[27]), use(d[28]), use(d[29])
#define TL_WGMMA_HALF_0 "%30"
#define TL_WGMMA_HALF_1 "%31"
#define TL_WGMMA_HALF_2 "%32"
#define TL_WGMMA_HALF_3 "%33"
#define TL_WGMMA_HALF_4 "%34"
#define TL_WGMMA_HALF_5 "%35"
#define TL_WGMMA_HALF_6 "%36"
#define TL_WGMMA_HALF_7 "%37"
#define TL_WGMMA_HALF_8 "%38"
#define TL_WGMMA_HALF_9 "%39"
#define TL_WGMMA_HALF_10 "%40"
#define TL_WGMMA_HALF_11 "%41"
#define TL_WGMMA_HALF_12 "%42"
#define TL_WGMMA_HALF_13 "%43"
#define TL_WGMMA_HALF_14 "%44"
#define TL_WGMMA_HALF_15 "%45"
#define TL_WGMMA_HALF_16 "%46"
#define TL_WGMMA_HALF_17 "%47"
#define TL_WGMMA_HALF_18 "%48"
#define TL_WGMMA_HALF_19 "%49"
#define TL_WGMMA_HALF_20 "%50"
#define TL_WGMMA_HALF_21 "%51"
#ifdef TL_WGMMA_SPARSE
#include <tl/wgmma_sp_instructions.h>
#else
#define TL_WGMMA_M64N120
#include <tl/wgmma_instructions.h>
#endif
#include <tl/wgmma_end.h>
#endif

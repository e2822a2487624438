// wgmma with N = 248: register lists. Written by generate.py.
#if defined(TL_WGMMA_SPARSE) || !defined(TL_WGMMA_M64N248)  // the sparse instructions come by wgmma_sp/m64n248.h
#include <tl/wgmma.h>
#define TL_WGMMA_N 248
#define TL_WGMMA_SHAPE "m64n248"
#define TL_WGMMA_FULL "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123}"
#define TL_WGMMA_FULL_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11]), use(d[12]), use(d[13]), use(d[14]), use(d[15]), use(d[16]), use(d[17]), use(d[18]), use(d[19]), use(d[20]), use(d[21]), use(d[22]), use(d[23]), use(d[24]), use(d[25]), use(d[26]), use(d[27]), use(d[28]), use(d[29]), use(d[30]), use(d[31]), use(d[32]), use(d[33]), use(d[34]), use(d[35]), use(d[36]), use(d[37]), use(d[38]), use(d[39]), use(d[40]), use(d[41]), use(d[42]), use(d[43]), use(d[44]), use(d[45]), use(d[46]), use(d[47]), use(d[48]), use(d[49]), use(d[50]), use(d[51]), use(d[52]), use(d[53]), use(d[54]), use(d[55]), use(d[56]), use(d[57]), use(d[58]), use(d[59]), use(d[60]), use(d[61]), use(d[62]), use(d[63]), use(d[64]), use(d[65]), use(d[66]), use(d[67]), use(d[68]), use(d[69]), use(d[70]), use(d[71]), use(d[72]), use(d[73]), use(d[74]), use(d[75]), use(d[76]), use(d[77]), use(d[78]), use(d[79]), use(d[80]), use(d[81]), use(d[82]), use(d[83]), use(d[84]), use(d[85]), use(d[86]), use(d[87]), use(d[88]), use(d[89]), use(d[90]), use(d[91]), use(d[92]), use(d[93]), use(d[94]), use(d[95]), use(d[96]), use(d[97]), use(d[98]), use(d[99]), use(d[100]), use(d[101]), use(d[102]), use(d[103]), use(d[104]), use(d[105]), use(d[106]), use(d[107]), use(d[108]), use(d[109]), use(d[110]), use(d[111]), use(d[112]), use(d[113]), use(d[114]), use(d[115]), use(d[116]), use(d[117]), use(d[118]), use(d[119]), use(d[120]), use(d[121]), use(d[122]), use(d[123])
#define TL_WGMMA_FULL_0 "%124"
#define TL_WGMMA_FULL_1 "%125"
#define TL_WGMMA_FULL_2 "%126"
#define TL_WGMMA_FULL_3 "%127"
#define TL_WGMMA_FULL_4 "%128"
#define TL_WGMMA_FULL_5 "%129"
#define TL_WGMMA_FULL_6 "%130"
#define TL_WGMMA_FULL_7 "%131"
#define TL_WGMMA_FULL_8 "%132"
#define TL_WGMMA_FULL_9 "%133"
#define TL_WGMMA_FULL_10 "%134"
#define TL_WGMMA_FULL_11 "%135"
#define TL_WGMMA_FULL_12 "%136"
#define TL_WGMMA_FULL_13 "%137"
#define TL_WGMMA_FULL_14 "%138"
#define TL_WGMMA_FULL_15 "%139"
#define TL_WGMMA_FULL_16 "%140"
#define TL_WGMMA_FULL_17 "%141"
#define TL_WGMMA_FULL_18 "%142"
#define TL_WGMMA_FULL_19 "%143"
#define TL_WGMMA_FULL_20 "%144"
#define TL_WGMMA_FULL_21 "%145"
#define TL_WGMMA_HALF "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61}"
#define TL_WGMMA_HALF_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11]), use(d[12]), use(d[13]), use(d[14]), use(d[15]), use(d[16]), use(d[17]), use(d[18]), use(d[19]), use(d[20]), use(d[21]), use(d[22]), use(d[23]), use(d[24]), use(d[25]), use(d[26]), use(d[27]), use(d[28]), use(d[29]), use(d[30]), use(d[31]), use(d[32]), use(d[33]), use(d[34]), use(d[35]), use(d[36]), use(d[37]), use(d[38]), use(d[39]), use(d[40]), use(d[41]), use(d[42]), use(d[43]), use(d[44]), use(d[45]), use(d[46]), use(d[47]), use(d[48]), use(d[49]), use(d[50]), use(d[51]), use(d[52]), use(d[53]), use(d[54]), use(d[55]), use(d[56]), use(d[57]), use(d[58]), use(d[59]), use(d[60]), use(d[61])
#define TL_WGMMA_HALF_0 "%62"
#define TL_WGMMA_HALF_1 "%63"
#define TL_WGMMA_HALF_2 "%64"
#define TL_WGMMA_HALF_3 "%65"
#define TL_WGMMA_HALF_4 "%66"
#define TL_WGMMA_HALF_5 "%67"
#define TL_WGMMA_HALF_6 "%68"
#define TL_WGMMA_HALF_7 "%69"
#define TL_WGMMA_HALF_8 "%70"
#define TL_WGMMA_HALF_9 "%71"
#define TL_WGMMA_HALF_10 "%72"
#define TL_WGMMA_HALF_11 "%73"
#define TL_WGMMA_HALF_12 "%74"
#define TL_WGMMA_HALF_13 "%75"
#define TL_WGMMA_HALF_14 "%76"
#define TL_WGMMA_HALF_15 "%77"
#define TL_WGMMA_HALF_16 "%78"
#define TL_WGMMA_HALF_17 "%79"
#define TL_WGMMA_HALF_18 "%80"
#define TL_WGMMA_HALF_19 "%81"
#define TL_WGMMA_HALF_20 "%82"
#define TL_WGMMA_HALF_21 "%83"
#ifdef TL_WGMMA_SPARSE
#include <tl/wgmma_sp_instructions.h>
#else
#define TL_WGMMA_M64N248
#include <tl/wgmma_instructions.h>
#endif
#include <tl/wgmma_end.h>
#endif

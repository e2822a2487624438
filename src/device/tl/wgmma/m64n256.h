// wgmma with N = 256: register lists. Written by generate.py.
#if defined(TL_WGMMA_SPARSE) || !defined(TL_WGMMA_M64N256)  // the sparse instructions come by wgmma_sp/m64n256.h
#include <tl/wgmma.h>
#define TL_WGMMA_N 256
#define TL_WGMMA_SHAPE "m64n256"
#define TL_WGMMA_FULL "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}"
#define TL_WGMMA_FULL_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11]), use(d[12]), use(d[13]), use(d[14]), use(d[15]), use(d[16]), use(d[17]), use(d[18]), use(d[19]), use(d[20]), use(d[21]), use(d[22]), use(d[23]), use(d[24]), use(d[25]), use(d[26]), use(d[27]), use(d[28]), use(d[29]), use(d[30]), use(d[31]), use(d[32]), use(d[33]), use(d[34]), use(d[35]), use(d[36]), use(d[37]), use(d[38]), use(d[39]), use(d[40]), use(d[41]), use(d[42]), use(d[43]), use(d[44]), use(d[45]), use(d[46]), use(d[47]), use(d[48]), use(d[49]), use(d[50]), use(d[51]), use(d[52]), use(d[53]), use(d[54]), use(d[55]), use(d[56]), use(d[57]), use(d[58]), use(d[59]), use(d[60]), use(d[61]), use(d[62]), use(d[63]), use(d[64]), use(d[65]), use(d[66]), use(d[67]), use(d[68]), use(d[69]), use(d[70]), use(d[71]), use(d[72]), use(d[73]), use(d[74]), use(d[75]), use(d[76]), use(d[77]), use(d[78]), use(d[79]), use(d[80]), use(d[81]), use(d[82]), use(d[83]), use(d[84]), use(d[85]), use(d[86]), use(d[87]), use(d[88]), use(d[89]), use(d[90]), use(d[91]), use(d[92]), use(d[93]), use(d[94]), use(d[95]), use(d[96]), use(d[97]), use(d[98]), use(d[99]), use(d[100]), use(d[101]), use(d[102]), use(d[103]), use(d[104]), use(d[105]), use(d[106]), use(d[107]), use(d[108]), use(d[109]), use(d[110]), use(d[111]), use(d[112]), use(d[113]), use(d[114]), use(d[115]), use(d[116]), use(d[117]), use(d[118]), use(d[119]), use(d[120]), use(d[121]), use(d[122]), use(d[123]), use(d[124]), use(d[125]), use(d[126]), use(d[127])
#define TL_WGMMA_FULL_0 "%128"
#define TL_WGMMA_FULL_1 "%129"
#define TL_WGMMA_FULL_2 "%130"
#define TL_WGMMA_FULL_3 "%131"
#define TL_WGMMA_FULL_4 "%132"
#define TL_WGMMA_FULL_5 "%133"
#define TL_WGMMA_FULL_6 "%134"
#define TL_WGMMA_FULL_7 "%135"
#define TL_WGMMA_FULL_8 "%136"
#define TL_WGMMA_FULL_9 "%137"
#define TL_WGMMA_FULL_10 "%138"
#define TL_WGMMA_FULL_11 "%139"
#define TL_WGMMA_FULL_12 "%140"
#define TL_WGMMA_FULL_13 "%141"
#define TL_WGMMA_FULL_14 "%142"
#define TL_WGMMA_FULL_15 "%143"
#define TL_WGMMA_FULL_16 "%144"
#define TL_WGMMA_FULL_17 "%145"
#define TL_WGMMA_FULL_18 "%146"
#define TL_WGMMA_FULL_19 "%147"
#define TL_WGMMA_FULL_20 "%148"
#define TL_WGMMA_FULL_21 "%149"
#define TL_WGMMA_HALF "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}"
#define TL_WGMMA_HALF_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3]), use(d[4]), use(d[5]), use(d[6]), use(d[7]), use(d[8]), use(d[9]), use(d[10]), use(d[11]), use(d[12]), use(d[13]), use(d[14]), use(d[15]), use(d[16]), use(d[17]), use(d[18]), use(d[19]), use(d[20]), use(d[21]), use(d[22]), use(d[23]), use(d[24]), use(d[25]), use(d[26]), use(d[27]), use(d[28]), use(d[29]), use(d[30]), use(d[31]), use(d[32]), use(d[33]), use(d[34]), use(d[35]), use(d[36]), use(d[37]), use(d[38]), use(d[39]), use(d[40]), use(d[41]), use(d[42]), use(d[43]), use(d[44]), use(d[45]), use(d[46]), use(d[47]), use(d[48]), use(d[49]), use(d[50]), use(d[51]), use(d[52]), use(d[53]), use(d[54]), use(d[55]), use(d[56]), use(d[57]), use(d[58]), use(d[59]), use(d[60]), use(d[61]), use(d[62]), use(d[63])
#define TL_WGMMA_HALF_0 "%64"
#define TL_WGMMA_HALF_1 "%65"
#define TL_WGMMA_HALF_2 "%66"
#define TL_WGMMA_HALF_3 "%67"
#define TL_WGMMA_HALF_4 "%68"
#define TL_WGMMA_HALF_5 "%69"
#define TL_WGMMA_HALF_6 "%70"
#define TL_WGMMA_HALF_7 "%71"
#define TL_WGMMA_HALF_8 "%72"
#define TL_WGMMA_HALF_9 "%73"
#define TL_WGMMA_HALF_10 "%74"
#define TL_WGMMA_HALF_11 "%75"
#define TL_WGMMA_HALF_12 "%76"
#define TL_WGMMA_HALF_13 "%77"
#define TL_WGMMA_HALF_14 "%78"
#define TL_WGMMA_HALF_15 "%79"
#define TL_WGMMA_HALF_16 "%80"
#define TL_WGMMA_HALF_17 "%81"
#define TL_WGMMA_HALF_18 "%82"
#define TL_WGMMA_HALF_19 "%83"
#define TL_WGMMA_HALF_20 "%84"
#define TL_WGMMA_HALF_21 "%85"
#ifdef TL_WGMMA_SPARSE
#include <tl/wgmma_sp_instructions.h>
#else
#define TL_WGMMA_M64N256
#include <tl/wgmma_instructions.h>
#endif
#include <tl/wgmma_end.h>
#endif

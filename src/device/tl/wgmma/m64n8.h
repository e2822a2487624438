// wgmma with N = 8: register lists. Written by generate.py.
#if defined(TL_WGMMA_SPARSE) || !defined(TL_WGMMA_M64N8)  // the sparse instructions come by wgmma_sp/m64n8.h
#include <tl/wgmma.h>
#define TL_WGMMA_N 8
#define TL_WGMMA_SHAPE "m64n8"
#define TL_WGMMA_FULL "{%0, %1, %2, %3}"
#define TL_WGMMA_FULL_LIST(use) use(d[0]), use(d[1]), use(d[2]), use(d[3])
#define TL_WGMMA_FULL_0 "%4"
#define TL_WGMMA_FULL_1 "%5"
#define TL_WGMMA_FULL_2 "%6"
#define TL_WGMMA_FULL_3 "%7"
#define TL_WGMMA_FULL_4 "%8"
#define TL_WGMMA_FULL_5 "%9"
#define TL_WGMMA_FULL_6 "%10"
#define TL_WGMMA_FULL_7 "%11"
#define TL_WGMMA_FULL_8 "%12"
#define TL_WGMMA_FULL_9 "%13"
#define TL_WGMMA_FULL_10 "%14"
#define TL_WGMMA_FULL_11 "%15"
#define TL_WGMMA_FULL_12 "%16"
#define TL_WGMMA_FULL_13 "%17"
#define TL_WGMMA_FULL_14 "%18"
#define TL_WGMMA_FULL_15 "%19"
#define TL_WGMMA_FULL_16 "%20"
#define TL_WGMMA_FULL_17 "%21"
#define TL_WGMMA_FULL_18 "%22"
#define TL_WGMMA_FULL_19 "%23"
#define TL_WGMMA_FULL_20 "%24"
#define TL_WGMMA_FULL_21 "%25"
#define TL_WGMMA_HALF "{%0, %1}"
#define TL_WGMMA_HALF_LIST(use) use(d[0]), use(d[1])
#define TL_WGMMA_HALF_0 "%2"
#define TL_WGMMA_HALF_1 "%3"
#define TL_WGMMA_HALF_2 "%4"
#define TL_WGMMA_HALF_3 "%5"
#define TL_WGMMA_HALF_4 "%6"
#define TL_WGMMA_HALF_5 "%7"
#define TL_WGMMA_HALF_6 "%8"
#define TL_WGMMA_HALF_7 "%9"
#define TL_WGMMA_HALF_8 "%10"
#define TL_WGMMA_HALF_9 "%11"
#define TL_WGMMA_HALF_10 "%12"
#define TL_WGMMA_HALF_11 "%13"
#define TL_WGMMA_HALF_12 "%14"
#define TL_WGMMA_HALF_13 "%15"
#define TL_WGMMA_HALF_14 "%16"
#define TL_WGMMA_HALF_15 "%17"
#define TL_WGMMA_HALF_16 "%18"
#define TL_WGMMA_HALF_17 "%19"
#define TL_WGMMA_HALF_18 "%20"
#define TL_WGMMA_HALF_19 "%21"
#define TL_WGMMA_HALF_20 "%22"
#define TL_WGMMA_HALF_21 "%23"
#ifdef TL_WGMMA_SPARSE
#include <tl/wgmma_sp_instructions.h>
#else
#define TL_WGMMA_M64N8
#include <tl/wgmma_instructions.h>
#endif
#include <tl/wgmma_end.h>
#endif

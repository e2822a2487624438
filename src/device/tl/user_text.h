// What text of T.import_source finds: the toolkit's narrow floats, where its headers are at hand, and ours by their short names.
#pragma once
#include <tl/core.h>

#if defined(__CUDACC__) && defined(__has_include)
#if __has_include(<cuda_fp16.h>)
#include <cuda_fp16.h>
#endif
#if __has_include(<cuda_bf16.h>)
#include <cuda_bf16.h>
#endif
#if __has_include(<cuda_fp8.h>)
#include <cuda_fp8.h>
#endif
#endif

#ifdef __CUDACC_RTC__  // the C library's, which there are without NVRTC
using uint = unsigned int;
using ushort = unsigned short;
using ulong = unsigned long;
#endif

using half_t = tl::half_t;
using bfloat16_t = tl::bfloat16_t;
using float_e4m3_t = tl::float8_e4m3_t;
using float_e5m2_t = tl::float8_e5m2_t;

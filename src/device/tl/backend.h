// The ground under the device library on a GPU: integer types, function attributes, call sites.
// The simulator has its own backend.h earlier on the include path; headers that name neither PTX nor a CUDA builtin are
// written once, here in src/device, and serve both. So every include names <tl/...>, never a neighbour by quotes.
#pragma once

#if defined(__CUDACC_RTC__)  // NVRTC brings no <stdint.h>, and does not know GCC's name of memcpy
#define __builtin_memcpy memcpy
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
typedef unsigned long long uintptr_t;
#else
#include <stddef.h>
#include <stdint.h>
#endif

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#error "tilelang kernels need compute capability 8.0 (Ampere) or newer"
#endif

#define TL_FUNC __device__ __forceinline__
#define TL_ON_GPU 1

// Whether instructions that came with sm_90 are there; codegen asks the target before it uses them.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
#define TL_HOPPER 0
#else
#define TL_HOPPER 1
#endif

// Whether instructions of sm_100a are there.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 1000
#define TL_BLACKWELL 0
#else
#define TL_BLACKWELL 1
#endif

// Emits the simulator's argument thunk; a GPU needs none.
#define TL_ENTRY(name)

// The simulator passes the line of the call along, for its reports; a GPU does not.
#define TL_SITE_PARAMETER
#define TL_SITE_PARAMETER_ALONE
#define TL_SITE_ARGUMENT
#define TL_SITE_ARGUMENT_ALONE

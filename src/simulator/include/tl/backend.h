// The ground under the device library on a CPU: CUDA's keywords and built-in variables, call sites, the entry thunk.
// Stands before src/device on the include path; everything that the two share is there.
#pragma once
#include <stddef.h>
#include <tl_sim_abi.h>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __cluster_dims__(...)

#ifndef TL_FUNC
#define TL_FUNC inline
#endif
#define TL_ON_GPU 0
#define TL_HOPPER 1
#define TL_BLACKWELL 1

#define threadIdx (tl_sim_self->thread_index)
#define blockIdx (tl_sim_self->block_index)
#define blockDim (tl_sim_self->block_extent)
#define gridDim (tl_sim_self->grid_extent)

// Functions that may block pass the line of their call along, so that a report says where a thread waits.
#define TL_SITE_PARAMETER , int tl_site = __builtin_LINE()
#define TL_SITE_PARAMETER_ALONE int tl_site = __builtin_LINE()
#define TL_SITE_ARGUMENT , tl_site
#define TL_SITE_ARGUMENT_ALONE tl_site

// Code that hands over arguments is not part of the kernel: nobody watches it.
#if defined(__SANITIZE_THREAD__)
#define TL_UNWATCHED __attribute__((no_sanitize("thread")))
#else
#define TL_UNWATCHED
#endif

namespace tl::detail {

// For overloads: an integer predicate must convert to bool, never to a line.
struct call_site {
  int line;
  call_site(int line) : line(line) {}
};

// Unpacks the argument array by the kernel's own parameter types; braces fix the order of evaluation.
struct argument_reader {
  void** next;
  template <class T>
  TL_UNWATCHED T& take() {
    return *static_cast<T*>(*next++);
  }
};
template <class... Parameters>
struct kernel_call {
  TL_UNWATCHED kernel_call(void (*kernel)(Parameters...), Parameters... arguments) { kernel(arguments...); }
};
template <class... Parameters>
TL_UNWATCHED inline void call_kernel(void (*kernel)(Parameters...), void** arguments) {
  [[maybe_unused]] argument_reader reader{arguments};
  kernel_call<Parameters...>{kernel, reader.template take<Parameters>()...};
}

}  // namespace tl::detail

#define TL_ENTRY(name) \
  extern "C" TL_UNWATCHED void name##__sim(void** arguments) { tl::detail::call_kernel(name, arguments); }

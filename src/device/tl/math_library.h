// The math library of CUDA under the names that <tl/math.h> uses, and the special function unit (PTX ISA 9.7.3).
#pragma once
#include <tl/traits.h>

#define TL_LIBRARY_FLOAT(name) ::name##f
#define TL_LIBRARY_DOUBLE(name) ::name

namespace tl::detail {

TL_FUNC float library_rsqrt(float x) { return ::rsqrtf(x); }
TL_FUNC double library_rsqrt(double x) { return ::rsqrt(x); }
TL_FUNC int library_popcount(uint32_t x) { return __popc(x); }
TL_FUNC int library_popcount(uint64_t x) { return __popcll(x); }
TL_FUNC int library_clz(uint32_t x) { return __clz(static_cast<int>(x)); }
TL_FUNC int library_clz(uint64_t x) { return __clzll(static_cast<long long>(x)); }

#define TL_APPROXIMATE(name, instruction)                          \
  TL_FUNC float name(float x) {                                    \
    float y;                                                       \
    asm(instruction " %0, %1;" : "=f"(y) : "f"(x));                \
    return y;                                                      \
  }
TL_APPROXIMATE(fast_exp2, "ex2.approx.ftz.f32")
TL_APPROXIMATE(fast_tanh, "tanh.approx.f32")
TL_APPROXIMATE(fast_sqrt, "sqrt.approx.f32")
TL_APPROXIMATE(fast_rsqrt, "rsqrt.approx.f32")
TL_APPROXIMATE(fast_rcp, "rcp.approx.f32")
#undef TL_APPROXIMATE

TL_FUNC float fast_exp(float x) { return __expf(x); }
TL_FUNC float fast_exp10(float x) { return __exp10f(x); }
TL_FUNC float fast_log(float x) { return __logf(x); }
TL_FUNC float fast_log2(float x) { return __log2f(x); }
TL_FUNC float fast_log10(float x) { return __log10f(x); }
TL_FUNC float fast_sin(float x) { return __sinf(x); }
TL_FUNC float fast_cos(float x) { return __cosf(x); }
TL_FUNC float fast_tan(float x) { return __tanf(x); }
TL_FUNC float fast_div(float x, float y) { return __fdividef(x, y); }
TL_FUNC float fast_pow(float x, float y) { return __powf(x, y); }

}  // namespace tl::detail

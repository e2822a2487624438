// The C math library under the names that <tl/math.h> uses. The special function unit is simulated by the accurate
// functions: results of fast_* differ from a GPU's in the last bits.
#pragma once
#include <tl/traits.h>

// Builtins need no <math.h>.
#define TL_LIBRARY_FLOAT(name) __builtin_##name##f
#define TL_LIBRARY_DOUBLE(name) __builtin_##name

namespace tl::detail {

inline float library_rsqrt(float x) { return static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(x))); }
inline double library_rsqrt(double x) { return 1.0 / __builtin_sqrt(x); }
inline int library_popcount(uint32_t x) { return __builtin_popcount(x); }
inline int library_popcount(uint64_t x) { return __builtin_popcountll(x); }
inline int library_clz(uint32_t x) { return x ? __builtin_clz(x) : 32; }
inline int library_clz(uint64_t x) { return x ? __builtin_clzll(x) : 64; }

#define TL_ACCURATE(name) \
  inline float fast_##name(float x) { return __builtin_##name##f(x); }
TL_ACCURATE(exp)
TL_ACCURATE(exp2)
TL_ACCURATE(exp10)
TL_ACCURATE(log)
TL_ACCURATE(log2)
TL_ACCURATE(log10)
TL_ACCURATE(sin)
TL_ACCURATE(cos)
TL_ACCURATE(tan)
TL_ACCURATE(tanh)
TL_ACCURATE(sqrt)
#undef TL_ACCURATE
inline float fast_rsqrt(float x) { return library_rsqrt(x); }
inline float fast_rcp(float x) { return 1.0f / x; }
inline float fast_div(float x, float y) { return x / y; }
// As the GPU's: 2^(y log2 x), so that a negative base gives NaN.
inline float fast_pow(float x, float y) {
  return static_cast<float>(__builtin_exp2(static_cast<double>(y) * __builtin_log2(static_cast<double>(x))));
}

}  // namespace tl::detail

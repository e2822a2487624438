// The functions that <tl/math.h> uses: the commonest of float are our own (<tl/elementary.h>), the others the C library's.
// Approximate functions are the accurate ones.
//
// In vector loops g++ calls the variants of glibc's libmvec, which are within 4 units in the last place ("libmvec" in glibc's wiki).
// glibc declares them under -ffast-math alone, which would take NaN and infinity away; so they are declared here. clang finds them
// with -fveclib=libmvec.
#pragma once
#define _GLIBCXX_INCLUDE_NEXT_C_HEADERS  // libstdc++: the C header alone, a tenth of the text
#include <math.h>
#undef _GLIBCXX_INCLUDE_NEXT_C_HEADERS
#include <tl/elementary.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#define TL_VECTOR_UNARY(name)                                                      \
  extern "C" __attribute__((simd("notinbranch"))) float name##f(float) noexcept;   \
  extern "C" __attribute__((simd("notinbranch"))) double name(double) noexcept;
#define TL_VECTOR_BINARY(name)                                                           \
  extern "C" __attribute__((simd("notinbranch"))) float name##f(float, float) noexcept;  \
  extern "C" __attribute__((simd("notinbranch"))) double name(double, double) noexcept;
TL_VECTOR_UNARY(exp)
TL_VECTOR_UNARY(log)
TL_VECTOR_UNARY(sin)
TL_VECTOR_UNARY(cos)
TL_VECTOR_BINARY(pow)
#if __GLIBC_PREREQ(2, 35)
TL_VECTOR_UNARY(exp2)
TL_VECTOR_UNARY(exp10)
TL_VECTOR_UNARY(expm1)
TL_VECTOR_UNARY(log2)
TL_VECTOR_UNARY(log10)
TL_VECTOR_UNARY(log1p)
TL_VECTOR_UNARY(tan)
TL_VECTOR_UNARY(sinh)
TL_VECTOR_UNARY(cosh)
TL_VECTOR_UNARY(tanh)
TL_VECTOR_UNARY(asin)
TL_VECTOR_UNARY(acos)
TL_VECTOR_UNARY(atan)
TL_VECTOR_UNARY(asinh)
TL_VECTOR_UNARY(acosh)
TL_VECTOR_UNARY(atanh)
TL_VECTOR_UNARY(erf)
TL_VECTOR_BINARY(atan2)
TL_VECTOR_BINARY(hypot)
#endif
#undef TL_VECTOR_UNARY
#undef TL_VECTOR_BINARY
#endif

namespace tl::elementary {
using ::acosf, ::acoshf, ::asinf, ::asinhf, ::atan2f, ::atanf, ::atanhf, ::ceilf, ::copysignf, ::cosf, ::coshf, ::expm1f, ::floorf;
using ::fmaf, ::fmodf, ::hypotf, ::ldexpf, ::log1pf, ::nearbyintf, ::powf, ::roundf, ::sinf, ::sinhf, ::sqrtf, ::tanf, ::truncf;
}  // namespace tl::elementary

#define TL_LIBRARY_FLOAT(name) ::tl::elementary::name##f
#define TL_LIBRARY_DOUBLE(name) ::name

namespace tl::detail {

TL_FUNC float library_rsqrt(float x) { return 1.0f / ::sqrtf(x); }
TL_FUNC double library_rsqrt(double x) { return 1.0 / ::sqrt(x); }
TL_FUNC int library_popcount(uint32_t x) { return __builtin_popcount(x); }
TL_FUNC int library_popcount(uint64_t x) { return __builtin_popcountll(x); }
TL_FUNC int library_clz(uint32_t x) { return x ? __builtin_clz(x) : 32; }
TL_FUNC int library_clz(uint64_t x) { return x ? __builtin_clzll(x) : 64; }

#define TL_ACCURATE(name) \
  TL_FUNC float fast_##name(float x) { return elementary::name##f(x); }
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

TL_FUNC float fast_rsqrt(float x) { return library_rsqrt(x); }
TL_FUNC float fast_rcp(float x) { return 1.0f / x; }
TL_FUNC float fast_div(float x, float y) { return x / y; }
TL_FUNC float fast_pow(float x, float y) { return ::powf(x, y); }

}  // namespace tl::detail

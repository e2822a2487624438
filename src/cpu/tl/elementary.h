// Elementary functions of float that are expressions alone: no call, no branch, so that every compiler makes vector code of loops
// around them, whatever math library the machine has, and a ragged end gives the same bits as the middle. Within 2 units in
// the last place for every float (`python -m testing.cpu.ulp` tries all of them), with or without fused multiply-add. Reassociation
// (tl.enable_fast_math) changes nothing where there is fused multiply-add; elsewhere it undoes the reduction of arguments.
//
// Arguments are reduced as in W. Cody, W. Waite, "Software Manual for the Elementary Functions", 1980: constants are split in
// two, the first with few enough bits that its product is exact. The polynomials are minimax fits on the intervals named beside
// them (Remez, in 40 digits, coefficients rounded to float); their own error is below a tenth of a unit.
#pragma once
#include <tl/traits.h>

namespace tl::elementary {

// a * b + c, fused where that is one instruction.
TL_FUNC float mad(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__FP_FAST_FMAF)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

// Coefficients from the lowest; Horner's rule.
template <int N>
TL_FUNC float polynomial(const float (&c)[N], float x) {
  float y = c[N - 1];
#pragma GCC unroll 16
  for (int i = N - 2; i >= 0; --i) y = mad(y, x, c[i]);
  return y;
}

// |x|, at most `limit`, which is also what becomes of a NaN: it can be converted to an integer. Compared as bits, one instruction.
TL_FUNC float magnitude(float x, float limit) {
  const uint32_t a = reinterpret<uint32_t>(x) & 0x7fffffffu, b = reinterpret<uint32_t>(limit);
  return reinterpret<float>(a < b ? a : b);
}

TL_FUNC float power_of_two(int n) { return reinterpret<float>(static_cast<uint32_t>(n + 127) << 23); }  // -126 <= n <= 127
// y 2^n for |n| <= 152 and y near 1: rounded once among the subnormals, infinity where it overflows.
TL_FUNC float scale(float y, int n) {
  const int half = n >> 1;
  return reinterpret<float>(reinterpret<uint32_t>(y) + (static_cast<uint32_t>(half) << 23)) * power_of_two(n - half);
}

constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;  // 9 bits and the rest

// e^r for |r| <= ln(2)/2.
TL_FUNC float exp_reduced(float r) {
  constexpr float c[] = {0.49999994f, 0.166665152f, 0.041668456f, 0.00836941879f, 0.00138131785f};  // (e^r - 1 - r) / r^2
  return mad(r * r, polynomial(c, r), r) + 1.0f;
}

TL_FUNC float expf(float x) {
  const float held = __builtin_copysignf(magnitude(x, 104.0f), x), n = __builtin_rintf(held * 1.44269504f);
  const float r = mad(n, -ln2_low, mad(n, -ln2_high, held));
  return x != x ? x : scale(exp_reduced(r), static_cast<int>(n));
}

TL_FUNC float exp2f(float x) {
  constexpr float c[] = {0.693147182f,   0.240226477f,   0.0555033237f,
                         0.00961843692f, 0.00133988739f, 0.000153533707f};  // (2^r - 1) / r
  const float held = __builtin_copysignf(magnitude(x, 151.0f), x), n = __builtin_rintf(held), r = held - n;
  return x != x ? x : scale(mad(r, polynomial(c, r), 1.0f), static_cast<int>(n));
}

TL_FUNC float exp10f(float x) {
  constexpr float high = 0.30078125f, low = 2.48745664e-4f;  // log10(2)
  const float held = __builtin_copysignf(magnitude(x, 45.5f), x), n = __builtin_rintf(held * 3.32192809f);
  const float r = mad(n, -low, mad(n, -high, held)) * 2.30258509f;
  return x != x ? x : scale(exp_reduced(r), static_cast<int>(n));
}

// A positive float as 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2); log(1 + f) = f + tail.
struct log_parts {
  float k, f, tail;
};
TL_FUNC log_parts split(float x) {
  constexpr float c[] = {0.333333313f,    -0.250008196f, 0.200012282f,  -0.166233584f,
                         0.142017245f,    -0.131601393f, 0.127617732f,  -0.0763484016f};  // (log(1+f) - f + f^2/2) / f^3
  const bool subnormal = x < 0x1p-126f;
  const uint32_t bits = reinterpret<uint32_t>(subnormal ? x * 0x1p23f : x) - 0x3f3504f3u;  // counted from sqrt(1/2)
  const int k = (static_cast<int>(bits) >> 23) - (subnormal ? 23 : 0);
  const float f = reinterpret<float>((bits & 0x7fffffu) + 0x3f3504f3u) - 1.0f, square = f * f;
  return {static_cast<float>(k), f, mad(square * f, polynomial(c, f), -0.5f * square)};
}
// `y` where x is a positive number; the logarithm of anything else.
TL_FUNC float log_of(float x, float y) {
  const float infinity = __builtin_inff();
  y = x == infinity ? infinity : y;
  return x > 0.0f ? y : x == 0.0f ? -infinity : __builtin_nanf("");
}

TL_FUNC float logf(float x) {
  const log_parts part = split(x);
  return log_of(x, mad(part.k, ln2_high, part.f + mad(part.k, ln2_low, part.tail)));
}

// 2^k (1 + f) to another base: k `two` + log(1 + f) `base`, where `base` and `two` have a high part of few bits. The high bits of f
// by those of `base` are exact, so that what is rounded twice is small.
TL_FUNC float rebase(const log_parts& part, float two_high, float two_low, float base_high, float base_low) {
  const float f = reinterpret<float>(reinterpret<uint32_t>(part.f) & 0xfffff000u);
  const float rest = mad(part.f - f, base_high, mad(part.f, base_low, part.tail * (base_high + base_low)));
  return mad(part.k, two_high, mad(f, base_high, mad(part.k, two_low, rest)));
}

TL_FUNC float log2f(float x) { return log_of(x, rebase(split(x), 1.0f, 0.0f, 1.44287109375f, -1.76052861e-4f)); }

TL_FUNC float log10f(float x) {
  return log_of(x, rebase(split(x), 0.30078125f, 2.48745664e-4f, 0.434326171875f, -3.16899717e-5f));
}

// e^x for 0 <= x <= 88, and e^-x.
TL_FUNC float exp_inside(float x) {
  const float n = __builtin_rintf(x * 1.44269504f);
  return exp_reduced(mad(n, -ln2_low, mad(n, -ln2_high, x))) * power_of_two(static_cast<int>(n));
}

TL_FUNC float tanhf(float x) {
  constexpr float c[] = {-0.333332986f, 0.133319244f, -0.0537838303f, 0.0207959656f, -0.0058951471f};  // up to 0.6
  const float a = magnitude(x, 10.0f), square = x * x;
  const float small = mad(x * square, polynomial(c, square), x);
  const float large = 1.0f - 2.0f / (exp_inside(2.0f * a) + 1.0f);
  return __builtin_fabsf(x) >= 0.6f ? __builtin_copysignf(large, x) : small;  // a NaN is `small`
}

TL_FUNC float erff(float x) {
  // erf(x) / x - 1 in x^2, up to 0.92; then -log(1 - erf(x)), up to 4, where erf is 1.
  constexpr float near[] = {0.128379166f,   -0.376126349f,    0.112836972f,  -0.0268594995f,
                            0.00520128617f, -0.000814559811f, 8.38239139e-05f};
  constexpr float far[] = {0.000195727829f, 1.12767541f,    0.637182653f,    0.103931211f,
                           -0.0222267248f,  0.00304316566f, -0.000195931716f};
  const float small = mad(x, polynomial(near, x * x), x);
  const float large = 1.0f - exp_inside(-polynomial(far, magnitude(x, 4.0f)));
  return __builtin_fabsf(x) >= 0.92f ? __builtin_copysignf(large, x) : small;  // a NaN is `small`
}

}  // namespace tl::elementary

// Directed rounding on a CPU: the processor's mode, set around one operation on volatile operands, which nothing moves.
#pragma once
#include <tl/traits.h>

#include <fenv.h>

namespace tl::detail {

class rounding_scope {
 public:
  explicit rounding_scope(int mode) : saved_(fegetround()) {
    constexpr int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_UPWARD, FE_DOWNWARD};
    fesetround(modes[mode]);
  }
  ~rounding_scope() { fesetround(saved_); }

 private:
  int saved_;
};

#define TL_DIRECTED(name, expression)                    \
  template <int Mode, class T>                           \
  inline T directed_##name(T a, T b = T(), T c = T()) {  \
    static_assert(Mode < 4, "rn, rz, ru or rd");         \
    volatile T x = a, y = b, z = c, r;                   \
    {                                                    \
      rounding_scope scope(Mode);                        \
      r = expression;                                    \
    }                                                    \
    (void)y, (void)z;                                    \
    return r;                                            \
  }
inline float fused(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
inline double fused(double x, double y, double z) { return __builtin_fma(x, y, z); }
inline float root(float x) { return __builtin_sqrtf(x); }
inline double root(double x) { return __builtin_sqrt(x); }
TL_DIRECTED(add, x + y)
TL_DIRECTED(sub, x - y)
TL_DIRECTED(mul, x* y)
TL_DIRECTED(div, x / y)
TL_DIRECTED(fma, fused(x, y, z))
TL_DIRECTED(sqrt, root(x))
#undef TL_DIRECTED

inline float nearest_rsqrt(float x) { return static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(x))); }

}  // namespace tl::detail

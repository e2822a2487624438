// Reduction operators and the butterfly over lanes.
#pragma once
#include <tl/math.h>
#include <tl/shuffle.h>

namespace tl {

struct op_sum {
  template <class T>
  static TL_FUNC T apply(T a, T b) {
    return a + b;
  }
};
struct op_max {
  template <class T>
  static TL_FUNC T apply(T a, T b) {
    return max(a, b);
  }
};
struct op_min {
  template <class T>
  static TL_FUNC T apply(T a, T b) {
    return min(a, b);
  }
};
// A NaN on either side wins.
struct op_max_nan {
  template <class T>
  static TL_FUNC T apply(T a, T b) {
    return isnan(a) ? a : isnan(b) ? b : max(a, b);
  }
};
struct op_min_nan {
  template <class T>
  static TL_FUNC T apply(T a, T b) {
    return isnan(a) ? a : isnan(b) ? b : min(a, b);
  }
};
// Both sides by magnitude: applied to an accumulator that is already one, its abs changes nothing.
struct op_absmax {
  template <class T>
  static TL_FUNC T apply(T a, T b) {
    return max(abs(a), abs(b));
  }
};
struct op_abssum {
  template <class T>
  static TL_FUNC T apply(T a, T b) {
    return abs(a) + abs(b);
  }
};
struct op_bitand {
  template <class T>
  static TL_FUNC T apply(T a, T b) {
    return a & b;
  }
};
struct op_bitor {
  template <class T>
  static TL_FUNC T apply(T a, T b) {
    return a | b;
  }
};
struct op_bitxor {
  template <class T>
  static TL_FUNC T apply(T a, T b) {
    return a ^ b;
  }
};

// Combines over `Extent` lanes (a power of two) that are `Stride` apart; every one of them receives the result.
// Lanes whose other bits differ form separate groups.
template <class Op, int Extent, int Stride, class T>
TL_FUNC T warp_reduce(T value TL_SITE_PARAMETER) {
  static_assert(Extent > 0 && (Extent & (Extent - 1)) == 0 && Stride > 0 && (Stride & (Stride - 1)) == 0 && Extent * Stride <= 32,
                "extent and stride are powers of two within a warp");
#pragma unroll
  for (int mask = Extent / 2 * Stride; mask >= Stride; mask /= 2) value = Op::apply(value, shfl_xor(value, mask TL_SITE_ARGUMENT));
  return value;
}

// Inclusive scan over the 32 lanes: lane k receives values 0 to k combined.
template <class Op, class T>
TL_FUNC T warp_scan(T value TL_SITE_PARAMETER) {
  const int lane = lane_id();
#pragma unroll
  for (int delta = 1; delta < 32; delta *= 2) {
    T below = shfl_up(value, delta TL_SITE_ARGUMENT);
    if (lane >= delta) value = Op::apply(below, value);
  }
  return value;
}

// One more value for a thread's own part of a reduction.
template <class Op, class T>
TL_FUNC void combine(T* slot, typename remove_const<T>::type value) {
  *slot = Op::apply(*slot, value);
}

}  // namespace tl

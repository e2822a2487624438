// Atomic additions of neighbouring elements given as a vector.
#pragma once
#include <tl/atomic.h>
#include <tl/vector.h>

namespace tl {

// N (2 or 4) elements, aligned to all of them in global memory; each element is atomic by itself.
template <class T, int N>
TL_FUNC void atomic_add_lanes(T* pointer, const vec<T, N>& values) {
  atomic_add_vec<N>(pointer, values.lanes);
}

// The same; the previous values.
template <class T, int N>
TL_FUNC vec<T, N> atomic_fetch_add_lanes(T* pointer, const vec<T, N>& values) {
  vec<T, N> before;
#pragma unroll
  for (int i = 0; i < N; ++i) before.lanes[i] = atomic_add(pointer + i, values.lanes[i]);
  return before;
}

}  // namespace tl

// wgmma instructions of a GPU; <tl/wgmma.h> says what they mean.
#pragma once
#include <tl/smem_address.h>
#include <tl/wgmma_rules.h>

#if TL_HOPPER

namespace tl {

TL_FUNC void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
TL_FUNC void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int Pending>
TL_FUNC void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}

namespace detail {

// One specialization for each N, in <tl/wgmma/m64n<N>.h>.
template <int N>
struct wgmma_shape;

template <class A, class B, int N, bool TransA, bool TransB, int ScaleA, int ScaleB, class C, class Keep>
TL_FUNC void wgmma_ss(C* d, uint64_t a, uint64_t b, Keep accumulate) {
  constexpr bool Fresh = is_same<Keep, overwrite>;
  if constexpr (is_same<C, half_t>) {
    wgmma_shape<N>::template ss_half<A, B, Fresh, TransA, TransB, ScaleA, ScaleB>(reinterpret_cast<uint32_t*>(d), a, b, accumulate);
  } else {
    wgmma_shape<N>::template ss<A, B, Fresh, TransA, TransB, ScaleA, ScaleB>(d, a, b, accumulate);
  }
}
template <class A, class B, int N, bool TransB, int ScaleA, int ScaleB, class C, class Keep>
TL_FUNC void wgmma_rs(C* d, const A* elements, uint64_t b, Keep accumulate) {
  constexpr bool Fresh = is_same<Keep, overwrite>;
  uint32_t a[4];
  __builtin_memcpy(a, elements, sizeof(a));
  if constexpr (is_same<C, half_t>) {
    wgmma_shape<N>::template rs_half<A, B, Fresh, TransB, ScaleA, ScaleB>(reinterpret_cast<uint32_t*>(d), a, b, accumulate);
  } else {
    wgmma_shape<N>::template rs<A, B, Fresh, TransB, ScaleA, ScaleB>(d, a, b, accumulate);
  }
}

template <class A, class B, int N, bool TransA, bool TransB, int Steps, int StrideA, int StrideB, int HalfA, int HalfB, class C, class Keep>
TL_FUNC void wgmma_ss_steps(C* d, uint64_t a, uint64_t b, Keep accumulate) {
  constexpr bool Fresh = is_same<Keep, overwrite>;
  using shape = wgmma_shape<N>;
  constexpr int step_a = StrideA >> 4, step_b = StrideB >> 4;
  [[maybe_unused]] constexpr int hop_a = (HalfA >> 4) - 3 * step_a, hop_b = (HalfB >> 4) - 3 * step_b;  // of 8 steps
  if constexpr (is_same<C, half_t>) {
    uint32_t* pairs = reinterpret_cast<uint32_t*>(d);
    if constexpr (Steps == 2) shape::template ss2_half<A, B, Fresh, TransA, TransB, 1, 1, step_a, step_b>(pairs, a, b, accumulate);
    else if constexpr (Steps == 4) shape::template ss4_half<A, B, Fresh, TransA, TransB, 1, 1, step_a, step_b>(pairs, a, b, accumulate);
    else shape::template ss8_half<A, B, Fresh, TransA, TransB, 1, 1, step_a, step_b, hop_a, hop_b>(pairs, a, b, accumulate);
  } else {
    if constexpr (Steps == 2) shape::template ss2<A, B, Fresh, TransA, TransB, 1, 1, step_a, step_b>(d, a, b, accumulate);
    else if constexpr (Steps == 4) shape::template ss4<A, B, Fresh, TransA, TransB, 1, 1, step_a, step_b>(d, a, b, accumulate);
    else shape::template ss8<A, B, Fresh, TransA, TransB, 1, 1, step_a, step_b, hop_a, hop_b>(d, a, b, accumulate);
  }
}
template <class A, class B, int N, bool TransB, int Steps, int StrideB, int HalfB, class C, class Keep>
TL_FUNC void wgmma_rs_steps(C* d, const A* elements, uint64_t b, Keep accumulate) {
  constexpr bool Fresh = is_same<Keep, overwrite>;
  using shape = wgmma_shape<N>;
  constexpr int step_b = StrideB >> 4;
  [[maybe_unused]] constexpr int hop_b = (HalfB >> 4) - 3 * step_b;  // of 8 steps
  uint32_t a[4 * Steps];
  __builtin_memcpy(a, elements, sizeof(a));
  if constexpr (is_same<C, half_t>) {
    uint32_t* pairs = reinterpret_cast<uint32_t*>(d);
    if constexpr (Steps == 2) shape::template rs2_half<A, B, Fresh, TransB, 1, 1, step_b>(pairs, a, b, accumulate);
    else if constexpr (Steps == 4) shape::template rs4_half<A, B, Fresh, TransB, 1, 1, step_b>(pairs, a, b, accumulate);
    else shape::template rs8_half<A, B, Fresh, TransB, 1, 1, step_b, hop_b>(pairs, a, b, accumulate);
  } else {
    if constexpr (Steps == 2) shape::template rs2<A, B, Fresh, TransB, 1, 1, step_b>(d, a, b, accumulate);
    else if constexpr (Steps == 4) shape::template rs4<A, B, Fresh, TransB, 1, 1, step_b>(d, a, b, accumulate);
    else shape::template rs8<A, B, Fresh, TransB, 1, 1, step_b, hop_b>(d, a, b, accumulate);
  }
}

}  // namespace detail

// Holds accumulators in place: the compiler knows nothing of registers that are written later, and would move reads of them
// before the wait. After every wgmma_wait whose results are read.
template <int N, class C>
TL_FUNC void wgmma_pin(C* d) {
  if constexpr (is_same<C, half_t>) detail::wgmma_shape<N>::pin_half(reinterpret_cast<uint32_t*>(d));
  else detail::wgmma_shape<N>::pin(d);
}

}  // namespace tl

#endif

// Atomic instructions of a CPU: blocks run on several OS threads, so these are real.
#pragma once
#include <tl/float_types.h>

namespace tl::detail {

template <class U>
inline U compare_exchange(U* pointer, U expected, U desired) {
  __atomic_compare_exchange_n(pointer, &expected, desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;  // what was there
}
template <class U>
inline U load_relaxed(const U* pointer) {
  return __atomic_load_n(pointer, __ATOMIC_RELAXED);
}
// After a load that may be part of a spin loop: the simulator lets other threads run.
inline void spin_point() { tl_sim_atomic_load_done(); }
template <class U>
inline void store_relaxed(U* pointer, U value) {
  __atomic_store_n(pointer, value, __ATOMIC_RELAXED);
}

template <class T>
inline constexpr bool has_native_add = is_integer<T>;
template <class T>
inline constexpr bool has_native_max = false;
template <class T>
inline constexpr bool has_native_min = false;
template <class T, int N>
inline constexpr bool has_native_add_vec = false;

template <class T>
T native_max(T*, T);
template <class T>
T native_min(T*, T);
template <int N, class T>
void native_add_vec(T*, const T*);

template <class T>
inline T native_add(T* pointer, T value) {
  return __atomic_fetch_add(pointer, value, __ATOMIC_RELAXED);
}
template <class T>
inline T native_and(T* pointer, T value) {
  return __atomic_fetch_and(pointer, value, __ATOMIC_RELAXED);
}
template <class T>
inline T native_or(T* pointer, T value) {
  return __atomic_fetch_or(pointer, value, __ATOMIC_RELAXED);
}
template <class T>
inline T native_xor(T* pointer, T value) {
  return __atomic_fetch_xor(pointer, value, __ATOMIC_RELAXED);
}

}  // namespace tl::detail

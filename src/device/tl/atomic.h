// Atomic read-modify-write on global or shared memory; each returns the previous value.
// add, max, min: half_t, bfloat16_t, float, double, 32- and 64-bit integers; and, or, xor: 32- and 64-bit integers.
// The order is relaxed unless the first template argument says otherwise: `atomic_add<tl::memory_order::acq_rel>(p, v)`.
#pragma once
#include <tl/atomic_access.h>
#include <tl/cast.h>
#include <tl/sync.h>

namespace tl {

enum class memory_order { relaxed, acquire, release, acq_rel, seq_cst };

namespace detail {

// Fences around a relaxed access give every order (PTX ISA 8, "Memory Consistency Model": fence-fence synchronization).
template <memory_order Order>
TL_FUNC void fence_before() {
  if constexpr (Order != memory_order::relaxed && Order != memory_order::acquire) fence_device();
}
template <memory_order Order>
TL_FUNC void fence_after() {
  if constexpr (Order != memory_order::relaxed && Order != memory_order::release) fence_device();
}

// Any update of 2, 4 or 8 bytes, by comparing and exchanging until nobody came between.
template <class T, class Update>
TL_FUNC T update_by_exchange(T* pointer, T value, Update update) {
  using U = typename unsigned_of_size<sizeof(T)>::type;
  U* raw = reinterpret_cast<U*>(pointer);
  U seen = load_relaxed(raw);
  while (true) {
    U desired = reinterpret<U>(update(reinterpret<T>(seen), value));
    U before = compare_exchange(raw, seen, desired);
    if (before == seen) return reinterpret<T>(seen);
    seen = before;
  }
}

template <class T>
inline constexpr bool has_atomic = (is_integer<T> && sizeof(T) >= 4) || is_wide_float<T> || (is_narrow_float<T> && sizeof(T) == 2);

struct update_add {
  template <class T>
  TL_FUNC T operator()(T a, T b) const {
    return a + b;
  }
};
struct update_max {
  template <class T>
  TL_FUNC T operator()(T a, T b) const {
    return max(a, b);
  }
};
struct update_min {
  template <class T>
  TL_FUNC T operator()(T a, T b) const {
    return min(a, b);
  }
};

}  // namespace detail

#define TL_ATOMIC_ARITHMETIC(name)                                                                               \
  template <memory_order Order = memory_order::relaxed, class T>                                                 \
  TL_FUNC T atomic_##name(T* pointer, typename remove_const<T>::type value) {                                    \
    static_assert(detail::has_atomic<T>, "atomics take 16-bit floats and 32- or 64-bit types");                   \
    detail::fence_before<Order>();                                                                               \
    T previous;                                                                                                  \
    if constexpr (detail::has_native_##name<T>) previous = detail::native_##name(pointer, value);                \
    else previous = detail::update_by_exchange(pointer, value, detail::update_##name());                         \
    detail::fence_after<Order>();                                                                                \
    return previous;                                                                                             \
  }
TL_ATOMIC_ARITHMETIC(add)
TL_ATOMIC_ARITHMETIC(max)
TL_ATOMIC_ARITHMETIC(min)
#undef TL_ATOMIC_ARITHMETIC

#define TL_ATOMIC_BITS(name)                                                                                     \
  template <memory_order Order = memory_order::relaxed, class T>                                                 \
  TL_FUNC T atomic_##name(T* pointer, typename remove_const<T>::type value) {                                    \
    static_assert(is_integer<T> && sizeof(T) >= 4, "bitwise atomics take 32- and 64-bit integers");              \
    detail::fence_before<Order>();                                                                               \
    T previous = detail::native_##name(pointer, value);                                                          \
    detail::fence_after<Order>();                                                                                \
    return previous;                                                                                             \
  }
TL_ATOMIC_BITS(and)
TL_ATOMIC_BITS(or)
TL_ATOMIC_BITS(xor)
#undef TL_ATOMIC_BITS

template <memory_order Order = memory_order::relaxed, class T>
TL_FUNC T atomic_load(const T* pointer) {
  using U = typename unsigned_of_size<sizeof(T)>::type;
  detail::fence_before<Order == memory_order::seq_cst ? Order : memory_order::relaxed>();
  T value = reinterpret<T>(detail::load_relaxed(reinterpret_cast<const U*>(pointer)));
  detail::spin_point();
  detail::fence_after<Order>();
  return value;
}

template <memory_order Order = memory_order::relaxed, class T>
TL_FUNC void atomic_store(T* pointer, typename remove_const<T>::type value) {
  using U = typename unsigned_of_size<sizeof(T)>::type;
  detail::fence_before<Order>();
  detail::store_relaxed(reinterpret_cast<U*>(pointer), reinterpret<U>(value));
  detail::fence_after<Order == memory_order::seq_cst ? Order : memory_order::relaxed>();
}

// Adds N (2 or 4) neighbouring elements of global memory, aligned to all of them; each element is atomic by itself.
template <int N, memory_order Order = memory_order::relaxed, class T>
TL_FUNC void atomic_add_vec(T* pointer, const T* values) {
  static_assert(N == 2 || N == 4, "vector atomics take 2 or 4 elements");
  detail::fence_before<Order>();
  if constexpr (detail::has_native_add_vec<T, N>) {
    detail::native_add_vec<N>(pointer, values);
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) atomic_add(pointer + i, values[i]);
  }
  detail::fence_after<Order>();
}

}  // namespace tl

// A few values of one type that travel together: vector dtypes of the language (float16x2, uint32x4) as values.
#pragma once
#include <tl/cast.h>
#include <tl/memory.h>

namespace tl {

template <class T, int N>
struct vec {
  T lanes[N];
};

template <int N, class T>
TL_FUNC vec<T, N> broadcast(T value) {
  vec<T, N> r;
#pragma unroll
  for (int i = 0; i < N; ++i) r.lanes[i] = value;
  return r;
}

// base, base + step, base + 2 * step, ...
template <int N, class T>
TL_FUNC vec<T, N> ramp(T base, T step) {
  vec<T, N> r;
#pragma unroll
  for (int i = 0; i < N; ++i) r.lanes[i] = static_cast<T>(base + static_cast<T>(i) * step);
  return r;
}

template <class T, class... Rest>
TL_FUNC vec<T, 1 + sizeof...(Rest)> pack(T first, Rest... rest) {
  return {{first, rest...}};
}

// One lane; of a scalar, lane 0.
template <int Lane, class T, int N>
TL_FUNC T lane(const vec<T, N>& v) {
  static_assert(Lane >= 0 && Lane < N, "the vector has no such lane");
  return v.lanes[Lane];
}
template <int Lane, class T>
TL_FUNC T lane(const T& v) {
  static_assert(Lane == 0, "a scalar has one lane");
  return v;
}

// f(a, b, ...) of each lane.
template <class Function, class T, int N, class... Rest>
TL_FUNC auto lanewise(Function f, const vec<T, N>& a, const Rest&... rest) -> vec<decltype(f(a.lanes[0], rest.lanes[0]...)), N> {
  vec<decltype(f(a.lanes[0], rest.lanes[0]...)), N> r;
#pragma unroll
  for (int i = 0; i < N; ++i) r.lanes[i] = f(a.lanes[i], rest.lanes[i]...);
  return r;
}

template <class To, class From, int N>
TL_FUNC vec<To, N> cast_lanes(const vec<From, N>& v) {
  vec<To, N> r;
#pragma unroll
  for (int i = 0; i < N; ++i) r.lanes[i] = cast<To>(v.lanes[i]);
  return r;
}

template <class T, int N>
TL_FUNC vec<T, N> select(const vec<bool, N>& c, const vec<T, N>& a, const vec<T, N>& b) {
  vec<T, N> r;
#pragma unroll
  for (int i = 0; i < N; ++i) r.lanes[i] = c.lanes[i] ? a.lanes[i] : b.lanes[i];
  return r;
}

#define TL_VECTOR_OPERATOR(symbol, result)                                    \
  template <class T, int N>                                                   \
  TL_FUNC vec<result, N> operator symbol(const vec<T, N>& a, const vec<T, N>& b) { \
    vec<result, N> r;                                                         \
    _Pragma("unroll") for (int i = 0; i < N; ++i) r.lanes[i] = static_cast<result>(a.lanes[i] symbol b.lanes[i]); \
    return r;                                                                 \
  }
#if !TL_ON_GPU
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif
TL_VECTOR_OPERATOR(+, T)
TL_VECTOR_OPERATOR(-, T)
TL_VECTOR_OPERATOR(*, T)
TL_VECTOR_OPERATOR(/, T)
TL_VECTOR_OPERATOR(%, T)
TL_VECTOR_OPERATOR(&, T)
TL_VECTOR_OPERATOR(|, T)
TL_VECTOR_OPERATOR(^, T)
TL_VECTOR_OPERATOR(<<, T)
TL_VECTOR_OPERATOR(>>, T)
TL_VECTOR_OPERATOR(==, bool)
TL_VECTOR_OPERATOR(!=, bool)
TL_VECTOR_OPERATOR(<, bool)
TL_VECTOR_OPERATOR(<=, bool)
TL_VECTOR_OPERATOR(>, bool)
TL_VECTOR_OPERATOR(>=, bool)
TL_VECTOR_OPERATOR(&&, bool)
TL_VECTOR_OPERATOR(||, bool)
#if !TL_ON_GPU
#pragma GCC diagnostic pop
#endif
#undef TL_VECTOR_OPERATOR

template <class T, int N>
TL_FUNC vec<T, N> min(const vec<T, N>& a, const vec<T, N>& b) {
  return lanewise([](T x, T y) { return min(x, y); }, a, b);
}
template <class T, int N>
TL_FUNC vec<T, N> max(const vec<T, N>& a, const vec<T, N>& b) {
  return lanewise([](T x, T y) { return max(x, y); }, a, b);
}

// sizeof(V) bytes at an address aligned to them (32: to 16) as a value of type V; zeros where the predicate is false.
template <class V, class T>
TL_FUNC V load_as(const T* pointer) {
  V value;
  load<sizeof(V)>(&value, pointer);
  return value;
}
template <class V, class T>
TL_FUNC V load_as(const T* pointer, bool predicate) {
  V value;
  load<sizeof(V)>(&value, pointer, predicate);
  return value;
}
template <class V, class T>
TL_FUNC void store_as(T* pointer, const V& value) {
  store<sizeof(V)>(pointer, &value);
}
template <class V, class T>
TL_FUNC void store_as(T* pointer, const V& value, bool predicate) {
  store<sizeof(V)>(pointer, &value, predicate);
}

// Through the read-only cache (CUDA C++ Programming Guide, "Read-Only Data Cache Load Function").
template <class T>
TL_FUNC T load_read_only(const T* pointer) {
#if TL_ON_GPU
  using U = typename unsigned_of_size<sizeof(T)>::type;
  if constexpr (sizeof(T) == 8) {
    return reinterpret<T>(__ldg(reinterpret_cast<const unsigned long long*>(pointer)));
  } else {
    return reinterpret<T>(static_cast<U>(__ldg(reinterpret_cast<const U*>(pointer))));
  }
#else
  return *pointer;
#endif
}

}  // namespace tl

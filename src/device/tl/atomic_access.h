// Atomic instructions of a GPU (PTX ISA 9.7.13.5 "atom", .6 "red"); <tl/atomic.h> builds the rest from compare_exchange.
#pragma once
#include <tl/float_types.h>

namespace tl::detail {

TL_FUNC uint16_t compare_exchange(uint16_t* pointer, uint16_t expected, uint16_t desired) {
  uint16_t before;
  asm volatile("atom.relaxed.gpu.cas.b16 %0, [%1], %2, %3;" : "=h"(before) : "l"(pointer), "h"(expected), "h"(desired) : "memory");
  return before;
}
TL_FUNC uint32_t compare_exchange(uint32_t* pointer, uint32_t expected, uint32_t desired) {
  return ::atomicCAS(pointer, expected, desired);
}
TL_FUNC uint64_t compare_exchange(uint64_t* pointer, uint64_t expected, uint64_t desired) {
  return ::atomicCAS(reinterpret_cast<unsigned long long*>(pointer), expected, desired);
}

template <class U>
TL_FUNC U load_relaxed(const U* pointer) {
  return *const_cast<const volatile U*>(pointer);
}
// After a load that may be part of a spin loop: the simulator lets other threads run.
TL_FUNC void spin_point() {}
template <class U>
TL_FUNC void store_relaxed(U* pointer, U value) {
  *const_cast<volatile U*>(pointer) = value;
}

// bfloat16 additions came with sm_90.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
inline constexpr bool hopper_atomics = true;
#else
inline constexpr bool hopper_atomics = false;
#endif

template <class T>
inline constexpr bool has_native_add = !is_same<T, bfloat16_t> || hopper_atomics;
template <class T>
inline constexpr bool has_native_max = is_integer<T>;
template <class T>
inline constexpr bool has_native_min = is_integer<T>;

// CUDA names 64-bit atomics by `unsigned long long` and `long long` only; `long` is another type of the same size.
template <class T>
struct cuda_integer {
  using type = T;
};
template <>
struct cuda_integer<long> {
  using type = long long;
};
template <>
struct cuda_integer<unsigned long> {
  using type = unsigned long long;
};

template <class T>
TL_FUNC T native_add(T* pointer, T value) {
  if constexpr (is_same<T, half_t>) {
    T before;
    asm volatile("atom.add.noftz.f16 %0, [%1], %2;" : "=h"(before.bits) : "l"(pointer), "h"(value.bits) : "memory");
    return before;
  } else if constexpr (is_same<T, bfloat16_t>) {
    T before{};
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("atom.add.noftz.bf16 %0, [%1], %2;" : "=h"(before.bits) : "l"(pointer), "h"(value.bits) : "memory");
#endif
    return before;
  } else if constexpr (is_integer<T>) {
    using U = typename cuda_integer<typename unsigned_of_size<sizeof(T)>::type>::type;
    return static_cast<T>(::atomicAdd(reinterpret_cast<U*>(pointer), static_cast<U>(value)));
  } else {
    return ::atomicAdd(pointer, value);
  }
}

template <class T>
TL_FUNC T native_max(T* pointer, T value) {
  using U = typename cuda_integer<T>::type;
  return ::atomicMax(reinterpret_cast<U*>(pointer), static_cast<U>(value));
}
template <class T>
TL_FUNC T native_min(T* pointer, T value) {
  using U = typename cuda_integer<T>::type;
  return ::atomicMin(reinterpret_cast<U*>(pointer), static_cast<U>(value));
}

#define TL_NATIVE_BITS(name, function)                                                             \
  template <class T>                                                                               \
  TL_FUNC T native_##name(T* pointer, T value) {                                                   \
    using U = typename cuda_integer<typename unsigned_of_size<sizeof(T)>::type>::type;             \
    return static_cast<T>(::function(reinterpret_cast<U*>(pointer), static_cast<U>(value)));       \
  }
TL_NATIVE_BITS(and, atomicAnd)
TL_NATIVE_BITS(or, atomicOr)
TL_NATIVE_BITS(xor, atomicXor)
#undef TL_NATIVE_BITS

template <class T, int N>
inline constexpr bool has_native_add_vec = is_same<T, half_t> || (hopper_atomics && (is_same<T, float> || is_same<T, bfloat16_t>));

template <int N, class T>
TL_FUNC void native_add_vec(T* pointer, const T* values) {
  if constexpr (is_same<T, half_t> || is_same<T, bfloat16_t>) {
#pragma unroll
    for (int i = 0; i < N; i += 2) {
      uint32_t pair = values[i].bits | static_cast<uint32_t>(values[i + 1].bits) << 16;
      if constexpr (is_same<T, half_t>) {
        asm volatile("red.relaxed.gpu.global.add.noftz.f16x2 [%0], %1;" ::"l"(__cvta_generic_to_global(pointer + i)), "r"(pair) : "memory");
      } else {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
        asm volatile("red.relaxed.gpu.global.add.noftz.bf16x2 [%0], %1;" ::"l"(__cvta_generic_to_global(pointer + i)), "r"(pair) : "memory");
#endif
      }
    }
  } else {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    if constexpr (N == 2) {
      asm volatile("red.relaxed.gpu.global.add.v2.f32 [%0], {%1, %2};" ::"l"(__cvta_generic_to_global(pointer)), "f"(values[0]), "f"(values[1])
                   : "memory");
    } else {
      asm volatile("red.relaxed.gpu.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(pointer)), "f"(values[0]),
                   "f"(values[1]), "f"(values[2]), "f"(values[3])
                   : "memory");
    }
#endif
  }
}

}  // namespace tl::detail

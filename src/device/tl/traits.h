// The few type traits that the library needs; NVRTC has no <type_traits>.
#pragma once
#include <tl/backend.h>

namespace tl {

template <class A, class B>
inline constexpr bool is_same = false;
template <class A>
inline constexpr bool is_same<A, A> = true;

template <class T>
struct remove_const {
  using type = T;
};
template <class T>
struct remove_const<const T> {
  using type = T;
};

template <class T>
inline constexpr bool is_wide_float = is_same<T, float> || is_same<T, double>;

template <class T>
inline constexpr bool is_integer =
    is_same<T, signed char> || is_same<T, unsigned char> || is_same<T, char> || is_same<T, short> || is_same<T, unsigned short> ||
    is_same<T, int> || is_same<T, unsigned> || is_same<T, long> || is_same<T, unsigned long> || is_same<T, long long> ||
    is_same<T, unsigned long long>;

template <class T>
inline constexpr bool is_signed = T(-1) < T(0);

// The integer of the same size, for bit patterns.
template <int Bytes>
struct unsigned_of_size;
template <>
struct unsigned_of_size<1> {
  using type = uint8_t;
};
template <>
struct unsigned_of_size<2> {
  using type = uint16_t;
};
template <>
struct unsigned_of_size<4> {
  using type = uint32_t;
};
template <>
struct unsigned_of_size<8> {
  using type = uint64_t;
};

// Inclusive range of an integer type.
template <class T>
inline constexpr T highest_integer = is_signed<T> ? T(~(1ull << (sizeof(T) * 8 - 1)) & (~0ull >> (64 - sizeof(T) * 8))) : T(~0ull);
template <class T>
inline constexpr T lowest_integer = is_signed<T> ? T(-highest_integer<T> - 1) : T(0);

// The same bytes as another type of the same size.
template <class To, class From>
TL_FUNC To reinterpret(const From& x) {
  static_assert(sizeof(To) == sizeof(From), "reinterpret keeps the size");
  To to;
  __builtin_memcpy(&to, &x, sizeof(To));
  return to;
}

template <class T>
TL_FUNC bool is_null(const T* pointer) {
  return pointer == nullptr;
}

}  // namespace tl

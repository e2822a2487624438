// Vector loads and stores between local arrays and memory, 1 to 32 bytes at once.
// The memory side must be aligned to `Bytes` (32: to 16); the local side is copied, so that it may be a plain array.
#pragma once
#include <tl/traits.h>

namespace tl {
namespace detail {

template <int Bytes>
struct access {
  using type = typename unsigned_of_size<Bytes>::type;
};
template <>
struct access<16> {
  using type = uint4;
};

}  // namespace detail

template <int Bytes, class T, class U>
TL_FUNC void load(T* local, const U* pointer) {
  static_assert(Bytes == 1 || Bytes == 2 || Bytes == 4 || Bytes == 8 || Bytes == 16 || Bytes == 32, "vector width in bytes");
  if constexpr (Bytes == 32) {
    load<16>(reinterpret_cast<char*>(local), reinterpret_cast<const char*>(pointer));
    load<16>(reinterpret_cast<char*>(local) + 16, reinterpret_cast<const char*>(pointer) + 16);
  } else {
    auto value = *reinterpret_cast<const typename detail::access<Bytes>::type*>(pointer);
    __builtin_memcpy(local, &value, Bytes);
  }
}

// False: zeros, and the pointer is not touched.
template <int Bytes, class T, class U>
TL_FUNC void load(T* local, const U* pointer, bool predicate) {
  if constexpr (Bytes == 32) {
    load<16>(reinterpret_cast<char*>(local), reinterpret_cast<const char*>(pointer), predicate);
    load<16>(reinterpret_cast<char*>(local) + 16, reinterpret_cast<const char*>(pointer) + 16, predicate);
  } else {
    typename detail::access<Bytes>::type value{};
    if (predicate) value = *reinterpret_cast<const typename detail::access<Bytes>::type*>(pointer);
    __builtin_memcpy(local, &value, Bytes);
  }
}

template <int Bytes, class T, class U>
TL_FUNC void store(T* pointer, const U* local) {
  static_assert(Bytes == 1 || Bytes == 2 || Bytes == 4 || Bytes == 8 || Bytes == 16 || Bytes == 32, "vector width in bytes");
  if constexpr (Bytes == 32) {
    store<16>(reinterpret_cast<char*>(pointer), reinterpret_cast<const char*>(local));
    store<16>(reinterpret_cast<char*>(pointer) + 16, reinterpret_cast<const char*>(local) + 16);
  } else {
    typename detail::access<Bytes>::type value;
    __builtin_memcpy(&value, local, Bytes);
    *reinterpret_cast<typename detail::access<Bytes>::type*>(pointer) = value;
  }
}

template <int Bytes, class T, class U>
TL_FUNC void store(T* pointer, const U* local, bool predicate) {
  if (predicate) store<Bytes>(pointer, local);
}

}  // namespace tl

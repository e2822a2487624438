// Vector loads and stores, simulated: the alignment that a GPU demands is checked here.
#pragma once
#include <tl/traits.h>

namespace tl {
namespace detail {

template <int Bytes>
inline void check_alignment(const void* pointer, const char* access, int site) {
  static_assert(Bytes == 1 || Bytes == 2 || Bytes == 4 || Bytes == 8 || Bytes == 16 || Bytes == 32, "vector width in bytes");
  constexpr uintptr_t alignment = Bytes == 32 ? 16 : Bytes;
  if (__builtin_expect((reinterpret_cast<uintptr_t>(pointer) & (alignment - 1)) != 0, 0)) tl_sim_misaligned(pointer, Bytes, access, site);
}

}  // namespace detail

template <int Bytes, class T, class U>
inline void load(T* local, const U* pointer, detail::call_site site = __builtin_LINE()) {
  detail::check_alignment<Bytes>(pointer, "load", site.line);
  __builtin_memcpy(static_cast<void*>(local), pointer, Bytes);
}
template <int Bytes, class T, class U>
inline void load(T* local, const U* pointer, bool predicate, int site = __builtin_LINE()) {
  if (predicate) load<Bytes>(local, pointer, detail::call_site(site));
  else __builtin_memset(static_cast<void*>(local), 0, Bytes);
}
template <int Bytes, class T, class U>
inline void store(T* pointer, const U* local, detail::call_site site = __builtin_LINE()) {
  detail::check_alignment<Bytes>(pointer, "store", site.line);
  __builtin_memcpy(static_cast<void*>(pointer), local, Bytes);
}
template <int Bytes, class T, class U>
inline void store(T* pointer, const U* local, bool predicate, int site = __builtin_LINE()) {
  if (predicate) store<Bytes>(pointer, local, detail::call_site(site));
}

}  // namespace tl

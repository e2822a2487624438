// Loads and stores of several elements; nothing asks for more alignment than the element's.
#pragma once
#include <tl/traits.h>

namespace tl {

template <int Bytes, class T, class U>
TL_FUNC void load(T* local, const U* pointer) {
  __builtin_memcpy(static_cast<void*>(local), pointer, Bytes);
}
template <int Bytes, class T, class U>
TL_FUNC void load(T* local, const U* pointer, bool predicate) {
  if (predicate) load<Bytes>(local, pointer);
  else __builtin_memset(static_cast<void*>(local), 0, Bytes);
}
template <int Bytes, class T, class U>
TL_FUNC void store(T* pointer, const U* local) {
  __builtin_memcpy(static_cast<void*>(pointer), local, Bytes);
}
template <int Bytes, class T, class U>
TL_FUNC void store(T* pointer, const U* local, bool predicate) {
  if (predicate) store<Bytes>(pointer, local);
}

}  // namespace tl

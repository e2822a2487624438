// Printing and assertions from a kernel. Each line names block and thread.
#pragma once
#include <tl/cast.h>
#include <tl/print_library.h>

namespace tl {
namespace detail {

template <class T>
TL_FUNC void print_line(const char* message, const char* separator, T value) {
#define TL_PRINT(format, argument)                                                                                         \
  printf("%s%sBLOCK=(%d, %d, %d), THREAD=(%d, %d, %d): " format "\n", message, separator, int(blockIdx.x), int(blockIdx.y), \
         int(blockIdx.z), int(threadIdx.x), int(threadIdx.y), int(threadIdx.z), argument)
  if constexpr (is_same<T, bool>) TL_PRINT("%s", value ? "true" : "false");
  else if constexpr (is_narrow_float<T>) TL_PRINT("%g", double(float(value)));
  else if constexpr (is_same<T, float>) TL_PRINT("%.9g", double(value));
  else if constexpr (is_same<T, double>) TL_PRINT("%.17g", value);
  else if constexpr (is_signed<T>) TL_PRINT("%lld", static_cast<long long>(value));
  else TL_PRINT("%llu", static_cast<unsigned long long>(value));
#undef TL_PRINT
}

}  // namespace detail

TL_FUNC void print_message(const char* message) {
  printf("%s\n", message);
}

// One scalar of any element type.
template <class T>
TL_FUNC void print_value(const char* message, T value) {
  detail::print_line(message, message[0] ? ": " : "", value);
}

// One element of a buffer: `name[index] = value`, index counted row-major.
template <class T>
TL_FUNC void print_element(const char* message, const char* name, long long index, T value) {
  const char* separator = message[0] ? ": " : "";
#define TL_PRINT(format, argument) printf("%s%s%s[%lld] = " format "\n", message, separator, name, index, argument)
  if constexpr (is_same<T, bool>) TL_PRINT("%s", value ? "true" : "false");
  else if constexpr (is_narrow_float<T>) TL_PRINT("%g", double(float(value)));
  else if constexpr (is_same<T, float>) TL_PRINT("%.9g", double(value));
  else if constexpr (is_same<T, double>) TL_PRINT("%.17g", value);
  else if constexpr (is_signed<T>) TL_PRINT("%lld", static_cast<long long>(value));
  else TL_PRINT("%llu", static_cast<unsigned long long>(value));
#undef TL_PRINT
}

// Ends the kernel with an error if the condition is false.
TL_FUNC void device_assert(bool condition, const char* message TL_SITE_PARAMETER) {
  if (!condition) detail::assertion_failed(message TL_SITE_ARGUMENT);
}

}  // namespace tl

// Errors that leave the launcher: one FFI error kind whose message is a record that Python turns into our exceptions.
#pragma once

#include <tvm/ffi/error.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>

namespace tilelang::runtime {

// Category names are part of the contract with tilelang/runtime/errors.py.
inline constexpr const char* kArgument = "argument";        // ArgumentError
inline constexpr const char* kArgumentType = "type";        // ArgumentTypeError
inline constexpr const char* kDeviceMismatch = "device";     // DeviceMismatchError
inline constexpr const char* kResource = "resource";        // ResourceError
inline constexpr const char* kUnavailable = "unavailable";  // UnavailableError
inline constexpr const char* kSimulation = "simulation";    // SimulationError
inline constexpr const char* kExecution = "execution";      // ExecutionError: the kernel's own assertion
inline constexpr const char* kDriver = "driver";            // LaunchError
inline constexpr const char* kHost = "host";                // HostCallError
inline constexpr const char* kDefect = "defect";            // a launch plan that contradicts itself

// `position` is the index of the offending call argument (-1: none); Python names its type where `{got}` stands.
[[noreturn]] inline void Raise(const char* category, int position, const std::string& message, const std::string& fix = "") {
  std::string record = std::string(category) + '\x1f' + std::to_string(position) + '\x1f' + message + '\x1f' + fix;
  throw tvm::ffi::Error("tilelang.runtime.NativeError", record, "");
}

// What Text() is made of. Streams are left out on purpose: their integers go through a locale's facets, which a process that
// holds two copies of the C++ library can look up in the wrong copy, and an error message must not end the process.
inline void Append(std::string* text, std::string_view part) { text->append(part); }
inline void Append(std::string* text, char part) { text->push_back(part); }

template <typename Number, std::enable_if_t<std::is_arithmetic_v<Number>, int> = 0>
void Append(std::string* text, Number number) {
  if constexpr (std::is_floating_point_v<Number>) {
    char digits[32];
    snprintf(digits, sizeof digits, "%g", static_cast<double>(number));
    text->append(digits);
  } else {
    text->append(std::to_string(number));
  }
}

// Joins its arguments into one string: Text("grid y = ", 70000).
template <typename... Parts>
std::string Text(const Parts&... parts) {
  std::string text;
  (Append(&text, parts), ...);
  return text;
}

}  // namespace tilelang::runtime

// Errors that leave the launcher: one FFI error kind whose message is a record that Python turns into our exceptions.
#pragma once

#include <tvm/ffi/error.h>

#include <sstream>
#include <string>

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
inline constexpr const char* kDefect = "defect";            // a launch plan that contradicts itself

// `position` is the index of the offending call argument (-1: none); Python names its type where `{got}` stands.
[[noreturn]] inline void Raise(const char* category, int position, const std::string& message, const std::string& fix = "") {
  std::string record = std::string(category) + '\x1f' + std::to_string(position) + '\x1f' + message + '\x1f' + fix;
  throw tvm::ffi::Error("tilelang.runtime.NativeError", record, "");
}

// Joins its arguments into one string: Text("grid y = ", 70000).
template <typename... Parts>
std::string Text(const Parts&... parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

}  // namespace tilelang::runtime

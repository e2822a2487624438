// Functions of the host that a plan calls between its launches (T.call_packed).
#pragma once

#include <tvm/ffi/container/map.h>

#include <string>
#include <vector>

#include "expression.h"

namespace tilelang::runtime {

struct Frame;
struct Plan;

struct HostArgument {
  enum class Kind { kTensor, kPart, kPointer, kInt, kFloat, kBool, kText, kNone };
  Kind kind = Kind::kNone;
  int tensor = -1;  // index into parameters, then workspaces
  int symbol = -1;  // kFloat and kBool: which holds the value; -1: `number` is it
  double number = 0;
  Expression value;
  std::string text;
  DLDataType dtype{};
  std::vector<Expression> shape, strides, starts, extents;  // of kPart, in elements
  std::vector<int> axes;                                    // of it, those that the function sees
};

struct HostCall {
  std::string function;
  std::vector<HostArgument> arguments;
  size_t after = 0;  // launches of the plan that come before
  int result = -1;   // the symbol that gets what the function returns

  static HostCall Parse(const tvm::ffi::Map<tvm::ffi::String, tvm::ffi::Any>& tree, const Plan& plan);
};

// Calls the function that is registered under the name now; on a GPU `stream` is the current one meanwhile.
void CallHost(const HostCall& call, Frame* frame, void* stream);

}  // namespace tilelang::runtime

// The arguments of one call, checked against the plan.
#pragma once

#include <tvm/ffi/any.h>

#include <string>

#include "plan.h"

namespace tilelang::runtime {

// Storage is the caller's (on its stack); sizes follow from the plan.
struct Frame {
  const Plan* plan;
  Scalar* values;             // per symbol
  uint8_t* known;             // per symbol
  const DLTensor** tensors;   // per parameter, then workspace; nullptr for scalars and for None
  void** addresses;           // the same, with byte offsets applied
  DLDevice device;            // where all tensors live
  bool has_tensor = false;
  bool watched = false;       // somebody wants to know every tensor's extent
};

// Binds call arguments to parameters: checks types, dtypes, ranks, devices, extents, strides and alignment, and solves symbols.
// `device_type` is the only kind of device that the back end can read.
void BindArguments(Frame* frame, const tvm::ffi::AnyView* args, int count, DLDeviceType device_type);

[[noreturn]] void RaiseUndetermined(const Frame& frame, int symbol, const std::string& what);

// The value of `expression`, or an error that says which argument would have determined it; `what()` names its use.
template <typename What>
int64_t Resolve(const Frame& frame, const Expression& expression, const What& what) {
  int symbol = expression.Unknown(frame.known);
  if (symbol >= 0) RaiseUndetermined(frame, symbol, what());
  return expression.Evaluate(frame.values);
}

}  // namespace tilelang::runtime

// Wording of argument errors; only the failing path calls these.
#pragma once

#include <string>

#include "frame.h"

namespace tilelang::runtime {

// "argument `A` (position 0) of `main`"
std::string ArgumentName(const Plan& plan, int parameter);
// "(n, 128)" as the signature declares it.
std::string DeclaredShape(const Parameter& parameter);
std::string DeclaredStrides(const Parameter& parameter);
std::string ActualShape(const DLTensor& tensor);
std::string ActualStrides(const DLTensor& tensor);
// "cuda:0"
std::string DeviceName(DLDevice device);
// "torch.float16"
std::string TorchDType(const Parameter& parameter);
// "A.shape[1]", the first extent or stride before (parameter, axis) that determined a symbol.
std::string SymbolOrigin(const Frame& frame, int symbol, int parameter, int axis, bool is_stride);
// The call argument that holds a parameter; -1 for outputs.
int Position(const Plan& plan, int parameter);

}  // namespace tilelang::runtime

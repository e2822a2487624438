#include "frame.h"

#include <tvm/ffi/container/tensor.h>

#include <cmath>
#include <cstring>

#include "error.h"
#include "messages.h"

namespace tilelang::runtime {

namespace ffi = tvm::ffi;

namespace {

// Whether a tensor of type `got` may stand for one of `wanted`: equal, or a byte type for a bool, or the other name of E4M3.
bool SameDType(DLDataType wanted, DLDataType got) {
  if (wanted.bits != got.bits || wanted.lanes != got.lanes) return false;
  if (wanted.code == got.code) return true;
  if (wanted.code == kDLBool) return got.code == kDLUInt || got.code == kDLInt;
  return wanted.code == kDLFloat8_e4m3fn && got.code == kDLFloat8_e4m3;
}

// Whether bytes may stand for elements of 4 bits, two in each.
bool IsPacked(DLDataType got) {
  return (got.bits == 8 && got.lanes == 1 && (got.code == kDLInt || got.code == kDLUInt)) || (got.bits * got.lanes == 8 && got.code == kDLFloat4_e2m1fn);
}

// Extents and strides in elements, of which a byte of the last axis may hold several.
int64_t Extent(const Parameter& declared, const DLTensor& tensor, int axis) {
  return tensor.shape[axis] * (axis == tensor.ndim - 1 ? declared.pack : 1);
}
int64_t Stride(const Parameter& declared, const DLTensor& tensor, int axis) {
  return tensor.strides[axis] * (axis == tensor.ndim - 1 ? 1 : declared.pack);
}

void BindScalar(Frame* frame, int parameter, const ffi::AnyView& arg, int position) {
  const Plan& plan = *frame->plan;
  const Parameter& declared = plan.parameters[parameter];
  auto mismatch = [&] {
    Raise(kArgumentType, position, Text(ArgumentName(plan, parameter), " is a scalar of type ", declared.dtype_name, ", got {got}"),
          Text("pass a Python ", IsFloating(declared.dtype) ? "float" : declared.dtype.code == kDLBool ? "bool" : "int"));
  };
  Scalar value;
  int32_t type = arg.type_index();
  bool is_integer = type == ffi::TypeIndex::kTVMFFIInt || type == ffi::TypeIndex::kTVMFFIBool;
  if (IsFloating(declared.dtype)) {
    if (is_integer) {
      value.floating = static_cast<double>(arg.cast<int64_t>());
    } else if (type == ffi::TypeIndex::kTVMFFIFloat) {
      value.floating = arg.cast<double>();
    } else {
      mismatch();
    }
  } else {
    if (!is_integer) mismatch();
    value.integer = arg.cast<int64_t>();
    int bits = declared.dtype.code == kDLBool ? 1 : declared.dtype.bits;
    bool is_signed = declared.dtype.code == kDLInt;
    int64_t high = bits >= 64 ? INT64_MAX : (int64_t{1} << (bits - is_signed)) - 1;
    int64_t low = is_signed ? -high - 1 : 0;
    if (value.integer < low || value.integer > high) {
      Raise(kArgument, position, Text(ArgumentName(plan, parameter), " = ", value.integer, " is outside ", declared.dtype_name, " (", low, " .. ", high, ")"),
            "pass a value in that range, or declare the parameter with a wider type");
    }
  }
  frame->values[declared.symbol] = value;
  frame->known[declared.symbol] = 1;
}

template <typename Place>
void SetSymbol(Frame* frame, int parameter, int symbol, int64_t value, const Place& place) {
  // The compiler proves 32-bit index arithmetic up to here: SYMBOL_LIMIT in tilelang/transform/bounds.py.
  constexpr int64_t kSymbolLimit = (int64_t{1} << 31) - (int64_t{1} << 16);
  const Symbol& name = frame->plan->symbols[symbol];
  if (value > kSymbolLimit && name.dtype == "int32") {
    Raise(kArgument, Position(*frame->plan, parameter), Text(ArgumentName(*frame->plan, parameter), ": ", place(), " is ", value, ", which does not fit the int32 symbol `", name.name, "`"),
          Text("declare it as T.dynamic(\"", name.name, "\", \"int64\")"));
  }
  frame->values[symbol].integer = value;
  frame->known[symbol] = 1;
}

// Checks one extent or stride: constants must be equal, a plain symbol is solved by its first use.
// Compound expressions wait for CheckCompound, when every symbol is known.
void BindExtent(Frame* frame, int parameter, int axis, const Expression& expression, int64_t actual, bool is_stride) {
  const Plan& plan = *frame->plan;
  auto place = [&] { return Text(plan.parameters[parameter].name, is_stride ? ".stride(" : ".shape[", axis, is_stride ? ")" : "]"); };
  auto mismatch = [&](const std::string& rule) {
    const Parameter& declared = plan.parameters[parameter];
    const DLTensor& tensor = *frame->tensors[parameter];
    std::string fix = is_stride ? Text("pass a tensor of strides ", DeclaredStrides(declared), ", or declare them as they are: ", ActualStrides(tensor))
                                : Text("pass a tensor of shape ", DeclaredShape(declared), declared.pack > 1 ? " in elements, two in each byte of the last axis" : "", "; `", declared.name, "` is ", ActualShape(tensor), declared.pack > 1 ? " bytes" : "");
    Raise(kArgument, Position(plan, parameter), Text(ArgumentName(plan, parameter), ": ", place(), " is ", actual, ", expected ", rule), fix);
  };
  if (expression.is_constant()) {
    if (expression.constant() != actual) mismatch(std::to_string(expression.constant()));
    return;
  }
  int symbol = expression.plain_symbol();
  if (symbol < 0) return;
  if (frame->known[symbol]) {
    int64_t value = frame->values[symbol].integer;
    if (value != actual) {
      mismatch(Text(plan.symbols[symbol].name, " = ", value, ", which ", SymbolOrigin(*frame, symbol, parameter, axis, is_stride), " determined"));
    }
    return;
  }
  SetSymbol(frame, parameter, symbol, actual, place);
}

void BindStrides(Frame* frame, int parameter) {
  const Parameter& declared = frame->plan->parameters[parameter];
  const DLTensor& tensor = *frame->tensors[parameter];
  if (!declared.has_strides) {
    if (!ffi::IsContiguous(tensor)) {
      Raise(kArgument, Position(*frame->plan, parameter),
            Text(ArgumentName(*frame->plan, parameter), " must be contiguous (row-major); shape ", ActualShape(tensor), " has strides ", ActualStrides(tensor)),
            Text("pass `", declared.name, ".contiguous()`, or declare the parameter as T.StridedTensor"));
    }
    return;
  }
  int64_t compact = 1;
  for (int axis = tensor.ndim - 1; axis >= 0; --axis) {
    int64_t actual = tensor.strides ? Stride(declared, tensor, axis) : compact;
    compact *= Extent(declared, tensor, axis);
    // The stride of an axis with one element is never used; frameworks put anything there.
    int symbol = declared.strides[axis].plain_symbol();
    bool unsolved = symbol >= 0 && !frame->known[symbol];
    if (tensor.shape[axis] > 1 || unsolved) BindExtent(frame, parameter, axis, declared.strides[axis], actual, true);
  }
}

// The tensor is where the kernel runs, and with those before it; the frame takes its device.
void CheckDevice(Frame* frame, int parameter, const DLTensor& tensor, int position, DLDeviceType device_type) {
  const Plan& plan = *frame->plan;
  const Parameter& declared = plan.parameters[parameter];
  if (tensor.device.device_type != device_type) {
    bool cuda = device_type == kDLCUDA;
    Raise(kDeviceMismatch, position, Text(ArgumentName(plan, parameter), " is on ", DeviceName(tensor.device), ", but this kernel runs ", cuda ? "on CUDA" : "in the simulator, on the CPU"),
          Text("pass `", declared.name, cuda ? ".cuda()`, or compile with execution_backend=\"simulator\"" : ".cpu()`"));
  }
  if (frame->has_tensor && tensor.device.device_id != frame->device.device_id) {
    Raise(kDeviceMismatch, position, Text(ArgumentName(plan, parameter), " is on ", DeviceName(tensor.device), ", but the arguments before it are on ", DeviceName(frame->device)),
          Text("pass all tensors from one device: `", declared.name, ".to(\"", DeviceName(frame->device), "\")`"));
  }
  frame->device = tensor.device;
  frame->has_tensor = true;
}

// The address of the first element, which must be as aligned as the kernel assumes.
void TakeAddress(Frame* frame, int parameter, const DLTensor& tensor, int position) {
  const Plan& plan = *frame->plan;
  const Parameter& declared = plan.parameters[parameter];
  char* address = static_cast<char*>(tensor.data) + tensor.byte_offset;
  if (declared.is_used && reinterpret_cast<uintptr_t>(address) % declared.alignment != 0) {
    Raise(kArgument, position, Text(ArgumentName(plan, parameter), " starts at an address that is not a multiple of ", declared.alignment, " bytes, which the kernel assumes"),
          Text("pass `", declared.name, ".clone()`: a slice of a larger tensor can start anywhere"));
  }
  frame->addresses[parameter] = address;
}

void BindTensor(Frame* frame, int parameter, const ffi::AnyView& arg, int position, DLDeviceType device_type) {
  const Plan& plan = *frame->plan;
  const Parameter& declared = plan.parameters[parameter];
  int32_t type = arg.type_index();
  if (type == ffi::TypeIndex::kTVMFFINone && !declared.is_used) return;
  if (declared.is_pointer && type == ffi::TypeIndex::kTVMFFINone) return;  // null
  if (declared.is_pointer && type == ffi::TypeIndex::kTVMFFIInt) {
    frame->addresses[parameter] = reinterpret_cast<char*>(arg.cast<int64_t>());
    return;
  }
  if (type != ffi::TypeIndex::kTVMFFIDLTensorPtr && type != ffi::TypeIndex::kTVMFFITensor) {
    Raise(kArgumentType, position, Text(ArgumentName(plan, parameter), " is a tensor of ", declared.dtype_name, " ", DeclaredShape(declared), ", got {got}"),
          type == ffi::TypeIndex::kTVMFFINone ? "pass a tensor; only parameters that no kernel uses may be None" : "pass a tensor");
  }
  const DLTensor* tensor = arg.cast<DLTensor*>();
  frame->tensors[parameter] = tensor;
  if (declared.is_pointer) {
    CheckDevice(frame, parameter, *tensor, position, device_type);
    TakeAddress(frame, parameter, *tensor, position);
    frame->tensors[parameter] = nullptr;  // its shape says nothing
    return;
  }
  if (declared.pack > 1 && !IsPacked(tensor->dtype)) {
    Raise(kArgumentType, position, Text(ArgumentName(plan, parameter), ": dtype mismatch, got ", DTypeName(tensor->dtype), ", expected bytes of two ", declared.dtype_name, " each"),
          "pass int8, uint8 or float4_e2m1fn_x2 with half the last extent, the even element in the low nibble");
  }
  if (declared.pack == 1 && !SameDType(declared.dtype, tensor->dtype)) {
    Raise(kArgumentType, position, Text(ArgumentName(plan, parameter), ": dtype mismatch, expected ", declared.dtype_name, ", got ", DTypeName(tensor->dtype)),
          Text("pass `", declared.name, ".to(", TorchDType(declared), ")`"));
  }
  if (tensor->ndim != static_cast<int>(declared.shape.size())) {
    Raise(kArgument, position, Text(ArgumentName(plan, parameter), ": ndim mismatch, expected ", declared.shape.size(), ": ", DeclaredShape(declared), ", got ", tensor->ndim, " dimensions ", ActualShape(*tensor)),
          "reshape it, or declare the parameter with that rank");
  }
  CheckDevice(frame, parameter, *tensor, position, device_type);
  for (int axis = 0; axis < tensor->ndim; ++axis) BindExtent(frame, parameter, axis, declared.shape[axis], Extent(declared, *tensor, axis), false);
  BindStrides(frame, parameter);
  TakeAddress(frame, parameter, *tensor, position);
}

// Solves one extent or stride that is a line over one symbol without a value; whether it was one.
bool SolveLine(Frame* frame, int parameter, int axis, const Expression& expression, int64_t actual, bool is_stride) {
  Expression::Line line;
  if (expression.is_constant() || expression.plain_symbol() >= 0 || !expression.AsLine(frame->values, frame->known, &line)) return false;
  const Plan& plan = *frame->plan;
  const Symbol& symbol = plan.symbols[line.symbol];
  int64_t rest = actual - line.offset;
  if (rest % line.factor != 0 || rest / line.factor < 0) {
    std::string place = Text(plan.parameters[parameter].name, is_stride ? ".stride(" : ".shape[", axis, is_stride ? ")" : "]");
    Raise(kArgument, Position(plan, parameter), Text(ArgumentName(plan, parameter), ": ", place, " is ", actual, ", which ", expression.text(), " is for no `", symbol.name, "` (0, 1, 2, ...)"),
          Text("pass a tensor of shape ", DeclaredShape(plan.parameters[parameter])));
  }
  SetSymbol(frame, parameter, line.symbol, rest / line.factor, [&] { return Text("`", symbol.name, "` of ", expression.text()); });
  return true;
}

// Symbols that no extent or stride gives by itself: from sums and products in which they are the only unknown.
void SolveLines(Frame* frame) {
  const Plan& plan = *frame->plan;
  for (bool found = true; found;) {
    found = false;
    for (int p : plan.positional) {
      const DLTensor* tensor = frame->tensors[p];
      if (tensor == nullptr) continue;
      const Parameter& declared = plan.parameters[p];
      for (int axis = 0; axis < tensor->ndim; ++axis) {
        found |= SolveLine(frame, p, axis, declared.shape[axis], Extent(declared, *tensor, axis), false);
        if (declared.has_strides && tensor->strides && tensor->shape[axis] > 1) found |= SolveLine(frame, p, axis, declared.strides[axis], Stride(declared, *tensor, axis), true);
      }
    }
  }
}

// Extents and strides that are expressions over several symbols.
void CheckCompound(const Frame& frame, int parameter) {
  const Plan& plan = *frame.plan;
  const Parameter& declared = plan.parameters[parameter];
  const DLTensor* tensor = frame.tensors[parameter];
  for (size_t axis = 0; axis < declared.shape.size(); ++axis) {
    const Expression& extent = declared.shape[axis];
    if (extent.is_constant() || extent.plain_symbol() >= 0) continue;
    int64_t expected = Resolve(frame, extent, [&] { return Text(declared.name, ".shape[", axis, "]"); });
    if (Extent(declared, *tensor, axis) == expected) continue;
    Raise(kArgument, Position(plan, parameter), Text(ArgumentName(plan, parameter), ": ", declared.name, ".shape[", axis, "] is ", Extent(declared, *tensor, axis), ", expected ", extent.text(), " = ", expected),
          Text("pass a tensor of shape ", DeclaredShape(declared)));
  }
  if (!tensor->strides) return;
  for (size_t axis = 0; axis < declared.strides.size(); ++axis) {
    const Expression& stride = declared.strides[axis];
    if (stride.is_constant() || stride.plain_symbol() >= 0 || tensor->shape[axis] <= 1) continue;
    int64_t expected = Resolve(frame, stride, [&] { return Text(declared.name, ".stride(", axis, ")"); });
    if (Stride(declared, *tensor, axis) == expected) continue;
    Raise(kArgument, Position(plan, parameter), Text(ArgumentName(plan, parameter), ": ", declared.name, ".stride(", axis, ") is ", Stride(declared, *tensor, axis), ", expected ", stride.text(), " = ", expected),
          Text("pass a tensor of strides ", DeclaredStrides(declared), ", or declare them as they are: ", ActualStrides(*tensor)));
  }
}

}  // namespace

void RaiseUndetermined(const Frame& frame, int symbol, const std::string& what) {
  Raise(kArgument, -1, Text("`", frame.plan->symbols[symbol].name, "` is needed for ", what, " of `", frame.plan->name, "`, but no argument of this call determines it"),
        Text("pass a tensor that has `", frame.plan->symbols[symbol].name, "` as an extent (None determines nothing), or make it a scalar parameter"));
}

void BindArguments(Frame* frame, const ffi::AnyView* args, int count, DLDeviceType device_type) {
  const Plan& plan = *frame->plan;
  if (count != static_cast<int>(plan.positional.size())) {
    std::string names;
    for (int p : plan.positional) names += (names.empty() ? "" : ", ") + plan.parameters[p].name;
    std::string outputs;
    for (int p : plan.outputs) outputs += (outputs.empty() ? "" : ", ") + plan.parameters[p].name;
    Raise(kArgument, -1, Text("Kernel expected ", plan.positional.size(), " inputs, but ", count, " are provided: `", plan.name, "` takes (", names, ")"),
          outputs.empty() ? Text("pass ", names.empty() ? "nothing" : names, ", in this order") : Text("do not pass the output(s) ", outputs, ": the call allocates and returns them"));
  }
  for (int i = 0; i < count; ++i) {  // scalars first: an extent may name one that comes later
    if (!plan.parameters[plan.positional[i]].is_tensor) BindScalar(frame, plan.positional[i], args[i], i);
  }
  for (int i = 0; i < count; ++i) {
    if (plan.parameters[plan.positional[i]].is_tensor) BindTensor(frame, plan.positional[i], args[i], i, device_type);
  }
  if (std::memchr(frame->known, 0, plan.symbols.size()) != nullptr) SolveLines(frame);
  for (int p : plan.positional) {
    if (frame->tensors[p] != nullptr) CheckCompound(*frame, p);
  }
}

}  // namespace tilelang::runtime

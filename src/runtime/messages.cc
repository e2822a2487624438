#include "messages.h"

#include "error.h"

namespace tilelang::runtime {

namespace {

std::string Join(const std::vector<std::string>& items) {
  std::string result = "(";
  for (size_t i = 0; i < items.size(); ++i) result += (i ? ", " : "") + items[i];
  return result + (items.size() == 1 ? ",)" : ")");
}

std::string Join(const int64_t* items, int count) {
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) texts.push_back(std::to_string(items[i]));
  return Join(texts);
}

}  // namespace

int Position(const Plan& plan, int parameter) {
  for (size_t i = 0; i < plan.positional.size(); ++i) {
    if (plan.positional[i] == parameter) return static_cast<int>(i);
  }
  return -1;
}

std::string ArgumentName(const Plan& plan, int parameter) {
  int position = Position(plan, parameter);
  const std::string& name = plan.parameters[parameter].name;
  if (position < 0) return Text("output `", name, "` of `", plan.name, "`");
  return Text("argument `", name, "` (position ", position, ") of `", plan.name, "`");
}

std::string DeclaredShape(const Parameter& parameter) {
  std::vector<std::string> texts;
  for (const Expression& extent : parameter.shape) texts.push_back(extent.text());
  return Join(texts);
}

std::string DeclaredStrides(const Parameter& parameter) {
  std::vector<std::string> texts;
  for (const Expression& stride : parameter.strides) texts.push_back(stride.text());
  return Join(texts);
}

std::string ActualShape(const DLTensor& tensor) { return Join(tensor.shape, tensor.ndim); }

std::string ActualStrides(const DLTensor& tensor) { return tensor.strides ? Join(tensor.strides, tensor.ndim) : "compact"; }

std::string DeviceName(DLDevice device) {
  switch (device.device_type) {
    case kDLCPU: return "cpu";
    case kDLCUDA: return Text("cuda:", device.device_id);
    case kDLCUDAHost: return "pinned host memory";
    case kDLCUDAManaged: return Text("cuda managed memory:", device.device_id);
    case kDLROCM: return Text("rocm:", device.device_id);
    case kDLMetal: return Text("mps:", device.device_id);
    default: return Text("device type ", static_cast<int>(device.device_type), ":", device.device_id);
  }
}

std::string TorchDType(const Parameter& parameter) {
  const std::string& name = parameter.dtype_name;
  return "torch." + (name == "float8_e4m3" ? "float8_e4m3fn" : name);
}

std::string SymbolOrigin(const Frame& frame, int symbol, int parameter, int axis, bool is_stride) {
  const Plan& plan = *frame.plan;
  for (int p : plan.positional) {
    const Parameter& candidate = plan.parameters[p];
    if (!candidate.is_tensor) {
      if (candidate.symbol == symbol) return Text("argument `", candidate.name, "`");
      continue;
    }
    if (frame.tensors[p] == nullptr) continue;
    for (size_t i = 0; i < candidate.shape.size(); ++i) {
      if (p == parameter && !is_stride && static_cast<int>(i) == axis) return "";
      if (candidate.shape[i].plain_symbol() == symbol) return Text(candidate.name, ".shape[", i, "]");
    }
    for (size_t i = 0; i < candidate.strides.size(); ++i) {
      if (p == parameter && is_stride && static_cast<int>(i) == axis) return "";
      if (candidate.strides[i].plain_symbol() == symbol) return Text(candidate.name, ".stride(", i, ")");
    }
  }
  return "";
}

}  // namespace tilelang::runtime

#include "host_call.h"

#include <tvm/ffi/container/array.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/ffi/function.h>

#include <memory>
#include <optional>

#include "error.h"
#include "frame.h"

namespace tilelang::runtime {

namespace ffi = tvm::ffi;
using Tree = ffi::Map<ffi::String, ffi::Any>;
using List = ffi::Array<ffi::Any>;
using Kind = HostArgument::Kind;

namespace {

std::string Str(const ffi::Any& value) {
  ffi::String text = value.cast<ffi::String>();
  return std::string(text.data(), text.size());
}

std::vector<Expression> ParseExpressions(const ffi::Any& list, const Plan& plan) {
  std::vector<Expression> result;
  for (const ffi::Any& item : list.cast<List>()) result.push_back(Expression::Parse(item, plan.symbols));
  return result;
}

Kind ParseKind(const std::string& name) {
  static const char* const names[] = {"tensor", "part", "pointer", "int", "float", "bool", "text", "none"};
  for (int kind = 0; kind < 8; ++kind) {
    if (name == names[kind]) return static_cast<Kind>(kind);
  }
  Raise(kDefect, -1, Text("a call of the host has an argument of the kind `", name, "`"));
}

int FindSymbol(const Plan& plan, const std::string& name) {
  for (size_t i = 0; i < plan.symbols.size(); ++i) {
    if (plan.symbols[i].name == name) return static_cast<int>(i);
  }
  Raise(kDefect, -1, Text("a call of the host uses the unknown symbol `", name, "`"));
}

HostArgument ParseArgument(const Tree& tree, const Plan& plan) {
  HostArgument result;
  result.kind = ParseKind(Str(tree["kind"]));
  const ffi::Any value = tree["value"];
  switch (result.kind) {
    case Kind::kTensor:
    case Kind::kPart:
    case Kind::kPointer:
      result.tensor = static_cast<int>(value.cast<int64_t>());
      if (result.tensor < 0 || result.tensor >= static_cast<int>(plan.parameters.size() + plan.workspaces.size())) {
        Raise(kDefect, -1, Text("a call of the host receives tensor ", result.tensor));
      }
      break;
    case Kind::kInt:
      result.value = Expression::Parse(value, plan.symbols);
      break;
    case Kind::kFloat:
    case Kind::kBool:
      if (value.try_cast<ffi::String>()) {
        result.symbol = FindSymbol(plan, Str(value));
      } else {
        result.number = result.kind == Kind::kBool ? value.cast<bool>() : value.cast<double>();
      }
      break;
    case Kind::kText:
      result.text = Str(value);
      break;
    case Kind::kNone:
      break;
  }
  if (result.kind == Kind::kPart || result.kind == Kind::kPointer) {
    result.dtype = ParseDType(Str(tree["dtype"]));
    result.shape = ParseExpressions(tree["shape"], plan);
    result.strides = ParseExpressions(tree["strides"], plan);
    result.starts = ParseExpressions(tree["starts"], plan);
    result.extents = ParseExpressions(tree["extents"], plan);
    for (const ffi::Any& axis : tree["axes"].cast<List>()) result.axes.push_back(static_cast<int>(axis.cast<int64_t>()));
  }
  return result;
}

const std::string& NameOf(const Plan& plan, int tensor) {
  size_t index = static_cast<size_t>(tensor), parameters = plan.parameters.size();
  return index < parameters ? plan.parameters[index].name : plan.workspaces[index - parameters].name;
}

// What the arguments of one call refer to while it runs.
class Arguments {
 public:
  Arguments(const HostCall& call, const Frame& frame) : call_(call), frame_(frame) {
    for (const HostArgument& argument : call.arguments) Add(argument);
  }

  const std::vector<ffi::Any>& values() const { return values_; }

 private:
  // A tensor over memory that somebody else owns.
  struct Borrowed {
    std::vector<int64_t> shape, strides;
    DLManagedTensor managed{};
  };

  int64_t Number(const Expression& expression) {
    return Resolve(frame_, expression, [&] { return Text("an argument of `", call_.function, "`"); });
  }

  void Add(const HostArgument& argument) {
    switch (argument.kind) {
      case Kind::kTensor:
        values_.push_back(Whole(argument.tensor));
        break;
      case Kind::kPart:
        values_.push_back(Part(argument));
        break;
      case Kind::kPointer:
        values_.push_back(static_cast<void*>(Address(argument)));
        break;
      case Kind::kInt:
        values_.push_back(Number(argument.value));
        break;
      case Kind::kFloat:
        values_.push_back(argument.symbol < 0 ? argument.number : frame_.values[argument.symbol].floating);
        break;
      case Kind::kBool:
        values_.push_back(argument.symbol < 0 ? argument.number != 0 : frame_.values[argument.symbol].integer != 0);
        break;
      case Kind::kText:
        values_.push_back(ffi::String(argument.text));
        break;
      case Kind::kNone:
        values_.push_back(nullptr);
        break;
    }
  }

  // The tensor as it was passed; as it is declared where the launcher made it, or was given an address.
  ffi::Tensor Whole(int tensor) {
    const size_t index = static_cast<size_t>(tensor), parameters = frame_.plan->parameters.size();
    if (const DLTensor* given = frame_.tensors[tensor]) {
      std::vector<int64_t> shape(given->shape, given->shape + given->ndim), strides;
      if (given->strides != nullptr) strides.assign(given->strides, given->strides + given->ndim);
      return Borrow(frame_.addresses[tensor], given->dtype, std::move(shape), std::move(strides));
    }
    const bool workspace = index >= parameters;
    DLDataType dtype = workspace ? frame_.plan->workspaces[index - parameters].dtype : frame_.plan->parameters[index].dtype;
    const std::vector<Expression>& declared = workspace ? frame_.plan->workspaces[index - parameters].shape : frame_.plan->parameters[index].shape;
    std::vector<int64_t> shape, strides;
    for (const Expression& extent : declared) shape.push_back(Number(extent));
    if (!workspace) {
      for (const Expression& stride : frame_.plan->parameters[index].strides) strides.push_back(Number(stride));
    }
    if (dtype.bits == 4 && !shape.empty()) {  // two in a byte
      shape.back() = (shape.back() + 1) / 2;
      dtype = dtype.code == kDLFloat4_e2m1fn ? DLDataType{dtype.code, 4, 2} : DLDataType{dtype.code, 8, 1};
    }
    return Borrow(frame_.addresses[tensor], dtype, std::move(shape), std::move(strides));
  }

  ffi::Tensor Part(const HostArgument& argument) {
    std::vector<int64_t> shape, strides;
    for (size_t axis = 0; axis < argument.shape.size(); ++axis) {
      int64_t extent = Number(argument.extents[axis]), first = Number(argument.starts[axis]), whole = Number(argument.shape[axis]);
      if (first < 0 || extent < 0 || first + extent > whole) {
        Raise(kArgument, -1, Text("`", call_.function, "` would receive ", first, ":", first + extent, " of axis ", axis, " of `", NameOf(*frame_.plan, argument.tensor), "`, which has ", whole),
              "pass a slice that lies in the tensor");
      }
    }
    for (int axis : argument.axes) {
      shape.push_back(Number(argument.extents[axis]));
      strides.push_back(Number(argument.strides[axis]));
    }
    return Borrow(Address(argument), argument.dtype, std::move(shape), std::move(strides));
  }

  char* Address(const HostArgument& argument) {
    int64_t offset = 0;
    for (size_t axis = 0; axis < argument.starts.size(); ++axis) offset += Number(argument.starts[axis]) * Number(argument.strides[axis]);
    return static_cast<char*>(frame_.addresses[argument.tensor]) + offset * argument.dtype.bits / 8;
  }

  ffi::Tensor Borrow(void* address, DLDataType dtype, std::vector<int64_t> shape, std::vector<int64_t> strides) {
    auto borrowed = std::make_unique<Borrowed>();
    borrowed->shape = std::move(shape);
    borrowed->strides = std::move(strides);
    if (borrowed->strides.empty()) {
      borrowed->strides.resize(borrowed->shape.size());
      int64_t step = 1;
      for (size_t axis = borrowed->shape.size(); axis-- > 0; step *= borrowed->shape[axis]) borrowed->strides[axis] = step;
    }
    DLTensor& tensor = borrowed->managed.dl_tensor;
    tensor.data = address;
    tensor.device = frame_.device;
    tensor.ndim = static_cast<int32_t>(borrowed->shape.size());
    tensor.dtype = dtype;
    tensor.shape = borrowed->shape.data();
    tensor.strides = borrowed->strides.data();
    borrowed->managed.manager_ctx = borrowed.get();
    borrowed->managed.deleter = [](DLManagedTensor* self) { delete static_cast<Borrowed*>(self->manager_ctx); };
    return ffi::Tensor::FromDLPack(&borrowed.release()->managed);
  }

  const HostCall& call_;
  const Frame& frame_;
  std::vector<ffi::Any> values_;
};

// Functions that ask tvm-ffi for the current stream find that of the launches.
class CurrentStream {
 public:
  CurrentStream(DLDevice device, void* stream) : device_(device), set_(device.device_type == kDLCUDA) {
    if (set_ && TVMFFIEnvSetStream(device.device_type, device.device_id, stream, &before_) != 0) set_ = false;
  }
  CurrentStream(const CurrentStream&) = delete;
  ~CurrentStream() {
    if (set_) TVMFFIEnvSetStream(device_.device_type, device_.device_id, before_, nullptr);
  }

 private:
  DLDevice device_;
  bool set_;
  TVMFFIStreamHandle before_ = nullptr;
};

}  // namespace

HostCall HostCall::Parse(const Tree& tree, const Plan& plan) {
  HostCall call;
  call.function = Str(tree["function"]);
  call.after = static_cast<size_t>(tree["after"].cast<int64_t>());
  for (const ffi::Any& item : tree["arguments"].cast<List>()) call.arguments.push_back(ParseArgument(item.cast<Tree>(), plan));
  std::string result = Str(tree["result"]);
  if (!result.empty()) call.result = FindSymbol(plan, result);
  return call;
}

void CallHost(const HostCall& call, Frame* frame, void* stream) {
  std::optional<ffi::Function> function = ffi::Function::GetGlobal(call.function);
  if (!function) {
    Raise(kHost, -1, Text("`", frame->plan->name, "` calls `", call.function, "`, which is not registered"),
          Text("tvm_ffi.register_global_func(\"", call.function, "\", function) before the kernel is called"));
  }
  Arguments arguments(call, *frame);
  CurrentStream current(frame->device, stream);
  ffi::Any result;
  std::vector<ffi::AnyView> views(arguments.values().begin(), arguments.values().end());
  try {
    function->CallPacked(views.data(), static_cast<int32_t>(views.size()), &result);
  } catch (const ffi::Error& error) {
    if (error.kind() == "tilelang.runtime.NativeError") throw;  // another kernel's launcher said what is wrong
    std::string category = Text(kHost, ":", error.kind());  // whoever expects a ValueError shall catch one
    Raise(category.c_str(), -1, Text("`", call.function, "`, which `", frame->plan->name, "` calls, raised ", error.kind(), ": ", error.message()));
  }
  if (call.result < 0) return;
  auto number = result.try_cast<int64_t>();
  if (!number || *number != static_cast<int32_t>(*number)) {
    Raise(kHost, -1, Text("`", call.function, "` returned ", number ? std::to_string(*number) : result.GetTypeKey(), ", which `", frame->plan->name, "` reads as an int32"),
          "return an integer of 32 bits");
  }
  frame->values[call.result].integer = *number;
  frame->known[call.result] = 1;
}

}  // namespace tilelang::runtime

#include "plan.h"

#include <tvm/ffi/container/array.h>
#include <tvm/ffi/dtype.h>

#include <algorithm>

#include "error.h"

namespace tilelang::runtime {

namespace ffi = tvm::ffi;
using Tree = ffi::Map<ffi::String, ffi::Any>;
using List = ffi::Array<ffi::Any>;

DLDataType ParseDType(const std::string& name) {
  // Frameworks have one 8-bit E4M3 type, the finite one; both of its names mean it.
  if (name == "float8_e4m3") return DLDataType{kDLFloat8_e4m3fn, 8, 1};
  if (name == "bool") return DLDataType{kDLBool, 8, 1};
  return ffi::StringToDLDataType(name);
}

std::string DTypeName(DLDataType dtype) {
  if (dtype.code == kDLBool && dtype.bits == 8) return "bool";
  if (dtype.code == kDLComplex) return "complex" + std::to_string(dtype.bits);
  ffi::String name = ffi::DLDataTypeToString(dtype);
  return std::string(name.data(), name.size());
}

namespace {

std::string Str(const Tree& tree, const char* key) {
  ffi::String value = tree[key].cast<ffi::String>();
  return std::string(value.data(), value.size());
}

std::vector<Expression> ParseExpressions(const ffi::Any& list, const std::vector<Symbol>& symbols) {
  std::vector<Expression> result;
  for (const ffi::Any& item : list.cast<List>()) result.push_back(Expression::Parse(item, symbols));
  return result;
}

int FindSymbol(const std::vector<Symbol>& symbols, const std::string& name) {
  for (size_t i = 0; i < symbols.size(); ++i) {
    if (symbols[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

Parameter ParseParameter(const Tree& tree, std::vector<Symbol>* symbols) {
  Parameter result;
  result.name = Str(tree, "name");
  result.dtype_name = Str(tree, "dtype");
  result.dtype = ParseDType(result.dtype_name);
  if (result.dtype.bits == 4) result.pack = 2;
  result.is_tensor = Str(tree, "kind") == "tensor";
  result.is_output = tree["output"].cast<bool>();
  result.is_used = tree["used"].cast<bool>();
  result.is_pointer = tree["pointer"].cast<bool>();
  if (!result.is_tensor) {
    result.symbol = FindSymbol(*symbols, result.name);
    if (result.symbol < 0) {  // a scalar that no expression mentions
      result.symbol = static_cast<int>(symbols->size());
      symbols->push_back({result.name, result.dtype_name});
    }
    return result;
  }
  result.alignment = tree["alignment"].cast<int64_t>();
  result.shape = ParseExpressions(tree["shape"], *symbols);
  result.has_strides = tree["strides"] != nullptr;
  if (result.has_strides) {
    result.strides = ParseExpressions(tree["strides"], *symbols);
    if (result.strides.size() != result.shape.size()) {
      Raise(kDefect, -1, Text("parameter `", result.name, "` has ", result.shape.size(), " extents but ", result.strides.size(), " strides"));
    }
  }
  return result;
}

// CUtensorMapDataType: the driver copies bits, so that a type of the right width will do.
int32_t MapType(DLDataType dtype, const std::string& kernel) {
  if (dtype.code == kDLFloat && dtype.bits == 16) return 6;
  if (dtype.code == kDLFloat && dtype.bits == 32) return 7;
  if (dtype.code == kDLFloat && dtype.bits == 64) return 8;
  if (dtype.code == kDLBfloat && dtype.bits == 16) return 9;
  switch (dtype.bits) {
    case 8: return 0;
    case 16: return 1;
    case 32: return 2;
    case 64: return 4;
    default: Raise(kDefect, -1, Text("kernel `", kernel, "` has a tensor map of elements of ", int(dtype.bits), " bits"));
  }
}

TensorMap ParseMap(const Tree& tree, const Plan& plan, int tensors, const std::string& kernel) {
  TensorMap result;
  DLDataType dtype = ParseDType(Str(tree, "dtype"));
  result.type = MapType(dtype, kernel);
  result.element_bytes = dtype.bits / 8;
  result.tensor = static_cast<int>(tree["tensor"].cast<int64_t>());
  if (result.tensor < 0 || result.tensor >= tensors) Raise(kDefect, -1, Text("kernel `", kernel, "` maps tensor ", result.tensor));
  result.extents = ParseExpressions(tree["shape"], plan.symbols);
  result.strides = ParseExpressions(tree["strides"], plan.symbols);
  for (const ffi::Any& item : tree["box"].cast<List>()) result.box.push_back(static_cast<uint32_t>(item.cast<int64_t>()));
  int64_t swizzle = tree["swizzle"].cast<int64_t>();
  result.swizzle = swizzle == 128 ? 3 : swizzle == 64 ? 2 : swizzle == 32 ? 1 : 0;
  size_t rank = result.extents.size();
  if (rank < 1 || rank > kMaxMapRank || result.strides.size() + 1 != rank || result.box.size() != rank) {
    Raise(kDefect, -1, Text("kernel `", kernel, "` has a tensor map of rank ", rank, " with ", result.strides.size(), " strides and a box of rank ", result.box.size()));
  }
  return result;
}

Kernel ParseKernel(const Tree& tree, const Plan& plan) {
  Kernel result;
  result.name = Str(tree, "name");
  result.shared_bytes = static_cast<uint32_t>(tree["shared_bytes"].cast<int64_t>());
  result.cooperative = tree["cooperative"].cast<bool>();
  result.overlaps = tree["overlaps"].cast<bool>();
  List grid = tree["grid"].cast<List>(), block = tree["block"].cast<List>(), cluster = tree["cluster"].cast<List>();
  for (int i = 0; i < 3; ++i) {
    result.grid[i] = Expression::Parse(grid[i], plan.symbols);
    result.block[i] = static_cast<uint32_t>(block[i].cast<int64_t>());
    result.cluster[i] = static_cast<uint32_t>(cluster[i].cast<int64_t>());
  }
  int tensors = static_cast<int>(plan.parameters.size() + plan.workspaces.size());
  for (const ffi::Any& item : tree["tensor_maps"].cast<List>()) result.maps.push_back(ParseMap(item.cast<Tree>(), plan, tensors, result.name));
  for (const ffi::Any& item : tree["arguments"].cast<List>()) {
    Tree entry = item.cast<Tree>();
    KernelArgument argument;
    if (Str(entry, "kind") == "tensor_map") {
      argument.map = static_cast<int>(entry["value"].cast<int64_t>());
      if (argument.map < 0 || argument.map >= static_cast<int>(result.maps.size())) Raise(kDefect, -1, Text("kernel `", result.name, "` uses tensor map ", argument.map));
      result.arguments.push_back(std::move(argument));
      continue;
    }
    argument.dtype = ParseDType(Str(entry, "dtype"));
    argument.is_tensor = Str(entry, "kind") == "tensor";
    if (argument.is_tensor) {
      argument.tensor = static_cast<int>(entry["value"].cast<int64_t>());
      if (argument.tensor < 0 || argument.tensor >= tensors) Raise(kDefect, -1, Text("kernel `", result.name, "` uses tensor ", argument.tensor));
    } else {
      argument.value = Expression::Parse(entry["value"], plan.symbols);
      int symbol = argument.value.plain_symbol();
      if (symbol >= 0 && IsFloating(ParseDType(plan.symbols[symbol].dtype))) argument.floating_symbol = symbol;
    }
    result.arguments.push_back(std::move(argument));
  }
  return result;
}

}  // namespace

Plan Plan::Parse(const Tree& tree) {
  Plan plan;
  plan.name = Str(tree, "name");
  for (const auto& [name, dtype] : tree["symbols"].cast<Tree>()) {
    plan.symbols.push_back({std::string(name.data(), name.size()), std::string(dtype.cast<ffi::String>())});
  }
  for (const ffi::Any& item : tree["parameters"].cast<List>()) {
    plan.parameters.push_back(ParseParameter(item.cast<Tree>(), &plan.symbols));
    plan.max_rank = std::max(plan.max_rank, plan.parameters.back().shape.size());
  }
  for (const ffi::Any& item : tree["workspaces"].cast<List>()) {
    Tree entry = item.cast<Tree>();
    plan.workspaces.push_back({Str(entry, "name"), ParseDType(Str(entry, "dtype")), ParseExpressions(entry["shape"], plan.symbols), entry["zeroed"].cast<bool>()});
    plan.max_rank = std::max(plan.max_rank, plan.workspaces.back().shape.size());
  }
  for (const ffi::Any& item : tree["kernels"].cast<List>()) plan.kernels.push_back(ParseKernel(item.cast<Tree>(), plan));
  for (const ffi::Any& item : tree["outputs"].cast<List>()) plan.outputs.push_back(static_cast<int>(item.cast<int64_t>()));
  for (const ffi::Any& item : tree["calls"].cast<List>()) plan.calls.push_back(HostCall::Parse(item.cast<Tree>(), plan));
  for (size_t i = 0; i < plan.parameters.size(); ++i) {
    if (!plan.parameters[i].is_output) plan.positional.push_back(static_cast<int>(i));
  }
  return plan;
}

}  // namespace tilelang::runtime

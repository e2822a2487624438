// The launch plan (tilelang/codegen/launch_plan.py) as the launcher keeps it.
#pragma once

#include <dlpack/dlpack.h>
#include <tvm/ffi/container/map.h>
#include <tvm/ffi/string.h>

#include <array>
#include <string>
#include <vector>

#include "expression.h"
#include "host_call.h"
#include "tensor_map.h"

namespace tilelang::runtime {

struct Parameter {
  std::string name;
  std::string dtype_name;
  DLDataType dtype{};
  bool is_tensor = false;
  bool is_output = false;
  bool is_used = true;
  bool is_pointer = false;  // described by the kernel alone: an address or any tensor, nothing else is checked
  bool has_strides = false;
  int pack = 1;  // elements in a byte of the last axis: 2 for types of 4 bits, which come as tensors of bytes
  int symbol = -1;  // scalars: the symbol that holds the value
  int64_t alignment = 1;
  std::vector<Expression> shape;
  std::vector<Expression> strides;
};

// One argument of a device function: a tensor's address, a tensor map, or a scalar converted to `dtype`.
struct KernelArgument {
  bool is_tensor = false;
  int map = -1;  // index into the kernel's tensor maps
  int tensor = -1;  // index into parameters, then workspaces
  int floating_symbol = -1;
  Expression value;
  DLDataType dtype{};
};

struct Kernel {
  std::string name;
  std::array<Expression, 3> grid;
  std::array<uint32_t, 3> block{};
  std::array<uint32_t, 3> cluster{};
  bool cooperative = false;  // all blocks of the grid run together
  bool overlaps = false;     // may start before the launches that it depends on have ended
  uint32_t shared_bytes = 0;
  std::vector<KernelArgument> arguments;
  std::vector<TensorMap> maps;
};

struct Workspace {
  std::string name;
  DLDataType dtype{};
  std::vector<Expression> shape;
  bool zeroed = false;
};

struct Plan {
  std::string name;
  std::vector<Symbol> symbols;
  std::vector<Parameter> parameters;
  std::vector<Kernel> kernels;
  std::vector<Workspace> workspaces;
  std::vector<int> outputs;     // parameter indices in return order
  std::vector<HostCall> calls;  // in the order in which they are made
  std::vector<int> positional;  // parameter index of every call argument
  size_t max_rank = 0;

  // `tree` is the plan as nested maps and arrays.
  static Plan Parse(const tvm::ffi::Map<tvm::ffi::String, tvm::ffi::Any>& tree);
};

DLDataType ParseDType(const std::string& name);
std::string DTypeName(DLDataType dtype);
inline bool IsFloating(DLDataType dtype) { return dtype.code == kDLFloat || dtype.code == kDLBfloat; }

}  // namespace tilelang::runtime

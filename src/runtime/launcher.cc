// A compiled program as an FFI function: check arguments, allocate outputs, launch every kernel on the framework's stream.
#include <alloca.h>
#include <tvm/ffi/container/array.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/ffi/function.h>

#include <cstring>
#include <memory>

#include "backend.h"
#include "error.h"
#include "frame.h"
#include "messages.h"

namespace tilelang::runtime {

namespace ffi = tvm::ffi;

namespace {

constexpr int64_t kGridLimits[3] = {INT32_MAX, 65535, 65535};

// Memory for tensors when the arguments come from no framework (NumPy arrays in the simulator).
struct HostAllocator {
  void AllocData(DLTensor* tensor) {
    size_t bytes = (ffi::GetDataSize(*tensor) + 63) / 64 * 64;
    tensor->data = std::aligned_alloc(64, bytes ? bytes : 64);
    if (tensor->data == nullptr) Raise(kResource, -1, Text("no host memory for an output of ", bytes, " bytes"));
  }
  void FreeData(DLTensor* tensor) { std::free(tensor->data); }
};

ffi::Tensor Allocate(const std::vector<Expression>& shape, DLDataType dtype, const std::string& name, const Frame& frame) {
  int64_t* extents = static_cast<int64_t*>(alloca((shape.size() + 1) * sizeof(int64_t)));
  for (size_t i = 0; i < shape.size(); ++i) {
    extents[i] = shape[i].is_constant() ? shape[i].constant() : Resolve(frame, shape[i], Text("the shape of `", name, "`"));
    if (extents[i] < 0) Raise(kArgument, -1, Text("`", name, "` would have the extent ", shape[i].text(), " = ", extents[i]));
  }
  if (dtype.bits == 4) {  // two in a byte
    extents[shape.size() - 1] = (extents[shape.size() - 1] + 1) / 2;
    dtype = dtype.code == kDLFloat4_e2m1fn ? DLDataType{dtype.code, 4, 2} : DLDataType{dtype.code, 8, 1};
  }
  if (TVMFFIEnvGetDLPackManagedTensorAllocator() == nullptr) {
    if (frame.device.device_type != kDLCPU) {
      Raise(kArgument, -1, Text("`", name, "` cannot be allocated on ", DeviceName(frame.device), ": no argument comes from a framework that allocates there"),
            "pass torch tensors");
    }
    return ffi::Tensor::FromNDAlloc(HostAllocator(), ffi::ShapeView(extents, shape.size()), dtype, frame.device);
  }
  DLTensor prototype{};
  prototype.device = frame.device;
  prototype.ndim = static_cast<int32_t>(shape.size());
  prototype.dtype = dtype;
  prototype.shape = extents;
  TVMFFIObjectHandle handle = nullptr;
  if (TVMFFIEnvTensorAlloc(&prototype, &handle) != 0) {
    ffi::Error error = ffi::details::MoveFromSafeCallRaised();
    Raise(kResource, -1, Text("allocating `", name, "` failed: ", error.message()));
  }
  return ffi::details::ObjectUnsafe::ObjectRefFromObjectPtr<ffi::Tensor>(
      ffi::details::ObjectUnsafe::ObjectPtrFromOwned<ffi::Object>(static_cast<TVMFFIObject*>(handle)));
}

// From the first element to the end of the last.
size_t Bytes(const DLTensor& tensor) {
  int64_t last = 0, compact = 1;
  for (int axis = tensor.ndim - 1; axis >= 0; --axis) {
    if (tensor.shape[axis] == 0) return 0;
    last += (tensor.shape[axis] - 1) * (tensor.strides ? tensor.strides[axis] : compact);
    compact *= tensor.shape[axis];
  }
  return static_cast<size_t>(last + 1) * ((tensor.dtype.bits * tensor.dtype.lanes + 7) / 8);
}

// Rounds to nearest even; NaN stays NaN.
uint16_t ToHalf(double value) {
  _Float16 half = static_cast<_Float16>(value);
  uint16_t bits;
  std::memcpy(&bits, &half, sizeof bits);
  return bits;
}

uint16_t ToBFloat16(double value) {
  float single = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &single, sizeof bits);
  if (single != single) return static_cast<uint16_t>(bits >> 16) | 0x40;
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

void StoreFloating(uint64_t* slot, double value, DLDataType dtype) {
  if (dtype.bits == 64) {
    std::memcpy(slot, &value, sizeof value);
  } else if (dtype.bits == 32) {
    float single = static_cast<float>(value);
    std::memcpy(slot, &single, sizeof single);
  } else {
    uint16_t bits = dtype.code == kDLBfloat ? ToBFloat16(value) : ToHalf(value);
    std::memcpy(slot, &bits, sizeof bits);
  }
}

class Launcher {
 public:
  // With `anchored`, the last argument of every call is a tensor that only says where to run: it carries the device, the
  // stream and the allocator for kernels that take no tensor.
  Launcher(Plan plan, std::unique_ptr<Backend> backend, bool anchored)
      : plan_(std::move(plan)), backend_(std::move(backend)), anchored_(anchored) {
    for (const Kernel& kernel : plan_.kernels) maps_.push_back(std::make_unique<MapCache[]>(kernel.maps.size()));
  }

  void Call(const ffi::AnyView* args, int32_t count, ffi::Any* result) const {
    size_t tensors = plan_.parameters.size() + plan_.workspaces.size();
    Frame frame{};
    frame.plan = &plan_;
    frame.device = DLDevice{backend_->device_type(), 0};
    frame.values = static_cast<Scalar*>(alloca((plan_.symbols.size() + 1) * sizeof(Scalar)));
    frame.known = static_cast<uint8_t*>(alloca(plan_.symbols.size() + 1));
    frame.tensors = static_cast<const DLTensor**>(alloca((tensors + 1) * sizeof(DLTensor*)));
    frame.addresses = static_cast<void**>(alloca((tensors + 1) * sizeof(void*)));
    std::memset(frame.known, 0, plan_.symbols.size());
    std::memset(frame.tensors, 0, tensors * sizeof(DLTensor*));
    std::memset(frame.addresses, 0, tensors * sizeof(void*));
    if (anchored_) frame.device = args[--count].cast<DLTensor*>()->device;
    BindArguments(&frame, args, count, backend_->device_type());
    Run(&frame, result);
  }

  // Launches with arguments that are bound; writes the addresses of outputs into the frame.
  void Run(Frame* bound, ffi::Any* result) const {
    Frame& frame = *bound;
    frame.watched = backend_->watches_memory();
    if (frame.watched) WatchArguments(frame);

    struct Session {
      Backend* backend;
      void* handle;
      ~Session() { backend->End(handle); }
    } session{backend_.get(), backend_->Begin(frame.device.device_id)};
    if (plan_.outputs.size() == 1) {
      ffi::Tensor output = AllocateOutput(plan_.outputs[0], &frame);
      LaunchAll(frame, session.handle);
      *result = std::move(output);
      return;
    }
    ffi::Array<ffi::Any> outputs;
    for (int parameter : plan_.outputs) outputs.push_back(AllocateOutput(parameter, &frame));
    LaunchAll(frame, session.handle);
    if (!plan_.outputs.empty()) *result = std::move(outputs);
  }

 private:
  ffi::Tensor AllocateOutput(int parameter, Frame* frame) const {
    const Parameter& declared = plan_.parameters[parameter];
    ffi::Tensor output = Allocate(declared.shape, declared.dtype, declared.name, *frame);
    int64_t compact = 1;
    for (int axis = static_cast<int>(declared.strides.size()) - 1; axis >= 0; --axis) {
      int64_t stride = Resolve(*frame, declared.strides[axis], Text("the strides of `", declared.name, "`"));
      if (output.shape()[axis] > 1 && stride != compact) {
        Raise(kArgument, -1, Text("output `", declared.name, "` has stride ", stride, " along axis ", axis, "; allocated outputs are row-major (", compact, ")"),
              "remove it from out_idx and pass the tensor");
      }
      compact *= output.shape()[axis];
    }
    frame->addresses[parameter] = output.data_ptr();
    if (frame->watched) backend_->WatchMemory(output.data_ptr(), ffi::GetDataSize(output), declared.name, true);
    return output;
  }

  void WatchArguments(const Frame& frame) const {
    backend_->ForgetMemory();
    for (size_t p = 0; p < plan_.parameters.size(); ++p) {
      if (frame.tensors[p] != nullptr) backend_->WatchMemory(frame.addresses[p], Bytes(*frame.tensors[p]), plan_.parameters[p].name, false);
    }
  }

  void LaunchAll(const Frame& frame, void* session) const {
    void* stream = frame.device.device_type == kDLCUDA ? TVMFFIEnvGetStream(kDLCUDA, frame.device.device_id) : nullptr;
    // Freed when the launches are queued: the framework's allocator reuses memory in stream order.
    std::vector<ffi::Tensor> workspaces;
    for (size_t i = 0; i < plan_.workspaces.size(); ++i) {
      const Workspace& workspace = plan_.workspaces[i];
      workspaces.push_back(Allocate(workspace.shape, workspace.dtype, workspace.name, frame));
      frame.addresses[plan_.parameters.size() + i] = workspaces.back().data_ptr();
      if (workspace.zeroed) backend_->Clear(workspaces.back().data_ptr(), ffi::GetDataSize(workspaces.back()), stream);
      if (frame.watched) backend_->WatchMemory(workspaces.back().data_ptr(), ffi::GetDataSize(workspaces.back()), workspace.name, !workspace.zeroed);
    }
    for (size_t k = 0; k < plan_.kernels.size(); ++k) LaunchOne(frame, session, k, stream);
  }

  void LaunchOne(const Frame& frame, void* session, size_t index, void* stream) const {
    const Kernel& kernel = plan_.kernels[index];
    uint32_t grid[3];
    bool empty = false;
    for (int i = 0; i < 3; ++i) {
      const Expression& extent = kernel.grid[i];
      int64_t blocks = extent.is_constant() ? extent.constant() : Resolve(frame, extent, Text("the grid"));
      if (blocks < 0 || blocks > kGridLimits[i]) {
        Raise(kResource, -1, Text("`", kernel.name, "` would launch ", blocks, " blocks along ", "xyz"[i], " (", extent.text(), "); the limit there is ", kGridLimits[i]),
              "put the longest axis first in T.Kernel, or let a block process several tiles");
      }
      grid[i] = static_cast<uint32_t>(blocks);
      empty = empty || blocks == 0;
    }
    if (empty) return;  // empty tensors: nothing to compute, and CUDA refuses empty grids
    for (int i = 0; i < 3; ++i) {
      if (grid[i] % kernel.cluster[i] != 0) {
        Raise(kArgument, -1, Text("`", kernel.name, "` launches ", grid[i], " blocks along ", "xyz"[i], ", not a multiple of its cluster's ", kernel.cluster[i]));
      }
    }
    size_t count = kernel.arguments.size();
    uint64_t* slots = static_cast<uint64_t*>(alloca((count + 1) * sizeof(uint64_t)));
    void** pointers = static_cast<void**>(alloca((count + 1) * sizeof(void*)));
    size_t room = kernel.maps.size() * sizeof(EncodedMap) + alignof(EncodedMap);
    void* unaligned = alloca(room);
    auto* maps = static_cast<EncodedMap*>(std::align(alignof(EncodedMap), kernel.maps.size() * sizeof(EncodedMap), unaligned, room));
    for (size_t i = 0; i < kernel.maps.size(); ++i) FillMap(frame, kernel, index, i, &maps[i]);
    for (size_t i = 0; i < count; ++i) {
      const KernelArgument& argument = kernel.arguments[i];
      pointers[i] = &slots[i];
      if (argument.map >= 0) {
        pointers[i] = &maps[argument.map];
      } else if (argument.is_tensor) {
        std::memcpy(&slots[i], &frame.addresses[argument.tensor], sizeof(void*));
      } else if (argument.floating_symbol >= 0) {
        StoreFloating(&slots[i], frame.values[argument.floating_symbol].floating, argument.dtype);
      } else {
        slots[i] = StoreInteger(frame, kernel, argument);
      }
    }
    backend_->Launch(session, index, grid, pointers, stream);
  }

  // The encoded map `which` of a kernel; kept while the tensor stays where it is.
  void FillMap(const Frame& frame, const Kernel& kernel, size_t index, size_t which, EncodedMap* out) const {
    const TensorMap& map = kernel.maps[which];
    MapRequest request;
    request.address = frame.addresses[map.tensor];
    bool empty = false;
    for (size_t i = 0; i < map.extents.size(); ++i) {
      request.extent[i] = static_cast<uint64_t>(Number(frame, map.extents[i]));
      empty = empty || request.extent[i] == 0;
    }
    for (size_t i = 0; i < map.strides.size(); ++i) {
      request.byte_stride[i] = static_cast<uint64_t>(Number(frame, map.strides[i]) * map.element_bytes);
    }
    if (empty) {  // nothing is copied through a map of nothing, which the driver would refuse
      *out = EncodedMap{};
      return;
    }
    MapCache& cache = maps_[index][which];
    if (cache.Find(request, out)) return;
    backend_->EncodeMap(map, request, kernel.name, out);
    cache.Keep(request, *out);
  }

  static int64_t Number(const Frame& frame, const Expression& expression) {
    return expression.is_constant() ? expression.constant() : Resolve(frame, expression, "a tensor map");
  }

  // Little-endian: the low bytes of the slot are the value at any smaller width.
  static uint64_t StoreInteger(const Frame& frame, const Kernel& kernel, const KernelArgument& argument) {
    int64_t value = argument.value.is_constant() ? argument.value.constant() : Resolve(frame, argument.value, "a kernel argument");
    if (argument.dtype.code == kDLInt && argument.dtype.bits == 32 && value != static_cast<int32_t>(value)) {
      Raise(kArgument, -1, Text("`", argument.value.text(), "` = ", value, " does not fit the int32 argument of `", kernel.name, "`"),
            "declare the symbol with dtype int64");
    }
    return static_cast<uint64_t>(value);
  }

  friend class BoundCall;

  Plan plan_;
  std::unique_ptr<Backend> backend_;
  bool anchored_;
  std::vector<std::unique_ptr<MapCache[]>> maps_;  // per kernel, per map
};

// A call whose arguments were checked once. It holds them, and launches on the stream of the tensor that each call passes.
class BoundCall {
 public:
  BoundCall(std::shared_ptr<const Launcher> launcher, const ffi::AnyView* args, int32_t count) : launcher_(std::move(launcher)) {
    const Plan& plan = launcher_->plan_;
    size_t tensors = plan.parameters.size() + plan.workspaces.size();
    for (int32_t i = 0; i < count; ++i) held_.emplace_back(args[i]);
    std::vector<ffi::AnyView> views(held_.begin(), held_.end());
    values_.resize(plan.symbols.size() + 1);
    known_.resize(plan.symbols.size() + 1);
    tensors_.resize(tensors + 1);
    addresses_.resize(tensors + 1);
    frame_.plan = &plan;
    frame_.values = values_.data();
    frame_.known = known_.data();
    frame_.tensors = tensors_.data();
    frame_.addresses = addresses_.data();
    frame_.device = DLDevice{launcher_->backend_->device_type(), 0};
    BindArguments(&frame_, views.data(), count, launcher_->backend_->device_type());
  }

  void Call(const ffi::AnyView* args, int32_t count, ffi::Any* result) const {
    Frame frame = frame_;
    frame.addresses = static_cast<void**>(alloca(addresses_.size() * sizeof(void*)));  // a call of its own writes outputs there
    std::memcpy(frame.addresses, addresses_.data(), addresses_.size() * sizeof(void*));
    if (!frame.has_tensor && count > 0) frame.device = args[0].cast<DLTensor*>()->device;
    launcher_->Run(&frame, result);
  }

 private:
  std::shared_ptr<const Launcher> launcher_;
  std::vector<ffi::Any> held_;
  std::vector<Scalar> values_;
  std::vector<uint8_t> known_;
  std::vector<const DLTensor*> tensors_;
  std::vector<void*> addresses_;
  Frame frame_{};
};

// Two functions: call(arguments...), and bind(arguments...) -> function(any tensor of the device).
ffi::Array<ffi::Function> Wrap(Plan plan, std::unique_ptr<Backend> backend, bool anchored) {
  auto launcher = std::make_shared<Launcher>(std::move(plan), std::move(backend), anchored);
  auto call = ffi::Function::FromPacked([launcher](const ffi::AnyView* args, int32_t count, ffi::Any* result) { launcher->Call(args, count, result); });
  auto bind = ffi::Function::FromPacked([launcher](const ffi::AnyView* args, int32_t count, ffi::Any* result) {
    auto bound = std::make_shared<BoundCall>(launcher, args, count);
    *result = ffi::Function::FromPacked([bound](const ffi::AnyView* given, int32_t n, ffi::Any* out) { bound->Call(given, n, out); });
  });
  return {call, bind};
}

using Tree = ffi::Map<ffi::String, ffi::Any>;

ffi::Array<ffi::Function> CudaLauncher(Tree tree, bool anchored, ffi::Bytes cubin) {
  Plan plan = Plan::Parse(tree);
  auto backend = MakeCudaBackend(plan.kernels, std::string(cubin.data(), cubin.size()));
  return Wrap(std::move(plan), std::move(backend), anchored);
}

ffi::Array<ffi::Function> SimulatorLauncher(Tree tree, bool anchored, ffi::String library, ffi::String runtime) {
  Plan plan = Plan::Parse(tree);
  auto backend = MakeSimulatorBackend(plan.kernels, library, runtime);
  return Wrap(std::move(plan), std::move(backend), anchored);
}

ffi::Array<ffi::Function> CpuLauncher(Tree tree, bool anchored, ffi::String library) {
  Plan plan = Plan::Parse(tree);
  auto backend = MakeCpuBackend(plan.kernels, library);
  return Wrap(std::move(plan), std::move(backend), anchored);
}

}  // namespace

TVM_FFI_DLL_EXPORT_TYPED_FUNC(cuda_launcher, CudaLauncher);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(simulator_launcher, SimulatorLauncher);
TVM_FFI_DLL_EXPORT_TYPED_FUNC(cpu_launcher, CpuLauncher);

}  // namespace tilelang::runtime

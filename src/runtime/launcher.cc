#include "launcher.h"

#include <alloca.h>
#include <tvm/ffi/container/tensor.h>

#include <cstring>
#include <utility>

#include "error.h"
#include "messages.h"

namespace tilelang::runtime {

namespace ffi = tvm::ffi;

namespace {

constexpr int64_t kGridLimits[3] = {INT32_MAX, 65535, 65535};

// The extents that a tensor of the plan has in this call, in elements.
void Extents(const std::vector<Expression>& shape, const std::string& name, const Frame& frame, int64_t* extents) {
  for (size_t i = 0; i < shape.size(); ++i) {
    extents[i] = shape[i].is_constant() ? shape[i].constant() : Resolve(frame, shape[i], [&] { return Text("the shape of `", name, "`"); });
    if (extents[i] < 0) Raise(kArgument, -1, Text("`", name, "` would have the extent ", shape[i].text(), " = ", extents[i]));
  }
}

// A tensor to be allocated; elements of 4 bits are two in a byte.
DLTensor Prototype(DLDevice device, DLDataType dtype, int64_t* extents, size_t rank) {
  if (dtype.bits == 4) {
    extents[rank - 1] = (extents[rank - 1] + 1) / 2;
    dtype = dtype.code == kDLFloat4_e2m1fn ? DLDataType{dtype.code, 4, 2} : DLDataType{dtype.code, 8, 1};
  }
  DLTensor prototype{};
  prototype.device = device;
  prototype.ndim = static_cast<int32_t>(rank);
  prototype.dtype = dtype;
  prototype.shape = extents;
  return prototype;
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

int64_t Number(const Frame& frame, const Expression& expression) {
  return expression.is_constant() ? expression.constant() : Resolve(frame, expression, [] { return std::string("a tensor map"); });
}

// Little-endian: the low bytes of the slot are the value at any smaller width.
uint64_t StoreInteger(const Frame& frame, const Kernel& kernel, const KernelArgument& argument) {
  int64_t value = argument.value.is_constant() ? argument.value.constant() : Resolve(frame, argument.value, [] { return std::string("a kernel argument"); });
  if (argument.dtype.code == kDLInt && argument.dtype.bits == 32 && value != static_cast<int32_t>(value)) {
    Raise(kArgument, -1, Text("`", argument.value.text(), "` = ", value, " does not fit the int32 argument of `", kernel.name, "`"),
          "declare the symbol with dtype int64");
  }
  return static_cast<uint64_t>(value);
}

// Workspaces of the back end's, given back when the launches that use them are queued.
class Borrowed {
 public:
  Borrowed(Backend* backend, void* stream) : backend_(backend), stream_(stream) {}
  Borrowed(const Borrowed&) = delete;
  ~Borrowed() {
    for (void* address : addresses_) {
      if (address != nullptr) backend_->GiveBack(address, stream_);
    }
  }

  void* Take(size_t bytes, const std::string& name) {
    addresses_.push_back(nullptr);
    return addresses_.back() = backend_->Borrow(bytes, name, stream_);
  }

 private:
  Backend* backend_;
  void* stream_;
  std::vector<void*> addresses_;
};

}  // namespace

Launcher::Launcher(Plan plan, std::unique_ptr<Backend> backend)
    : plan_(std::move(plan)), backend_(std::move(backend)), tensors_(plan_.parameters.size() + plan_.workspaces.size()) {
  frame_bytes_ = plan_.symbols.size() * (sizeof(Scalar) + 1) + tensors_ * (sizeof(DLTensor*) + sizeof(void*)) + alignof(Scalar);
  for (const Kernel& kernel : plan_.kernels) maps_.push_back(std::make_unique<MapCache[]>(kernel.maps.size()));
}

Frame Launcher::EmptyFrame(void* storage) const {
  std::memset(storage, 0, frame_bytes_);
  Frame frame{};
  frame.plan = &plan_;
  frame.device = DLDevice{backend_->device_type(), 0};
  char* next = static_cast<char*>(storage);
  auto take = [&next](size_t bytes) { return std::exchange(next, next + bytes); };
  frame.values = reinterpret_cast<Scalar*>(take(plan_.symbols.size() * sizeof(Scalar)));
  frame.tensors = reinterpret_cast<const DLTensor**>(take(tensors_ * sizeof(DLTensor*)));
  frame.addresses = reinterpret_cast<void**>(take(tensors_ * sizeof(void*)));
  frame.known = reinterpret_cast<uint8_t*>(take(plan_.symbols.size()));
  return frame;
}

void Launcher::CopyFrame(const Frame& bound, Frame* copy) const {
  std::memcpy(copy->values, bound.values, plan_.symbols.size() * sizeof(Scalar));
  std::memcpy(copy->tensors, bound.tensors, tensors_ * sizeof(DLTensor*));
  std::memcpy(copy->addresses, bound.addresses, tensors_ * sizeof(void*));
  std::memcpy(copy->known, bound.known, plan_.symbols.size());
  copy->device = bound.device;
  copy->has_tensor = bound.has_tensor;
}

void Launcher::Run(Frame* bound, Framework* framework) const {
  Frame& frame = *bound;
  frame.watched = backend_->watches_memory();
  if (frame.watched) WatchArguments(frame);
  struct Entered {
    Backend* backend;
    Backend::Session session;
    ~Entered() { backend->End(session); }
  } entered{backend_.get(), backend_->Begin(frame.device.device_id)};
  void* stream = frame.device.device_type == kDLCUDA ? framework->Stream(frame.device) : nullptr;
  for (size_t i = 0; i < plan_.outputs.size(); ++i) AllocateOutput(i, &frame, framework);
  Borrowed borrowed(backend_.get(), stream);
  const bool allocates = plan_.workspaces.empty() || framework->Allocates(frame.device);
  for (size_t i = 0; i < plan_.workspaces.size(); ++i) {
    const Workspace& workspace = plan_.workspaces[i];
    int64_t* extents = static_cast<int64_t*>(alloca((workspace.shape.size() + 1) * sizeof(int64_t)));
    Extents(workspace.shape, workspace.name, frame, extents);
    DLTensor prototype = Prototype(frame.device, workspace.dtype, extents, workspace.shape.size());
    void* address = allocates ? framework->Allocate(prototype, Framework::kWorkspace, workspace.name)
                              : borrowed.Take(ffi::GetDataSize(prototype), workspace.name);
    frame.addresses[plan_.parameters.size() + i] = address;
    if (workspace.zeroed) backend_->Clear(address, ffi::GetDataSize(prototype), stream);
    if (frame.watched) backend_->WatchMemory(address, ffi::GetDataSize(prototype), workspace.name, !workspace.zeroed);
  }
  struct Launching {
    Framework* framework;
    explicit Launching(Framework* waits) : framework(waits) { framework->BeforeLaunch(); }
    ~Launching() { framework->AfterLaunch(); }
  } launching(framework);
  size_t next = 0;
  for (size_t k = 0; k < plan_.kernels.size(); ++k) {
    next = CallHostAfter(k, next, &frame, stream);
    LaunchOne(frame, entered.session, k, stream);
  }
  CallHostAfter(plan_.kernels.size(), next, &frame, stream);
}

// Makes the calls, from number `next` on, that come behind `launches` launches; the number of the one after them.
size_t Launcher::CallHostAfter(size_t launches, size_t next, Frame* frame, void* stream) const {
  for (; next < plan_.calls.size() && plan_.calls[next].after == launches; ++next) {
    const HostCall& call = plan_.calls[next];
    CallHost(call, frame, stream);
    if (!frame->watched) continue;
    for (const HostArgument& argument : call.arguments) {  // what was made for this call may be written now; nobody saw where
      if (argument.tensor < 0 || frame->tensors[argument.tensor] != nullptr || frame->addresses[argument.tensor] == nullptr) continue;
      const size_t tensor = static_cast<size_t>(argument.tensor), parameters = plan_.parameters.size();
      if (tensor < parameters && !plan_.parameters[tensor].is_output) continue;
      backend_->WatchMemory(frame->addresses[tensor], 1, tensor < parameters ? plan_.parameters[tensor].name : plan_.workspaces[tensor - parameters].name, false);
    }
  }
  return next;
}

void Launcher::AllocateOutput(size_t output, Frame* frame, Framework* framework) const {
  int parameter = plan_.outputs[output];
  const Parameter& declared = plan_.parameters[parameter];
  size_t rank = declared.shape.size();
  int64_t* extents = static_cast<int64_t*>(alloca((rank + 1) * sizeof(int64_t)));
  Extents(declared.shape, declared.name, *frame, extents);
  DLTensor prototype = Prototype(frame->device, declared.dtype, extents, rank);
  int64_t compact = 1;
  for (int axis = static_cast<int>(declared.strides.size()) - 1; axis >= 0; --axis) {
    int64_t stride = Resolve(*frame, declared.strides[axis], [&] { return Text("the strides of `", declared.name, "`"); });
    if (extents[axis] > 1 && stride != compact) {
      Raise(kArgument, -1, Text("output `", declared.name, "` has stride ", stride, " along axis ", axis, "; allocated outputs are row-major (", compact, ")"),
            "remove it from out_idx and pass the tensor");
    }
    compact *= extents[axis];
  }
  void* address = framework->Allocate(prototype, static_cast<int>(output), declared.name);
  frame->addresses[parameter] = address;
  if (frame->watched) backend_->WatchMemory(address, ffi::GetDataSize(prototype), declared.name, true);
}

void Launcher::WatchArguments(const Frame& frame) const {
  backend_->ForgetMemory();
  for (size_t p = 0; p < plan_.parameters.size(); ++p) {
    if (frame.tensors[p] != nullptr) backend_->WatchMemory(frame.addresses[p], Bytes(*frame.tensors[p]), plan_.parameters[p].name, false);
  }
}

void Launcher::LaunchOne(const Frame& frame, const Backend::Session& session, size_t index, void* stream) const {
  const Kernel& kernel = plan_.kernels[index];
  uint32_t grid[3];
  bool empty = false;
  for (int i = 0; i < 3; ++i) {
    const Expression& extent = kernel.grid[i];
    int64_t blocks = extent.is_constant() ? extent.constant() : Resolve(frame, extent, [] { return std::string("the grid"); });
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
void Launcher::FillMap(const Frame& frame, const Kernel& kernel, size_t index, size_t which, EncodedMap* out) const {
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

}  // namespace tilelang::runtime

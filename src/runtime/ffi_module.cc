// The launcher as tvm-ffi functions: takes whatever tvm-ffi takes, on the stream and from the allocator that it was told.
#include <alloca.h>
#include <tvm/ffi/container/array.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/ffi/function.h>

#include <cstdlib>
#include <memory>

#include "error.h"
#include "launcher.h"
#include "messages.h"

namespace tilelang::runtime {

namespace ffi = tvm::ffi;

namespace {

// Memory for tensors when the arguments come from no framework (NumPy arrays in the simulator).
struct HostAllocator {
  void AllocData(DLTensor* tensor) {
    size_t bytes = (ffi::GetDataSize(*tensor) + 63) / 64 * 64;
    tensor->data = std::aligned_alloc(64, bytes ? bytes : 64);
    if (tensor->data == nullptr) Raise(kResource, -1, Text("no host memory for an output of ", bytes, " bytes"));
  }
  void FreeData(DLTensor* tensor) { std::free(tensor->data); }
};

// What tvm-ffi's environment of this thread says. tvm-ffi has released the interpreter lock before it calls.
class FfiFramework : public Framework {
 public:
  void* Stream(DLDevice device) override { return TVMFFIEnvGetStream(device.device_type, device.device_id); }

  bool Allocates(DLDevice device) override { return device.device_type == kDLCPU || TVMFFIEnvGetDLPackManagedTensorAllocator() != nullptr; }

  void* Allocate(const DLTensor& prototype, int output, const std::string& name) override {
    tensors_.push_back(NewTensor(prototype, name));
    if (output == kWorkspace) return tensors_.back().data_ptr();
    outputs_.push_back(tensors_.back());
    return tensors_.back().data_ptr();
  }

  void Return(ffi::Any* result) {
    if (outputs_.size() == 1) {
      *result = outputs_[0];
    } else if (!outputs_.empty()) {
      *result = std::move(outputs_);
    }
  }

 private:
  static ffi::Tensor NewTensor(const DLTensor& prototype, const std::string& name) {
    if (TVMFFIEnvGetDLPackManagedTensorAllocator() == nullptr) {
      if (prototype.device.device_type != kDLCPU) {
        Raise(kArgument, -1, Text("`", name, "` cannot be allocated on ", DeviceName(prototype.device), ": no argument comes from a framework that allocates there"),
              "pass torch tensors");
      }
      return ffi::Tensor::FromNDAlloc(HostAllocator(), ffi::ShapeView(prototype.shape, prototype.ndim), prototype.dtype, prototype.device);
    }
    DLTensor wanted = prototype;
    TVMFFIObjectHandle handle = nullptr;
    if (TVMFFIEnvTensorAlloc(&wanted, &handle) != 0) {
      ffi::Error error = ffi::details::MoveFromSafeCallRaised();
      Raise(kResource, -1, Text("allocating `", name, "` failed: ", error.message()));
    }
    return ffi::details::ObjectUnsafe::ObjectRefFromObjectPtr<ffi::Tensor>(
        ffi::details::ObjectUnsafe::ObjectPtrFromOwned<ffi::Object>(static_cast<TVMFFIObject*>(handle)));
  }

  // Freed when the launches are queued: the framework's allocator reuses memory in stream order.
  std::vector<ffi::Tensor> tensors_;
  ffi::Array<ffi::Any> outputs_;
};

// With `anchored`, the last argument of every call is a tensor that only says where to run: it carries the device, the
// stream and the allocator for kernels that take no tensor.
void Call(const Launcher& launcher, bool anchored, const ffi::AnyView* args, int32_t count, ffi::Any* result) {
  Frame frame = launcher.EmptyFrame(alloca(launcher.frame_bytes()));
  if (anchored) frame.device = args[--count].cast<DLTensor*>()->device;
  BindArguments(&frame, args, count, launcher.device_type());
  FfiFramework framework;
  launcher.Run(&frame, &framework);
  framework.Return(result);
}

// A call whose arguments were checked once. It holds them, and launches on the stream of the tensor that each call passes.
class BoundCall {
 public:
  BoundCall(std::shared_ptr<const Launcher> launcher, const ffi::AnyView* args, int32_t count)
      : launcher_(std::move(launcher)), held_(args, args + count), storage_(launcher_->frame_bytes()) {
    frame_ = launcher_->EmptyFrame(storage_.data());
    std::vector<ffi::AnyView> views(held_.begin(), held_.end());
    BindArguments(&frame_, views.data(), count, launcher_->device_type());
  }

  void Call(const ffi::AnyView* args, int32_t count, ffi::Any* result) const {
    Frame frame = launcher_->EmptyFrame(alloca(launcher_->frame_bytes()));
    launcher_->CopyFrame(frame_, &frame);
    if (!frame.has_tensor && count > 0) frame.device = args[0].cast<DLTensor*>()->device;
    FfiFramework framework;
    launcher_->Run(&frame, &framework);
    framework.Return(result);
  }

 private:
  std::shared_ptr<const Launcher> launcher_;
  std::vector<ffi::Any> held_;
  std::vector<char> storage_;
  Frame frame_{};
};

}  // namespace

// Two functions of a program that Python loaded (python/call.cc): call(arguments...), and bind(arguments...) -> function(any
// tensor of the device).
ffi::Array<ffi::Function> LauncherFunctions(int64_t handle, bool anchored) {
  auto launcher = *reinterpret_cast<const std::shared_ptr<const Launcher>*>(handle);
  auto call = ffi::Function::FromPacked([launcher, anchored](const ffi::AnyView* args, int32_t count, ffi::Any* result) { Call(*launcher, anchored, args, count, result); });
  auto bind = ffi::Function::FromPacked([launcher](const ffi::AnyView* args, int32_t count, ffi::Any* result) {
    auto bound = std::make_shared<BoundCall>(launcher, args, count);
    *result = ffi::Function::FromPacked([bound](const ffi::AnyView* given, int32_t n, ffi::Any* out) { bound->Call(given, n, out); });
  });
  return {call, bind};
}

TVM_FFI_DLL_EXPORT_TYPED_FUNC(launcher_functions, LauncherFunctions);

}  // namespace tilelang::runtime

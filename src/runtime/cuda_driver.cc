#include "cuda_driver.h"

#include <dlfcn.h>

#include "error.h"

namespace tilelang::runtime::cuda {

namespace {

template <typename F>
void Resolve(void* library, const char* name, F* target) {
  *target = reinterpret_cast<F>(dlsym(library, name));
  if (*target == nullptr) Raise(kUnavailable, -1, Text("the CUDA driver has no ", name), "install a driver of CUDA 12 or later");
}

Driver Open() {
  const char* fix = "install an NVIDIA driver, or run on the CPU: TILELANG_SIMULATE=1 or execution_backend=\"simulator\"";
  void* library = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) Raise(kUnavailable, -1, "no CUDA driver: libcuda.so.1 could not be loaded", fix);
  Driver driver;
  Resolve(library, "cuInit", &driver.Init);
  Resolve(library, "cuGetErrorString", &driver.GetErrorString);
  Resolve(library, "cuDeviceGet", &driver.DeviceGet);
  Resolve(library, "cuDeviceGetAttribute", &driver.DeviceGetAttribute);
  Resolve(library, "cuDevicePrimaryCtxRetain", &driver.PrimaryRetain);
  Resolve(library, "cuCtxGetCurrent", &driver.CtxGetCurrent);
  Resolve(library, "cuCtxPushCurrent_v2", &driver.CtxPush);
  Resolve(library, "cuCtxPopCurrent_v2", &driver.CtxPop);
  Resolve(library, "cuModuleLoadData", &driver.ModuleLoadData);
  Resolve(library, "cuModuleGetFunction", &driver.ModuleGetFunction);
  Resolve(library, "cuFuncSetAttribute", &driver.FuncSetAttribute);
  Resolve(library, "cuLaunchKernelEx", &driver.LaunchKernelEx);
  Resolve(library, "cuMemsetD8Async", &driver.MemsetAsync);
  Resolve(library, "cuMemAllocAsync", &driver.MemAllocAsync);
  Resolve(library, "cuMemFreeAsync", &driver.MemFreeAsync);
  Resolve(library, "cuTensorMapEncodeTiled", &driver.TensorMapEncodeTiled);
  if (driver.Init(0) != kSuccess) Raise(kUnavailable, -1, "the CUDA driver answers, but finds no usable GPU", fix);
  return driver;
}

}  // namespace

const Driver& Driver::Get() {
  static const Driver driver = Open();  // an exception leaves it unset, so that the next call tries again
  return driver;
}

void Driver::Check(Result result, const char* what) const {
  if (result == kSuccess) return;
  const char* text = nullptr;
  GetErrorString(result, &text);
  Raise(kDriver, -1, Text(what, " failed: ", text ? text : "unknown error", " (CUDA error ", result, ")"));
}

}  // namespace tilelang::runtime::cuda

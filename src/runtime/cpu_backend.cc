// Runs kernels that were compiled for the CPU itself (targets c and llvm): the shared object brings its own loop over the blocks.
#include <dlfcn.h>

#include "backend.h"
#include "error.h"

namespace tilelang::runtime {

namespace {

// src/cpu/tl/backend.h: 0, or 1 with the reason in `report`.
using Entry = int (*)(void** args, const uint32_t grid[3], char* report, uint64_t capacity);

class CpuBackend : public Backend {
 public:
  CpuBackend(const std::vector<Kernel>& kernels, const std::string& path) {
    // Never closed: OpenMP's threads may be parked in its code.
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) Raise(kUnavailable, -1, Text("the compiled kernel ", path, " could not be loaded: ", dlerror()), "it needs the OpenMP library of the compiler that built it (Debian, Ubuntu: libgomp1 or libomp5)");
    for (const Kernel& kernel : kernels) {
      void* symbol = dlsym(library, (kernel.name + "__cpu").c_str());
      if (symbol == nullptr) Raise(kDefect, -1, Text("`", kernel.name, "` is not in the compiled kernel ", path));
      entries_.push_back(reinterpret_cast<Entry>(symbol));
    }
  }

  DLDeviceType device_type() const override { return kDLCPU; }
  Session Begin(int) override { return {}; }
  void End(Session) noexcept override {}

  // The CPU's pipeline makes no tensor maps: its plans ask for none.
  void EncodeMap(const TensorMap&, const MapRequest&, const std::string& kernel, EncodedMap*) override {
    Raise(kDefect, -1, Text("`", kernel, "` asks for a tensor map on a CPU"));
  }

  // The interpreter lock is not held here: tvm-ffi releases it around every call.
  void Launch(const Session&, size_t kernel, const uint32_t grid[3], void** args, void*) override {
    char report[1024];
    if (entries_[kernel](args, grid, report, sizeof report) != 0) Raise(kExecution, -1, report);
  }

 private:
  std::vector<Entry> entries_;
};

}  // namespace

std::unique_ptr<Backend> MakeCpuBackend(const std::vector<Kernel>& kernels, const std::string& library) {
  return std::make_unique<CpuBackend>(kernels, library);
}

}  // namespace tilelang::runtime

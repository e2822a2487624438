// Runs kernels on the CPU through src/simulator, which compiled the same text.
#include <dlfcn.h>

#include "backend.h"
#include "error.h"

namespace tilelang::runtime {

namespace {

using Entry = void (*)(void** args);
using WatchingFn = int (*)();
using ForgetFn = void (*)();
using RegisterFn = int (*)(const void* base, uint64_t bytes, const char* name, int fresh);
// `struct tl_sim_tensor` of the simulator.
struct SimulatedTensor {
  int32_t type, rank, interleave, swizzle, fill_nan;
  void* address;
  const uint64_t* extent;
  const uint64_t* byte_stride;
  const uint32_t* element_stride;
};
using EncodeFn = int (*)(void* map, const SimulatedTensor* tensor, const uint32_t* box, char* report, uint64_t capacity);
// struct tl_sim_launch_options
struct LaunchOptions {
  uint32_t size = sizeof(LaunchOptions);
  uint32_t grid[3], block[3], cluster[3];
  uint32_t shared_bytes;
  int32_t cooperative = 0, time = -1, numerics = -1;
  int64_t seed = -1;
};
using LaunchFn = int (*)(Entry entry, void** args, const LaunchOptions* options, char* report, uint64_t capacity);

void* Open(const std::string& path, int flags) {
  void* handle = dlopen(path.c_str(), flags);
  if (handle == nullptr) Raise(kUnavailable, -1, Text("the simulator could not load ", path, ": ", dlerror()), "run `python -m tilelang.runtime.build`");
  return handle;
}

void* Find(void* library, const std::string& name) {
  void* symbol = dlsym(library, name.c_str());
  if (symbol == nullptr) Raise(kDefect, -1, Text("the simulator found no `", name, "` in the compiled kernel"));
  return symbol;
}

class SimulatorBackend : public Backend {
 public:
  SimulatorBackend(std::vector<Kernel> kernels, const std::string& library, const std::string& runtime) : kernels_(std::move(kernels)) {
    // Global: the kernel's undefined symbols are the runtime's. Never closed: another kernel may share it.
    void* runtime_library = Open(runtime, RTLD_NOW | RTLD_GLOBAL);
    launch_ = reinterpret_cast<LaunchFn>(Find(runtime_library, "tl_sim_launch_with"));
    encode_ = reinterpret_cast<EncodeFn>(dlsym(runtime_library, "tl_sim_encode_tiled"));
    // A runtime without a checker has none of the three.
    watching_ = reinterpret_cast<WatchingFn>(dlsym(runtime_library, "tl_sim_watching"));
    forget_memory_ = reinterpret_cast<ForgetFn>(dlsym(runtime_library, "tl_sim_forget_memory"));
    register_memory_ = reinterpret_cast<RegisterFn>(dlsym(runtime_library, "tl_sim_register_memory"));
    library_ = Open(library, RTLD_NOW | RTLD_LOCAL);
    for (const Kernel& kernel : kernels_) entries_.push_back(reinterpret_cast<Entry>(Find(library_, kernel.name + "__sim")));
  }

  ~SimulatorBackend() override { dlclose(library_); }

  DLDeviceType device_type() const override { return kDLCPU; }
  Session Begin(int) override { return {}; }
  void End(Session) noexcept override {}

  bool watches_memory() const override { return watching_ != nullptr && watching_() != 0; }
  void ForgetMemory() override { forget_memory_(); }
  void WatchMemory(const void* address, size_t bytes, const std::string& name, bool fresh) override {
    if (register_memory_(address, bytes, name.c_str(), fresh) != 0) {
      Raise(kResource, -1, Text("the checker has no memory to watch `", name, "` of ", bytes, " bytes"), "check with smaller tensors");
    }
  }

  void EncodeMap(const TensorMap& map, const MapRequest& request, const std::string& kernel, EncodedMap* out) override {
    const uint32_t steps[kMaxMapRank] = {1, 1, 1, 1, 1};
    SimulatedTensor tensor{map.type, static_cast<int32_t>(map.box.size()), 0, map.swizzle, 0, request.address, request.extent.data(), request.byte_stride.data(), steps};
    char report[512] = {};
    if (encode_ == nullptr) Raise(kUnavailable, -1, "the simulator's runtime encodes no tensor maps", "run `python -m tilelang.runtime.build`");
    if (encode_(out->opaque, &tensor, map.box.data(), report, sizeof report) != 0) {
      Raise(kSimulation, -1, Text("a tensor map of `", kernel, "` is refused: ", report));
    }
  }

  // The interpreter lock is not held here: tvm-ffi releases it around every call.
  void Launch(const Session&, size_t kernel, const uint32_t grid[3], void** args, void*) override {
    std::string report(1 << 16, '\0');
    const Kernel& what = kernels_[kernel];
    LaunchOptions options;
    for (int i = 0; i < 3; ++i) options.grid[i] = grid[i], options.block[i] = what.block[i], options.cluster[i] = what.cluster[i];
    options.shared_bytes = what.shared_bytes;
    options.cooperative = what.cooperative ? 1 : 0;
    if (launch_(entries_[kernel], args, &options, report.data(), report.size()) != 0) {
      report.resize(std::char_traits<char>::length(report.c_str()));
      Raise(kSimulation, -1, report);
    }
  }

 private:
  std::vector<Kernel> kernels_;
  std::vector<Entry> entries_;
  EncodeFn encode_;
  LaunchFn launch_;
  WatchingFn watching_;
  ForgetFn forget_memory_;
  RegisterFn register_memory_;
  void* library_;
};

}  // namespace

std::unique_ptr<Backend> MakeSimulatorBackend(std::vector<Kernel> kernels, const std::string& library, const std::string& runtime) {
  return std::make_unique<SimulatorBackend>(std::move(kernels), library, runtime);
}

}  // namespace tilelang::runtime

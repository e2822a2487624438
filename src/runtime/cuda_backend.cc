// Launches a cubin's kernels through the CUDA driver.
#include <atomic>
#include <mutex>

#include "backend.h"
#include "cuda_driver.h"
#include "error.h"

namespace tilelang::runtime {

namespace {

using cuda::Driver;

constexpr uint32_t kDefaultSharedLimit = 48 << 10;
constexpr int kMaxDevices = 64;

// The kernels loaded on one device.
struct DeviceImage {
  cuda::Context context = nullptr;
  std::vector<cuda::Function> functions;
};

class CudaBackend : public Backend {
 public:
  CudaBackend(std::vector<Kernel> kernels, std::string cubin) : kernels_(std::move(kernels)), cubin_(std::move(cubin)) {}

  // The modules stay loaded: launches may still be in flight, and at exit the driver is already gone.
  ~CudaBackend() override {
    for (auto& image : images_) delete image.load();
  }

  DLDeviceType device_type() const override { return kDLCUDA; }

  Session Begin(int device) override {
    if (device < 0 || device >= kMaxDevices) Raise(kDriver, -1, Text("device cuda:", device, " is beyond the ", kMaxDevices, " that the launcher keeps"));
    DeviceImage* image = images_[device].load(std::memory_order_acquire);
    if (image == nullptr) image = Load(device);
    const Driver& driver = Driver::Get();
    cuda::Context current = nullptr;
    driver.Check(driver.CtxGetCurrent(&current), "cuCtxGetCurrent");
    if (current == image->context) return {image, false};  // as nearly always: frameworks make it current
    driver.Check(driver.CtxPush(image->context), "cuCtxPushCurrent");
    return {image, true};
  }

  void End(Session session) noexcept override {
    if (!session.entered) return;
    cuda::Context popped;
    Driver::Get().CtxPop(&popped);
  }

  void EncodeMap(const TensorMap& map, const MapRequest& request, const std::string& kernel, EncodedMap* out) override {
    const uint32_t steps[kMaxMapRank] = {1, 1, 1, 1, 1};
    const Driver& driver = Driver::Get();
    // Rows that do not start on sectors of L2 (32 bytes) touch more of them; fetching what lies around costs a product of
    // 4096 x 4096 x 5000 halves 20 % on an H100.
    bool whole_sectors = true;
    for (size_t d = 0; d + 1 < map.box.size(); ++d) whole_sectors &= request.byte_stride[d] % 32 == 0;
    const int promotion = whole_sectors ? cuda::kPromoteTo256Bytes : cuda::kNoPromotion;
    cuda::Result result = driver.TensorMapEncodeTiled(out->opaque, map.type, static_cast<uint32_t>(map.box.size()), request.address, request.extent.data(),
                                                      request.byte_stride.data(), map.box.data(), steps, 0, map.swizzle, promotion, 0);
    if (result != cuda::kSuccess) driver.Check(result, Text("encoding a tensor map of `", kernel, "`").c_str());
  }

  void Clear(void* address, size_t bytes, void* stream) override {
    const Driver& driver = Driver::Get();
    cuda::Result result = driver.MemsetAsync(address, 0, bytes, static_cast<cuda::Stream>(stream));
    if (result != cuda::kSuccess) driver.Check(result, "clearing a workspace");
  }

  // CUDA Driver API, "Stream Ordered Memory Allocator".
  void* Borrow(size_t bytes, const std::string& name, void* stream) override {
    const Driver& driver = Driver::Get();
    void* address = nullptr;
    cuda::Result result = driver.MemAllocAsync(&address, bytes ? bytes : 1, static_cast<cuda::Stream>(stream));
    if (result == cuda::kSuccess) return address;
    if (result == cuda::kOutOfMemory) Raise(kResource, -1, Text("no memory on the GPU for `", name, "` of ", bytes, " bytes"));
    driver.Check(result, Text("allocating `", name, "`").c_str());
    return nullptr;
  }

  void GiveBack(void* address, void* stream) noexcept override { Driver::Get().MemFreeAsync(address, static_cast<cuda::Stream>(stream)); }

  void Launch(const Session& session, size_t kernel, const uint32_t grid[3], void** args, void* stream) override {
    const Kernel& what = kernels_[kernel];
    cuda::LaunchConfig config{};
    for (int i = 0; i < 3; ++i) {
      config.grid[i] = grid[i];
      config.block[i] = what.block[i];
    }
    config.shared_bytes = what.shared_bytes;
    config.stream = static_cast<cuda::Stream>(stream);
    cuda::LaunchAttribute attributes[3] = {};
    config.attributes = attributes;
    if (what.cluster[0] * what.cluster[1] * what.cluster[2] > 1) {
      cuda::LaunchAttribute& attribute = attributes[config.attribute_count++];
      attribute.id = cuda::kClusterDimension;
      attribute.value.cluster = {what.cluster[0], what.cluster[1], what.cluster[2]};
    }
    if (what.cooperative) {
      cuda::LaunchAttribute& attribute = attributes[config.attribute_count++];
      attribute.id = cuda::kCooperative;
      attribute.value.flag = 1;
    }
    if (what.overlaps) {
      cuda::LaunchAttribute& attribute = attributes[config.attribute_count++];
      attribute.id = cuda::kProgrammaticSerialization;
      attribute.value.flag = 1;
    }
    const Driver& driver = Driver::Get();
    cuda::Result result = driver.LaunchKernelEx(&config, static_cast<DeviceImage*>(session.device)->functions[kernel], args, nullptr);
    if (result == cuda::kTooManyCooperativeBlocks) {
      Raise(kResource, -1, Text("the ", uint64_t{grid[0]} * grid[1] * grid[2], " blocks of `", what.name, "`, which meet in T.sync_grid, do not fit on the GPU together"),
            "launch fewer blocks, at most those that run at once, and let each process several tiles");
    }
    if (result != cuda::kSuccess) driver.Check(result, Text("launching `", what.name, "`").c_str());
  }

 private:
  DeviceImage* Load(int device) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (DeviceImage* image = images_[device].load(std::memory_order_acquire)) return image;
    const Driver& driver = Driver::Get();
    auto image = std::make_unique<DeviceImage>();
    int handle = 0;
    driver.Check(driver.DeviceGet(&handle, device), "cuDeviceGet");
    driver.Check(driver.PrimaryRetain(&image->context, handle), "cuDevicePrimaryCtxRetain");
    int shared_limit = 0;
    driver.Check(driver.DeviceGetAttribute(&shared_limit, cuda::kMaxSharedBytesOptIn, handle), "cuDeviceGetAttribute");
    driver.Check(driver.CtxPush(image->context), "cuCtxPushCurrent");
    struct Pop {
      const Driver& driver;
      ~Pop() {
        cuda::Context popped;
        driver.CtxPop(&popped);
      }
    } pop{driver};
    cuda::Module module = nullptr;
    cuda::Result result = driver.ModuleLoadData(&module, cubin_.data());
    if (result == cuda::kNoBinaryForGpu) {
      int major = 0, minor = 0;
      driver.DeviceGetAttribute(&major, cuda::kComputeMajor, handle);
      driver.DeviceGetAttribute(&minor, cuda::kComputeMinor, handle);
      Raise(kUnavailable, -1, Text("cuda:", device, " is an sm_", major, minor, " GPU, which the kernel was not compiled for"),
            Text("compile with target={\"kind\": \"cuda\", \"arch\": \"sm_", major, minor, "\"}, or target=\"auto\""));
    }
    driver.Check(result, "loading the compiled kernel");
    for (const Kernel& kernel : kernels_) {
      cuda::Function function = nullptr;
      driver.Check(driver.ModuleGetFunction(&function, module, kernel.name.c_str()), Text("finding `", kernel.name, "` in the cubin").c_str());
      if (kernel.shared_bytes > static_cast<uint32_t>(shared_limit)) {
        Raise(kResource, -1, Text("`", kernel.name, "` needs ", kernel.shared_bytes, " bytes of shared memory a block; cuda:", device, " has ", shared_limit));
      }
      if (kernel.shared_bytes > kDefaultSharedLimit) {
        driver.Check(driver.FuncSetAttribute(function, cuda::kMaxDynamicSharedBytes, static_cast<int>(kernel.shared_bytes)), "cuFuncSetAttribute(shared memory)");
      }
      if (kernel.cluster[0] * kernel.cluster[1] * kernel.cluster[2] > 8) {
        driver.Check(driver.FuncSetAttribute(function, cuda::kNonPortableClusterAllowed, 1), "cuFuncSetAttribute(cluster)");
      }
      image->functions.push_back(function);
    }
    DeviceImage* published = image.release();
    images_[device].store(published, std::memory_order_release);
    return published;
  }

  std::vector<Kernel> kernels_;
  std::string cubin_;
  std::mutex mutex_;
  std::atomic<DeviceImage*> images_[kMaxDevices]{};
};

}  // namespace

std::unique_ptr<Backend> MakeCudaBackend(std::vector<Kernel> kernels, std::string cubin) {
  return std::make_unique<CudaBackend>(std::move(kernels), std::move(cubin));
}

}  // namespace tilelang::runtime

// What runs a kernel: a GPU, the simulator, or the CPU itself.
#pragma once

#include <dlpack/dlpack.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "error.h"
#include "plan.h"

namespace tilelang::runtime {

class Backend {
 public:
  virtual ~Backend() = default;
  virtual DLDeviceType device_type() const = 0;
  // A device made ready for launches on this thread.
  struct Session {
    void* device = nullptr;  // the back end's own
    bool entered = false;    // End has something to undo
  };
  virtual Session Begin(int device) = 0;
  virtual void End(Session session) noexcept = 0;
  // Whether somebody watches the launches of this thread and wants to know what memory they may touch. If so: ForgetMemory at
  // the start of a call, then every tensor with its exact extent; `fresh`: nothing has been written there yet.
  virtual bool watches_memory() const { return false; }
  virtual void ForgetMemory() {}
  virtual void WatchMemory(const void* /*address*/, size_t /*bytes*/, const std::string& /*name*/, bool /*fresh*/) {}
  // Encodes a tensor map for `device_type`; raises where the driver refuses it. Only kernels for TMA have maps.
  virtual void EncodeMap(const TensorMap& map, const MapRequest& request, const std::string& kernel, EncodedMap* out) {
    (void)map, (void)request, (void)out;
    Raise(kDefect, -1, Text("`", kernel, "` has a tensor map, which its target knows nothing of"));
  }
  // Sets memory of the device to zero before the launches that follow on the stream.
  virtual void Clear(void* address, size_t bytes, void* /*stream*/) { std::memset(address, 0, bytes); }
  // A workspace where no framework allocates: what the stream does between the two calls may use it.
  virtual void* Borrow(size_t /*bytes*/, const std::string& name, void* /*stream*/) {
    Raise(kDefect, -1, Text("`", name, "` is a workspace of a back end that has no memory of its own"));
  }
  virtual void GiveBack(void* /*address*/, void* /*stream*/) noexcept {}
  virtual void Launch(const Session& session, size_t kernel, const uint32_t grid[3], void** args, void* stream) = 0;
};

// `cubin` holds every kernel of the plan; it is loaded on a device at the first launch there.
std::unique_ptr<Backend> MakeCudaBackend(std::vector<Kernel> kernels, std::string cubin);

// `library` is a shared object with an entry `<kernel>__sim` for each kernel, `runtime` the simulator's runtime library.
std::unique_ptr<Backend> MakeSimulatorBackend(std::vector<Kernel> kernels, const std::string& library, const std::string& runtime);

// `library` is a shared object with an entry `<kernel>__cpu` for each kernel.
std::unique_ptr<Backend> MakeCpuBackend(const std::vector<Kernel>& kernels, const std::string& library);

}  // namespace tilelang::runtime

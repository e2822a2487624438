// What a call needs of the framework whose tensors it was given: its stream, its memory, and to be left alone meanwhile.
#pragma once

#include <dlpack/dlpack.h>

#include <string>

namespace tilelang::runtime {

class Framework {
 public:
  static constexpr int kWorkspace = -1;

  virtual ~Framework() = default;
  // The stream on which the framework computes now.
  virtual void* Stream(DLDevice device) = 0;
  // Whether it can make tensors there; workspaces then come from the back end.
  virtual bool Allocates(DLDevice /*device*/) { return true; }
  // A new row-major tensor, where `prototype` says device, element type and extents: output number `output` of the plan, or a
  // workspace. It stays until the framework object goes; outputs are collected from it after the launch.
  virtual void* Allocate(const DLTensor& prototype, int output, const std::string& name) = 0;
  // Around launches: other Python threads may run.
  virtual void BeforeLaunch() {}
  virtual void AfterLaunch() {}
};

}  // namespace tilelang::runtime

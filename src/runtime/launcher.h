// A compiled program that can be called: what every way of calling it has in common.
#pragma once

#include <memory>
#include <vector>

#include "backend.h"
#include "frame.h"
#include "framework.h"

namespace tilelang::runtime {

class Launcher {
 public:
  Launcher(Plan plan, std::unique_ptr<Backend> backend);

  const Plan& plan() const { return plan_; }
  DLDeviceType device_type() const { return backend_->device_type(); }

  // The size of a frame's storage, and an empty frame in it.
  size_t frame_bytes() const { return frame_bytes_; }
  Frame EmptyFrame(void* storage) const;
  // Makes `copy`, a frame in storage of its own, another call with the arguments of `bound`.
  void CopyFrame(const Frame& bound, Frame* copy) const;

  // Allocates outputs and launches every kernel on the framework's stream; the frame's arguments are bound.
  void Run(Frame* frame, Framework* framework) const;

 private:
  size_t CallHostAfter(size_t launches, size_t next, Frame* frame, void* stream) const;
  void AllocateOutput(size_t output, Frame* frame, Framework* framework) const;
  void WatchArguments(const Frame& frame) const;
  void LaunchOne(const Frame& frame, const Backend::Session& session, size_t index, void* stream) const;
  void FillMap(const Frame& frame, const Kernel& kernel, size_t index, size_t which, EncodedMap* out) const;

  Plan plan_;
  std::unique_ptr<Backend> backend_;
  size_t tensors_, frame_bytes_;
  std::vector<std::unique_ptr<MapCache[]>> maps_;  // per kernel, per map
};

}  // namespace tilelang::runtime

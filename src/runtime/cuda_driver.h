// The part of the CUDA driver API that launching needs, declared here so that neither building nor importing wants CUDA.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tilelang::runtime::cuda {

using Result = int;
using Context = struct ContextHandle*;
using Module = struct ModuleHandle*;
using Function = struct FunctionHandle*;
using Stream = struct StreamHandle*;

inline constexpr Result kSuccess = 0;
inline constexpr Result kOutOfMemory = 2;
inline constexpr Result kNoBinaryForGpu = 209;
inline constexpr Result kTooManyCooperativeBlocks = 720;  // CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE
inline constexpr int kNoPromotion = 0, kPromoteTo256Bytes = 3;  // CUtensorMapL2promotion

enum FunctionAttribute { kMaxDynamicSharedBytes = 8, kNonPortableClusterAllowed = 14 };
enum DeviceAttribute { kMaxSharedBytesOptIn = 97, kComputeMajor = 75, kComputeMinor = 76 };

struct LaunchAttribute {
  unsigned id;
  char padding[4];
  union {
    char size[64];
    struct {
      unsigned x, y, z;
    } cluster;
    int flag;
  } value;
};
// CUlaunchAttributeID. kProgrammaticSerialization: the launch may start before those that it depends on have ended.
enum LaunchAttributeKind : unsigned { kCooperative = 2, kClusterDimension = 4, kProgrammaticSerialization = 6 };

struct LaunchConfig {
  unsigned grid[3], block[3], shared_bytes;
  Stream stream;
  LaunchAttribute* attributes;
  unsigned attribute_count;
};

// Entry points of libcuda, resolved once.
struct Driver {
  Result (*Init)(unsigned flags);
  Result (*GetErrorString)(Result, const char**);
  Result (*DeviceGet)(int* device, int ordinal);
  Result (*DeviceGetAttribute)(int* value, int attribute, int device);
  Result (*PrimaryRetain)(Context*, int device);
  Result (*CtxGetCurrent)(Context*);
  Result (*CtxPush)(Context);
  Result (*CtxPop)(Context*);
  Result (*ModuleLoadData)(Module*, const void* image);
  Result (*ModuleGetFunction)(Function*, Module, const char* name);
  Result (*FuncSetAttribute)(Function, int attribute, int value);
  Result (*LaunchKernelEx)(const LaunchConfig*, Function, void** params, void** extra);
  Result (*MemsetAsync)(void* address, unsigned char value, size_t bytes, Stream);
  Result (*MemAllocAsync)(void** address, size_t bytes, Stream);
  Result (*MemFreeAsync)(void* address, Stream);
  Result (*TensorMapEncodeTiled)(void* map, int type, uint32_t rank, void* address, const uint64_t* extents, const uint64_t* byte_strides,
                                 const uint32_t* box, const uint32_t* element_strides, int interleave, int swizzle, int promotion, int fill);

  // The driver, or an UnavailableError.
  static const Driver& Get();
  // Raises when `result` is an error; `what` says which step failed.
  void Check(Result result, const char* what) const;
};

}  // namespace tilelang::runtime::cuda

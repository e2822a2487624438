// Tensor maps of a launch: what TMA instructions read about a tensor, encoded on the host.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "expression.h"

namespace tilelang::runtime {

constexpr int kMaxMapRank = 5;

// A tensor map as the plan describes it; dimension 0 is the innermost.
struct TensorMap {
  int tensor = -1;  // index into parameters, then workspaces
  int32_t type = 0;  // CUtensorMapDataType
  int32_t swizzle = 0;  // CUtensorMapSwizzle
  int64_t element_bytes = 1;
  std::vector<Expression> extents;
  std::vector<Expression> strides;  // elements, of dimensions 1 and up
  std::vector<uint32_t> box;
};

// What the driver encodes: a plan's map with its numbers.
struct MapRequest {
  void* address = nullptr;
  std::array<uint64_t, kMaxMapRank> extent{};
  std::array<uint64_t, kMaxMapRank - 1> byte_stride{};

  bool operator==(const MapRequest& other) const {
    return address == other.address && extent == other.extent && byte_stride == other.byte_stride;
  }
};

struct alignas(64) EncodedMap {
  uint64_t opaque[16];
};

// Encodings of one map that were used last: encoding costs more than a launch spends on all other arguments.
class MapCache {
 public:
  bool Find(const MapRequest& request, EncodedMap* out) const {
    std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = 0; i < used_; ++i) {
      if (requests_[i] == request) {
        *out = encoded_[i];
        return true;
      }
    }
    return false;
  }
  void Keep(const MapRequest& request, const EncodedMap& map) {
    std::lock_guard<std::mutex> lock(mutex_);
    size_t slot = used_ < kEntries ? used_++ : next_++ % kEntries;
    requests_[slot] = request;
    encoded_[slot] = map;
  }

 private:
  static constexpr size_t kEntries = 8;
  mutable std::mutex mutex_;
  size_t used_ = 0, next_ = 0;
  std::array<MapRequest, kEntries> requests_;
  std::array<EncodedMap, kEntries> encoded_;
};

}  // namespace tilelang::runtime

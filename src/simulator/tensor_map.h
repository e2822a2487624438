// The simulator's tensor map: 128 bytes, aligned to 64, as the driver's opaque CUtensorMap.
#pragma once
#include <cstdint>

#include "tl_sim_abi.h"

namespace tl::sim {

struct alignas(64) TensorMap {
  static constexpr uint32_t valid_mark = 0x544d4150;
  uint32_t mark;
  uint8_t rank, type, swizzle, flags;  // flags: 1 im2col, 2 out of bounds reads are NaN
  char* address;
  uint64_t byte_stride[4];  // of dimensions 1..rank-1
  uint32_t extent[5];
  uint16_t box[5];          // im2col: [0] channels, [1] pixels
  uint8_t element_stride[5];
  uint8_t reserved;
  int16_t lower[3], upper[3];  // im2col: corners of the bounding box, of the dimensions between channels and batch
  bool im2col() const { return flags & 1; }
  bool fills_nan() const { return flags & 2; }
};
static_assert(sizeof(TensorMap) == 128);

int element_bytes(int type);
// Bytes that a box takes in shared memory.
uint32_t box_bytes(const TensorMap& map);

// The swizzle patterns exchange address bits of 16-byte chunks within the shared window (PTX ISA 5.5.6 "Swizzling
// modes"): chunk bits 4-6 by bits 7-9 (128 bytes), 4-5 by 7-8 (64 bytes), 4 by 7 (32 bytes).
inline uint32_t swizzled(uint32_t address, int span_mode) {
  switch (span_mode) {
    case 1: return address ^ (address >> 3 & 0x10);
    case 2: return address ^ (address >> 3 & 0x30);
    case 3: return address ^ (address >> 3 & 0x70);
    default: return address;
  }
}

// Calls visit(box_offset, address or null, valid_from, valid_to, bytes) for each row piece of at most 16 bytes of a box:
// `valid` is the range of its bytes that lies inside the tensor; element strides and im2col are resolved here.
template <class Visit>
void walk_box(const TensorMap& map, const int32_t* coordinates, const int32_t* offsets, Visit visit) {
  const uint32_t size = static_cast<uint32_t>(element_bytes(map.type)), row_bytes = map.box[0] * size;
  const int64_t start = static_cast<int64_t>(coordinates[0]) * size, extent = static_cast<int64_t>(map.extent[0]) * size;  // bytes
  auto visit_row = [&](uint32_t row, const int64_t* at) {  // at[1..rank-1]: coordinates of the row
    bool inside = true;
    char* address = map.address;
    for (int d = 1; d < map.rank; ++d) {
      inside &= at[d] >= 0 && at[d] < static_cast<int64_t>(map.extent[d]);
      address += at[d] * static_cast<int64_t>(map.byte_stride[d - 1]);
    }
    for (uint32_t b = 0; b < row_bytes; b += 16) {
      const uint32_t bytes = row_bytes - b < 16 ? row_bytes - b : 16;
      const int64_t first = start + b, last = first + bytes, low = first < 0 ? 0 : first, high = last > extent ? extent : last;
      if (!inside || low >= high) visit(row * row_bytes + b, static_cast<char*>(nullptr), 0u, 0u, bytes);
      else visit(row * row_bytes + b, address + first, static_cast<uint32_t>(low - first), static_cast<uint32_t>(high - first), bytes);
    }
  };
  if (!map.im2col()) {
    // With an element stride s a box of b reads ceil(b / s) elements, s apart (cuTensorMapEncodeTiled, elementStrides).
    uint32_t count[5], rows = 1;
    for (int d = 1; d < map.rank; ++d) rows *= count[d] = (map.box[d] + map.element_stride[d] - 1u) / map.element_stride[d];
    for (uint32_t row = 0; row < rows; ++row) {
      int64_t at[5];
      uint32_t rest = row;
      for (int d = 1; d < map.rank; ++d) {
        at[d] = coordinates[d] + static_cast<int64_t>(rest % count[d]) * map.element_stride[d];
        rest /= count[d];
      }
      visit_row(row, at);
    }
    return;
  }
  // im2col (PTX ISA 5.5.4 "im2col mode"): pixels from the start on, W fastest, within the bounding box
  // [lower, extent - 1 + upper] of each spatial dimension, then the next image; the offsets move every access.
  const int spatial = map.rank - 2;
  int64_t base[5];
  for (int d = 1; d < map.rank; ++d) base[d] = coordinates[d];
  for (uint32_t pixel = 0; pixel < map.box[1]; ++pixel) {
    int64_t at[5];
    for (int d = 1; d < map.rank; ++d) at[d] = base[d] + (d <= spatial && offsets ? offsets[d - 1] : 0);
    visit_row(pixel, at);
    int d = 1;
    for (; d <= spatial; ++d) {
      base[d] += map.element_stride[d];
      if (base[d] <= static_cast<int64_t>(map.extent[d]) - 1 + map.upper[d - 1]) break;
      base[d] = map.lower[d - 1];
    }
    if (d > spatial) ++base[map.rank - 1];
  }
}

}  // namespace tl::sim

// Encoding of tensor maps, with the arguments and the rules of the driver's cuTensorMapEncodeTiled and
// cuTensorMapEncodeIm2col (CUDA Driver API, "Tensor Map Object Managment").
#include "tensor_map.h"

#include <cstdio>
#include <cstring>
#include <initializer_list>

namespace tl::sim {

int element_bytes(int type) {
  switch (type) {
    case TL_SIM_TYPE_U8: return 1;
    case TL_SIM_TYPE_U16: case TL_SIM_TYPE_F16: case TL_SIM_TYPE_BF16: return 2;
    case TL_SIM_TYPE_U32: case TL_SIM_TYPE_S32: case TL_SIM_TYPE_F32: case TL_SIM_TYPE_F32_FTZ: case TL_SIM_TYPE_TF32:
    case TL_SIM_TYPE_TF32_FTZ: return 4;
    default: return 8;
  }
}

uint32_t box_bytes(const TensorMap& map) {
  uint32_t bytes = map.box[0] * static_cast<uint32_t>(element_bytes(map.type));
  if (map.im2col()) return bytes * map.box[1];
  for (int d = 1; d < map.rank; ++d) bytes *= (map.box[d] + map.element_stride[d] - 1u) / map.element_stride[d];
  return bytes;
}

namespace {

struct Refusal {
  char* text;
  uint64_t capacity;
  template <class... Values>
  int operator()(const char* format, Values... values) const {
    if (text && capacity) snprintf(text, capacity, format, values...);
    return 1;
  }
};

int encode_common(TensorMap& map, const tl_sim_tensor& tensor, const Refusal& refuse) {
  memset(&map, 0, sizeof map);
  if (tensor.type < 0 || tensor.type >= TL_SIM_TYPE_COUNT) return refuse("data type %d: there are 0 to %d", tensor.type, TL_SIM_TYPE_COUNT - 1);
  if (tensor.rank < 1 || tensor.rank > 5) return refuse("rank %d: a tensor map has 1 to 5 dimensions", tensor.rank);
  if (tensor.interleave) return refuse("interleave %d: the simulator has layouts without interleave only", tensor.interleave);
  if (tensor.swizzle < 0 || tensor.swizzle > 3) return refuse("swizzle %d: 0 none, 1 32B, 2 64B, 3 128B", tensor.swizzle);
  auto address = reinterpret_cast<uintptr_t>(tensor.address);
  if (!address || address % 16) return refuse("global address %p: it must be aligned to 16 bytes", tensor.address);
  for (int d = 0; d < tensor.rank; ++d) {
    if (tensor.extent[d] < 1 || tensor.extent[d] > 1ull << 32) {
      return refuse("extent %llu of dimension %d: it must be 1 to 2^32", static_cast<unsigned long long>(tensor.extent[d]), d);
    }
    if (tensor.element_stride[d] < 1 || tensor.element_stride[d] > 8) {
      return refuse("element stride %u of dimension %d: it must be 1 to 8", tensor.element_stride[d], d);
    }
    map.extent[d] = static_cast<uint32_t>(tensor.extent[d] > 0xffffffffull ? 0xffffffffull : tensor.extent[d]);
    // Dimension 0 has no stride where the layout is not interleaved.
    map.element_stride[d] = static_cast<uint8_t>(d ? tensor.element_stride[d] : 1);
  }
  for (int d = 0; d + 1 < tensor.rank; ++d) {
    if (tensor.byte_stride[d] % 16 || tensor.byte_stride[d] >= 1ull << 40) {
      return refuse("stride %llu of dimension %d: bytes, a multiple of 16 below 2^40", static_cast<unsigned long long>(tensor.byte_stride[d]), d + 1);
    }
    map.byte_stride[d] = tensor.byte_stride[d];
  }
  bool floating = tensor.type >= TL_SIM_TYPE_F16;
  if (tensor.fill_nan && !floating) return refuse("out-of-bounds fill with NaN: the data type %d has none", tensor.type);
  map.mark = TensorMap::valid_mark;
  map.rank = static_cast<uint8_t>(tensor.rank);
  map.type = static_cast<uint8_t>(tensor.type);
  map.swizzle = static_cast<uint8_t>(tensor.swizzle);
  map.flags = tensor.fill_nan ? 2 : 0;
  map.address = static_cast<char*>(tensor.address);
  return 0;
}

int check_inner(uint32_t elements, const tl_sim_tensor& tensor, const Refusal& refuse) {
  const uint32_t bytes = elements * static_cast<uint32_t>(element_bytes(tensor.type));
  if (bytes % 16) return refuse("inner box dimension of %u bytes: it must be a multiple of 16", bytes);
  const uint32_t span = tensor.swizzle ? 16u << tensor.swizzle : 0;
  if (span && bytes > span) return refuse("inner box dimension of %u bytes: swizzling spans %u", bytes, span);
  return 0;
}

}  // namespace

}  // namespace tl::sim

using namespace tl::sim;

int tl_sim_encode_tiled(void* target, const tl_sim_tensor* tensor, const uint32_t* box, char* report, uint64_t capacity) {
  Refusal refuse{report, capacity};
  if (reinterpret_cast<uintptr_t>(target) % 64) return refuse("tensor map at %p: it must be aligned to 64 bytes", target);
  TensorMap map;
  if (int code = encode_common(map, *tensor, refuse)) return code;
  for (int d = 0; d < tensor->rank; ++d) {
    if (box[d] < 1 || box[d] > 256) return refuse("box extent %u of dimension %d: it must be 1 to 256", box[d], d);
    map.box[d] = static_cast<uint16_t>(box[d]);
  }
  if (int code = check_inner(box[0], *tensor, refuse)) return code;
  memcpy(target, &map, sizeof map);
  return 0;
}

int tl_sim_encode_im2col(void* target, const tl_sim_tensor* tensor, const int32_t* lower, const int32_t* upper, uint32_t channels,
                         uint32_t pixels, char* report, uint64_t capacity) {
  Refusal refuse{report, capacity};
  if (reinterpret_cast<uintptr_t>(target) % 64) return refuse("tensor map at %p: it must be aligned to 64 bytes", target);
  TensorMap map;
  if (int code = encode_common(map, *tensor, refuse)) return code;
  if (tensor->rank < 3) return refuse("rank %d: im2col needs 3 to 5 dimensions", tensor->rank);
  if (channels < 1 || channels > 256) return refuse("%u channels per pixel: 1 to 256", channels);
  if (pixels < 1 || pixels > 1024) return refuse("%u pixels per column: 1 to 1024", pixels);
  // 16, 8 and 5 bits hold the offsets of tensors of rank 3, 4 and 5.
  const int bits = tensor->rank == 3 ? 15 : tensor->rank == 4 ? 7 : 4;
  for (int d = 0; d + 2 < tensor->rank; ++d) {
    for (int32_t corner : {lower[d], upper[d]}) {
      if (corner < -(1 << bits) || corner >= 1 << bits) return refuse("corner %d of spatial dimension %d: it must fit %d bits", corner, d, bits + 1);
    }
    map.lower[d] = static_cast<int16_t>(lower[d]);
    map.upper[d] = static_cast<int16_t>(upper[d]);
  }
  if (int code = check_inner(channels, *tensor, refuse)) return code;
  map.flags |= 1;
  map.box[0] = static_cast<uint16_t>(channels);
  map.box[1] = static_cast<uint16_t>(pixels);
  memcpy(target, &map, sizeof map);
  return 0;
}

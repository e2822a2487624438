// Decoding of the operands of matrix instructions, compiled once for each instruction set; all of it in an unnamed
// namespace, so that the linker cannot mix the versions.
#pragma once
// Inlined always: an inline function left to the linker could be the one with the other file's instructions.
#define TL_FUNC inline __attribute__((always_inline))
#include <cstring>
#include <memory>

#include <tl/float_types.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace tl::sim {
namespace {

// Space for intermediate values, one of each type for an OS thread. On the heap: thread-local storage of this library is
// static, of which a process has little.
template <class T>
inline T& workspace() {
  static thread_local std::unique_ptr<T> space;
  if (!space) space = std::make_unique<T>();
  return *space;
}

typedef float Floats __attribute__((vector_size(32)));
typedef uint32_t Integers __attribute__((vector_size(32)));

template <class T>
struct Vector8;
template <>
struct Vector8<float> {
  using type = Floats;
};
template <>
struct Vector8<uint32_t> {
  using type = Integers;
};

// Decoders: `Count` packed elements to floats (or 32-bit integers, two's complement).
struct DecodeHalf {
  using Number = float;
  static constexpr int per_register = 2, lowest_exponent = -14;
  template <int Count>
  static inline void run(float* out, const void* raw) {
    auto* in = static_cast<const uint16_t*>(raw);
#if defined(__F16C__)
    static_assert(Count == 16 || Count == 8 || Count == 4);
    if constexpr (Count == 16) run<8>(out, in), run<8>(out + 8, in + 8);
    else if constexpr (Count == 8) _mm256_storeu_ps(out, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in))));
    else _mm_storeu_ps(out, _mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(in))));
#else
    for (int i = 0; i < Count; ++i) out[i] = detail::half_format::decode(in[i]);
#endif
  }
};
struct DecodeBfloat16 {
  using Number = float;
  static constexpr int per_register = 2, lowest_exponent = -126;
  template <int Count>
  static inline void run(float* out, const void* raw) {
    auto* in = static_cast<const uint16_t*>(raw);
    for (int i = 0; i < Count; ++i) out[i] = reinterpret<float>(static_cast<uint32_t>(in[i]) << 16);
  }
};
// mma.sync text rounds by cvt.rna.tf32 first: to 10 mantissa bits, ties away from zero.
struct DecodeTf32 {
  using Number = float;
  static constexpr int per_register = 1, lowest_exponent = -126;
  template <int Count>
  static inline void run(float* out, const void* raw) {
    auto* in = static_cast<const uint32_t*>(raw);
    for (int i = 0; i < Count; ++i) {
      bool finite = (in[i] & 0x7f800000u) != 0x7f800000u;
      out[i] = reinterpret<float>(finite ? (in[i] + 0x1000u) & ~0x1fffu : in[i]);
    }
  }
};
// wgmma reads 32 bits and ignores the lower 13.
struct DecodeTruncatedTf32 {
  using Number = float;
  static constexpr int per_register = 1, lowest_exponent = -126;
  template <int Count>
  static inline void run(float* out, const void* raw) {
    auto* in = static_cast<const uint32_t*>(raw);
    for (int i = 0; i < Count; ++i) out[i] = reinterpret<float>(in[i] & ~0x1fffu);
  }
};
template <class Format, int LowestExponent>
struct DecodeFloat8 {
  using Number = float;
  static constexpr int per_register = 4, lowest_exponent = LowestExponent;
  struct Table {
    float value[256];
    Table() {
      for (int i = 0; i < 256; ++i) value[i] = Format::decode(static_cast<uint8_t>(i));
    }
  };
  template <int Count>
  static inline void run(float* out, const void* raw) {
    static const Table table;
    auto* in = static_cast<const uint8_t*>(raw);
    for (int i = 0; i < Count; ++i) out[i] = table.value[in[i]];
  }
};
template <class T>
struct DecodeInt8 {
  using Number = uint32_t;
  static constexpr int per_register = 4;
  template <int Count>
  static inline void run(uint32_t* out, const void* raw) {
    auto* in = static_cast<const T*>(raw);
    for (int i = 0; i < Count; ++i) out[i] = static_cast<uint32_t>(static_cast<int32_t>(in[i]));
  }
};

using E4m3 = DecodeFloat8<detail::float8_e4m3_format, -6>;
using E5m2 = DecodeFloat8<detail::float8_e5m2_format, -14>;
using S8 = DecodeInt8<int8_t>;
using U8 = DecodeInt8<uint8_t>;

}  // namespace
}  // namespace tl::sim

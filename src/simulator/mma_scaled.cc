// mma.sync with block scales, executed at the warp's rendezvous.
//
// A register of 32 bits has P elements: 8 of 4 bits, 4 of 8 bits; K = 8*P. With lane = 4*group + t (PTX ISA 9.7.14.5, figures of the
// fragments, and 9.7.14.3 for the scales, whose selectors are {0, 0}):
//   A(row, k): lane 4*(row%8) + k%(4P)/P, register row/8 + 2*(k/(4P)), element k%P     SA(row, block): lane 4*(row%8) + row/8, byte block
//   B(k, n):   lane 4*n + k%(4P)/P,       register k/(4P),             element k%P     SB(block, n):   lane 4*n,               byte block
//   C(row, n): lane 4*(row%8) + n/2, element n%2 + 2*(row/8)
// An instruction's sum is made in double precision and rounded once: no document says how the hardware rounds.
#include "mma_scaled.h"

#include <cstring>

#include <tl/small_float.h>

#include "team.h"

namespace tl::sim {

namespace {

struct ScaledLane {
  const void *a, *b;
  uint32_t scale_a, scale_b;
};

using Decode = float (*)(uint32_t code);

float float4(uint32_t code) {
  constexpr float magnitude[8] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};
  return code & 8 ? -magnitude[code & 7] : magnitude[code & 7];
}
float e4m3(uint32_t code) { return detail::float8_e4m3_format::decode(static_cast<uint8_t>(code)); }
float e5m2(uint32_t code) { return detail::float8_e5m2_format::decode(static_cast<uint8_t>(code)); }
float unsigned_e4m3(uint32_t code) { return e4m3(code & 0x7f); }
float power_of_two(uint32_t code) { return detail::float8_e8m0_format::decode(static_cast<uint8_t>(code)); }

struct Format {
  int element_bits, blocks;  // blocks of one instruction along K
  Decode a, b, scale;
};
// In the order of tl_sim_mma_scaled_op.
constexpr Format formats[TL_SIM_MMA_SCALED_COUNT] = {
    {4, 4, float4, float4, unsigned_e4m3}, {4, 2, float4, float4, power_of_two}, {8, 1, e4m3, e4m3, power_of_two},
    {8, 1, e4m3, e5m2, power_of_two},      {8, 1, e5m2, e4m3, power_of_two},     {8, 1, e5m2, e5m2, power_of_two},
};

constexpr int most_k = 64;

// Element `index` of a register of a lane's fragment.
float element(const void* fragment, int reg, int index, int bits, Decode decode) {
  uint32_t word;
  memcpy(&word, static_cast<const char*>(fragment) + reg * 4, 4);
  return decode(word >> (index * bits) & ((1u << bits) - 1));
}

// Lanes may exit before they come here, or while others wait.
void require_whole_warp(const Warp& warp, int site) {
  if (warp.live == ~0u) return;
  Thread* thread = self();
  fail(*thread->block, "mma with block scales in warp %d of which only %d lanes are alive (line %d): it needs all 32, %s", thread->warp,
       __builtin_popcount(warp.live), site, name_thread(*thread).c_str());
}

}  // namespace

void execute_scaled_mma(Warp& warp, int site) {
  require_whole_warp(warp, site);
  const Format& format = formats[warp.request[0]->mode];
  const int per_register = 32 / format.element_bits, half = 4 * per_register, depth = 2 * half, block = depth / format.blocks;
  const ScaledLane* lanes[lanes_per_warp];
  for (int lane = 0; lane < lanes_per_warp; ++lane) lanes[lane] = static_cast<const ScaledLane*>(warp.request[lane]->source);
  double a[16][most_k], b[8][most_k];  // scaled: a product of the narrow types and their scales is exact in double precision
  for (int k = 0; k < depth; ++k) {
    const int t = k % half / per_register, upper = k / half, index = k % per_register;
    const int shift = k / block * 8;
    for (int row = 0; row < 16; ++row) {
      const int quad = row % 8 * 4;
      const double scale = format.scale(lanes[quad + row / 8]->scale_a >> shift & 0xff);
      a[row][k] = scale * element(lanes[quad + t]->a, row / 8 + 2 * upper, index, format.element_bits, format.a);
    }
    for (int n = 0; n < 8; ++n) {
      const double scale = format.scale(lanes[n * 4]->scale_b >> shift & 0xff);
      b[n][k] = scale * element(lanes[n * 4 + t]->b, upper, index, format.element_bits, format.b);
    }
  }
  for (int row = 0; row < 16; ++row) {
    for (int n = 0; n < 8; ++n) {
      float* c = static_cast<float*>(warp.request[row % 8 * 4 + n / 2]->data) + n % 2 + 2 * (row / 8);
      double sum = *c;
      for (int k = 0; k < depth; ++k) sum += a[row][k] * b[n][k];
      *c = static_cast<float>(sum);
    }
  }
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_mma_scaled(int operation, void* c, const void* a, const void* b, uint32_t scale_a, uint32_t scale_b, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  require_whole_warp(*thread->home, site);
  if (Observer* observer = block.observer) {
    observer->registers(*thread, a, 16, Access::read, site_of(site));
    observer->registers(*thread, b, 8, Access::read, site_of(site));
    observer->registers(*thread, c, 16, Access::read, site_of(site));
    observer->registers(*thread, c, 16, Access::write, site_of(site));
    const int depth = 256 / formats[operation].element_bits;
    observer->work(*thread, Work::gemm, static_cast<uint64_t>(16 * 8 * depth / lanes_per_warp), site_of(site));
  }
  ScaledLane mine{a, b, scale_a, scale_b};
  Request request{Collective::scaled_mma, static_cast<uint8_t>(operation), 0, 0, c, &mine, site, 0};
  rendezvous(request);
}

// The metadata of sparse matrix instructions, and mma.sp.
//
// PTX ISA 9.7.14.6.1 and 9.7.15.6.1 "Sparse matrix storage", 9.7.14.6.2 and 9.7.15.6.2 for who holds which bits. Four bits tell
// where two of four neighbours along K were, lower index first; of 32-bit elements, where one of two was (0b0100 or 0b1110). With
// lane = 4*group + t and sparsity selector F, each warp for its own 16 rows:
//   16 and 32 bits  threads t = 2F and 2F+1 hold the first and the second half of K: bits 0-15 row group, bits 16-31 row group + 8
//   8 bits          t = 0 row group, t = 1 row group + 8, of the first half of K; t = 2 and t = 3 of the second; F is 0
#include "sparse.h"

#include <cstring>

#include "team.h"

namespace tl::sim {

namespace {

using Kernels = const SparseKernel (*)[TL_SIM_WGMMA_COUNT];

Kernels choose(bool portable) {
#if defined(__x86_64__)
  if (!portable && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) return sparse_kernels_avx2;
#endif
  (void)portable;
  return sparse_kernels_portable;
}

Kernels kernels = choose(false);

[[noreturn]] __attribute__((noinline, cold)) void refuse_places(int bits, int row, int first, bool single, int site) {
  Thread* thread = self();
  fail(*thread->block, "sparse metadata 0x%x of row %d at k = %d (line %d): %s, %s", static_cast<unsigned>(bits), row, first, site,
       single ? "one of two 32-bit elements is kept as 0x4 or 0xe" : "two of four elements are kept, the lower index in the lower bits",
       name_thread(*thread).c_str());
}

bool of_bytes(int operation) { return operation > TL_SIM_WGMMA_TF32; }

// places[row][element] for 16 rows a warp.
void decode(int operation, int warps, const uint32_t* metadata, int selector, uint8_t* places, int site) {
  const bool bytes = of_bytes(operation), single = operation == TL_SIM_WGMMA_TF32;
  const int codes = bytes ? 16 : 8;  // of a row
  for (int row = 0; row < 16 * warps; ++row) {
    const uint32_t* quad = metadata + row / 16 * lanes_per_warp + row % 8 * 4;
    const int upper = row % 16 / 8;
    for (int j = 0; j < codes; ++j) {
      const int bits = static_cast<int>((bytes ? quad[upper + j / 8 * 2] >> j % 8 * 4 : quad[2 * selector + j / 4] >> (16 * upper + j % 4 * 4)) & 15);
      const int first = bits & 3, second = bits >> 2;
      if (single) {
        if (bits != 4 && bits != 14) refuse_places(bits, row, j * 2, true, site);
        *places++ = static_cast<uint8_t>(j * 2 + first / 2);
      } else {
        if (first >= second) refuse_places(bits, row, j * 4, false, site);
        *places++ = static_cast<uint8_t>(j * 4 + first);
        *places++ = static_cast<uint8_t>(j * 4 + second);
      }
    }
  }
}

struct SparseLane {
  const void *a, *b;
  uint32_t metadata;
};

}  // namespace

void choose_sparse_kernels(bool portable) { kernels = choose(portable); }

void multiply_sparse(Block& block, int operation, SparseOperands operands, const uint32_t* metadata, int selector, int site) {
  uint8_t places[64 * most_kept];
  decode(operation, operands.warps, metadata, selector, places, site);
  operands.places = places;
  kernels[static_cast<int>(block.team->options.numerics)][operation](operands);
}

void execute_sparse_mma(Warp& warp, Block& block) {
  const Request& any = *warp.request[0];
  const void* a[lanes_per_warp];
  void* c[lanes_per_warp];
  uint32_t metadata[lanes_per_warp];
  char b[8 * sparse_b_bytes];
  for (int lane = 0; lane < lanes_per_warp; ++lane) {
    auto& mine = *static_cast<const SparseLane*>(warp.request[lane]->source);
    a[lane] = mine.a, c[lane] = warp.request[lane]->data, metadata[lane] = mine.metadata;
    // Register i of B is four bytes of column lane/4, at 16 i + 4 (lane%4) along K.
    for (int i = 0; i < 4; ++i) memcpy(b + lane / 4 * sparse_b_bytes + i * 16 + lane % 4 * 4, static_cast<const char*>(mine.b) + i * 4, 4);
  }
  multiply_sparse(block, any.mode, {nullptr, b, a, c, nullptr, 1, 8, true, false, false}, metadata, any.count, any.site);
}

}  // namespace tl::sim

using namespace tl::sim;

void tl_sim_mma_sp(int operation, void* c, const void* a, const void* b, uint32_t metadata, int selector, int site) {
  Thread* thread = self();
  Block& block = *thread->block;
  if (thread->home->live != ~0u) {
    fail(block, "mma.sp in warp %d of which only %d lanes are alive (line %d): it needs all 32, %s", thread->warp,
         __builtin_popcount(thread->home->live), site, name_thread(*thread).c_str());
  }
  if (Observer* observer = block.observer) {
    const size_t accumulator = operation == TL_SIM_WGMMA_F16_F16 ? 8 : 16;
    observer->registers(*thread, a, 16, Access::read, site_of(site));
    observer->registers(*thread, b, 16, Access::read, site_of(site));
    observer->registers(*thread, c, accumulator, Access::read, site_of(site));
    observer->registers(*thread, c, accumulator, Access::write, site_of(site));
    observer->work(*thread, Work::gemm, static_cast<uint64_t>(16 * 8 * (of_bytes(operation) ? 32 : operation == TL_SIM_WGMMA_TF32 ? 8 : 16) / lanes_per_warp),
                   site_of(site));
  }
  SparseLane mine{a, b, metadata};
  Request request{Collective::sparse_mma, static_cast<uint8_t>(operation), static_cast<uint8_t>(selector), 0, c, &mine, site, 0};
  rendezvous(request);
}

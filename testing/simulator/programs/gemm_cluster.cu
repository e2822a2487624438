// The same product by clusters of two blocks, one above the other: each loads half of the B tile they share and multicasts it.
#include <tl/cluster.h>
#include <tl/core.h>
#include <tl/mbarrier.h>
#include <tl/tma.h>
#include <tl/wgmma/m64n128.h>

extern "C" __global__ void __cluster_dims__(1, 2, 1) __launch_bounds__(256, 1)
gemm(const __grid_constant__ tl::tensor_map map_a, const __grid_constant__ tl::tensor_map map_b, tl::half_t* C, int32_t n, int32_t k_tiles) {
  char* smem = tl::dyn_smem();
  char *a_tiles = smem, *b_tiles = smem + 2 * 8192;
  uint64_t* full = reinterpret_cast<uint64_t*>(smem + 2 * 8192 + 2 * 16384);
  uint64_t* empty = full + 2;
  const int tid = threadIdx.x, n0 = blockIdx.x * 128, m0 = blockIdx.y * 64;
  const uint32_t rank = tl::cluster_rank();
  if (tid == 0) {
    for (int s = 0; s < 2; ++s) {
      tl::mbarrier_init(full + s, 1);
      tl::mbarrier_init(empty + s, 2);
    }
    tl::fence_mbarrier_init();
  }
  //[init_sync
  tl::cluster_sync();
  //]
  if (tid >= 128) {
    if (tid == 128) {
      for (int k = 0; k < k_tiles; ++k) {
        const int s = k % 2, phase = k / 2 & 1;
        //[empty_wait
        tl::mbarrier_wait(empty + s, phase ^ 1);
        //]
        tl::mbarrier_arrive_expect_tx(full + s, 8192 + 16384);
        tl::tma_load(a_tiles + s * 8192, &map_a, full + s, k * 64, m0);
        tl::tma_load_multicast(b_tiles + s * 16384 + rank * 8192, &map_b, full + s, 3, k * 64, n0 + static_cast<int>(rank) * 64);
      }
    }
  } else {
    float acc[64];
    for (int k = 0; k < k_tiles; ++k) {
      const int s = k % 2, phase = k / 2 & 1;
      //[full_wait
      tl::mbarrier_wait(full + s, phase);
      //]
      const uint64_t a = tl::wgmma_descriptor<128>(a_tiles + s * 8192, 16, 1024);
      const uint64_t b = tl::wgmma_descriptor<128>(b_tiles + s * 16384, 16, 1024);
      tl::wgmma_fence();
#pragma unroll
      for (int kk = 0; kk < 4; ++kk) {
        tl::wgmma_ss<tl::half_t, tl::half_t, 128>(acc, tl::wgmma_advance(a, kk * 32), tl::wgmma_advance(b, kk * 32), k != 0 || kk != 0);
      }
      tl::wgmma_commit();
      tl::wgmma_wait<0>();
      tl::bar_sync<1>(128);
      if (tid < 2) tl::mbarrier_arrive_remote(empty + s, tid);  // both blocks read what each of them multicasts
    }
    tl::wgmma_pin<128>(acc);
    const int lane = tid % 32, row = m0 + tid / 32 * 16 + lane / 4;
    for (int i = 0; i < 64; ++i) {
      C[(row + i / 2 % 2 * 8) * n + n0 + i / 4 * 8 + lane % 4 * 2 + i % 2] = tl::cast<tl::half_t>(acc[i]);
    }
  }
  tl::sync_warp();
  //[exit_sync
  tl::cluster_sync();  // a block must not exit while its peer can still write to it
  //]
}
TL_ENTRY(gemm)

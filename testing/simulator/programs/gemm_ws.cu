// C[M,N] = A[M,K] * B[N,K]^T, half in, float sums, half out. Persistent blocks walk tiles of 128 x 128; K in steps of 64 through
// a ring of 4 stages; one producer warpgroup, two consumer warpgroups of 64 rows with one product in flight; results leave by
// TMA. Parts in //[name ... //] are dropped by tests.
#include <tl/core.h>
#include <tl/ldmatrix.h>
#include <tl/mbarrier.h>
#include <tl/registers.h>
#include <tl/tma.h>
#include <tl/wgmma/m64n128.h>

TL_FUNC void group_barrier(int c) {
  if (c == 0) tl::bar_sync<1>(128);
  else tl::bar_sync<2>(128);
}

extern "C" __global__ void __launch_bounds__(384, 1)
gemm(const __grid_constant__ tl::tensor_map map_a, const __grid_constant__ tl::tensor_map map_b,
     const __grid_constant__ tl::tensor_map map_c, int32_t k_tiles, int32_t n_tiles, int32_t tiles) {
  char* smem = tl::dyn_smem();
  char *a_tiles = smem, *b_tiles = smem + 65536, *c_tile = smem + 131072;
  uint64_t* full = reinterpret_cast<uint64_t*>(smem + 163840);
  uint64_t* empty = full + 4;
  const int tid = threadIdx.x, group = tid / 128;
  if (tid == 0) {
    tl::tma_prefetch(&map_a);
    for (int s = 0; s < 4; ++s) {
      tl::mbarrier_init(full + s, 1);
      tl::mbarrier_init(empty + s, 8);
    }
    tl::fence_mbarrier_init();
  }
  tl::sync_threads();
  int turn = 0;  // stages used so far
  if (group == 0) {
    tl::set_max_registers_decrease<40>();
    if (tid == 0) {
      for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        const int m0 = tile / n_tiles * 128, n0 = tile % n_tiles * 128;
        for (int k = 0; k < k_tiles; ++k, ++turn) {
          const int s = turn % 4, phase = turn / 4 & 1;
          //[empty_wait
          tl::mbarrier_wait(empty + s, phase ^ 1);
          //]
          tl::mbarrier_arrive_expect_tx(full + s, 32768);
          tl::tma_load(a_tiles + s * 16384, &map_a, full + s, k * 64, m0);
          tl::tma_load(b_tiles + s * 16384, &map_b, full + s, k * 64, n0);
        }
      }
    }
  } else {
    tl::set_max_registers_increase<232>();
    alignas(16) float acc[64];
    const int c = group - 1, lane = tid % 32, warp = tid / 32 % 4;
    char* out = c_tile + c * 16384;
    for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
      const int m0 = tile / n_tiles * 128, n0 = tile % n_tiles * 128;
      for (int k = 0; k < k_tiles; ++k, ++turn) {
        const int s = turn % 4, phase = turn / 4 & 1;
        //[full_wait
        tl::mbarrier_wait(full + s, phase);
        //]
        const uint64_t a = tl::wgmma_descriptor<128>(a_tiles + s * 16384 + c * 8192, 16, 1024);
        const uint64_t b = tl::wgmma_descriptor<128>(b_tiles + s * 16384, 16, 1024);
        tl::wgmma_fence();
#pragma unroll
        for (int kk = 0; kk < 4; ++kk) {
          tl::wgmma_ss<tl::half_t, tl::half_t, 128>(acc, tl::wgmma_advance(a, kk * 32), tl::wgmma_advance(b, kk * 32), k != 0 || kk != 0);
        }
        tl::wgmma_commit();
        if (k != 0) {
          //[wgmma_wait
          tl::wgmma_wait<1>();
          //]
          if (lane == 0) tl::mbarrier_arrive(empty + (turn - 1) % 4);  // what the product before this one read
        }
      }
      //[last_wait
      tl::wgmma_wait<0>();
      //]
      if (lane == 0) tl::mbarrier_arrive(empty + (turn - 1) % 4);
      tl::wgmma_pin<128>(acc);
      //[read_wait
      if (tid % 128 == 0) tl::bulk_wait_read<0>();
      //]
      //[reuse_barrier
      group_barrier(c);
      //]
      // Two boxes of 64 columns, swizzled by 128 bytes.
      alignas(16) tl::half_t packed[8];
      const int row = warp * 16 + lane % 16;
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        tl::cast_array<8>(packed, acc + j * 8);
        const int chunk = 2 * (j % 4) + lane / 16;
        tl::stmatrix_x4(out + j / 4 * 8192 + row * 128 + ((chunk ^ (row & 7)) << 4), packed);
      }
      //[proxy_fence
      tl::fence_proxy_async();
      //]
      //[store_barrier
      group_barrier(c);
      //]
      if (tid % 128 == 0) {
        tl::tma_store(&map_c, out, n0, m0 + c * 64);
        tl::tma_store(&map_c, out + 8192, n0 + 64, m0 + c * 64);
        tl::bulk_commit();
      }
    }
    //[store_wait
    if (tid % 128 == 0) tl::bulk_wait<0>();
    //]
  }
}
TL_ENTRY(gemm)

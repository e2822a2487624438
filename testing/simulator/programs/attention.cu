// O = softmax(Q K^T * scale) V for tensors [heads, rows, 64] in half; 64 query rows a consumer warpgroup, two of them; blocks
// of 64 keys in a ring of K and V tiles in order of use. The scores and the output stay in registers; P is the A operand, in
// registers, of the second product. The product of the next block runs beside the softmax of this one, and, in ping-pong, the
// products of one warpgroup beside the softmax of the other: they issue their products in turns, by two named barriers.
#include <tl/core.h>
#include <tl/math.h>
#include <tl/mbarrier.h>
#include <tl/shuffle.h>
#include <tl/tma.h>
#include <tl/wgmma/m64n64.h>

constexpr int slots = 4;

extern "C" __global__ void __launch_bounds__(384, 1)
attention(const __grid_constant__ tl::tensor_map map_q, const __grid_constant__ tl::tensor_map map_k,
          const __grid_constant__ tl::tensor_map map_v, tl::half_t* O, int32_t rows, int32_t blocks, float scale_log2) {
  char* smem = tl::dyn_smem();
  char *q_tiles = smem, *ring = smem + 16384;
  uint64_t* q_full = reinterpret_cast<uint64_t*>(ring + slots * 8192);
  uint64_t *full = q_full + 1, *empty = full + slots;
  const int tid = threadIdx.x, group = tid / 128, head = blockIdx.y, q0 = blockIdx.x * 128;
  if (tid == 0) {
    tl::mbarrier_init(q_full, 1);
    for (int i = 0; i < slots; ++i) {
      tl::mbarrier_init(full + i, 1);
      tl::mbarrier_init(empty + i, 8);
    }
    tl::fence_mbarrier_init();
  }
  tl::sync_threads();
  if (group == 0) {
    if (tid == 0) {
      tl::mbarrier_arrive_expect_tx(q_full, 16384);
      tl::tma_load(q_tiles, &map_q, q_full, 0, q0, head);
      tl::tma_load(q_tiles + 8192, &map_q, q_full, 0, q0 + 64, head);
      // K0, K1, V0, K2, V1, ..., V(last)
      for (int i = 0; i < 2 * blocks; ++i) {
        const int slot = i % slots, phase = i / slots & 1;
        const bool is_k = i == 0 || (i % 2 == 1 && i != 2 * blocks - 1);
        const int j = is_k ? (i + 1) / 2 : i == 2 * blocks - 1 ? blocks - 1 : i / 2 - 1;
        //[empty_wait
        tl::mbarrier_wait(empty + slot, phase ^ 1);
        //]
        tl::mbarrier_arrive_expect_tx(full + slot, 8192);
        tl::tma_load(ring + slot * 8192, is_k ? &map_k : &map_v, full + slot, 0, j * 64, head);
      }
    }
    return;
  }
  const int c = group - 1, lane = tid % 32, warp = tid / 32 % 4;
  alignas(16) float o[32], s[32];
  alignas(16) tl::half_t p[32];
  float largest[2], sum[2];
  const uint64_t dq = tl::wgmma_descriptor<128>(q_tiles + c * 8192, 16, 1024);
  int turn = 0;
  if (c == 1) tl::bar_arrive<2>(256);  // warpgroup 0 goes first
  //[q_wait
  tl::mbarrier_wait(q_full, 0);
  //]
  for (int j = 0; j <= blocks; ++j) {
    int k_slot = -1, v_slot = -1;
    if (c == 0) tl::bar_sync<2>(256);
    else tl::bar_sync<3>(256);
    if (j < blocks) {
      k_slot = turn % slots;
      //[k_wait
      tl::mbarrier_wait(full + k_slot, turn / slots & 1);
      //]
      ++turn;
      const uint64_t dk = tl::wgmma_descriptor<128>(ring + k_slot * 8192, 16, 1024);
      tl::wgmma_fence();
#pragma unroll
      for (int kk = 0; kk < 4; ++kk) {
        tl::wgmma_ss<tl::half_t, tl::half_t, 64>(s, tl::wgmma_advance(dq, kk * 32), tl::wgmma_advance(dk, kk * 32), kk != 0);
      }
      tl::wgmma_commit();
    }
    if (j > 0) {
      v_slot = turn % slots;
      //[v_wait
      tl::mbarrier_wait(full + v_slot, turn / slots & 1);
      //]
      ++turn;
      const uint64_t dv = tl::wgmma_descriptor<128>(ring + v_slot * 8192, 8192, 1024);
      tl::wgmma_fence();
#pragma unroll
      for (int kk = 0; kk < 4; ++kk) tl::wgmma_rs<tl::half_t, tl::half_t, 64, true>(o, p + kk * 8, tl::wgmma_advance(dv, kk * 2048), j > 1 || kk != 0);
      tl::wgmma_commit();
    }
    //[hand_over
    if (c == 0) tl::bar_arrive<3>(256);
    else if (j < blocks) tl::bar_arrive<2>(256);
    //]
    float rescale[2] = {1.0f, 1.0f};
    if (j < blocks) {
      if (j > 0) {
        //[score_wait
        tl::wgmma_wait<1>();
        //]
      } else {
        tl::wgmma_wait<0>();
      }
      tl::wgmma_pin<64>(s);
      if (lane == 0) tl::mbarrier_arrive(empty + k_slot);
      for (int i = 0; i < 32; ++i) {
        if (j * 64 + i / 4 * 8 + lane % 4 * 2 + i % 2 >= rows) s[i] = -1e30f;
      }
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float v = tl::max(s[2 * h], s[2 * h + 1]);
        for (int i = 4; i < 32; i += 4) v = tl::max(v, tl::max(s[i + 2 * h], s[i + 2 * h + 1]));
        v = tl::max(v, tl::shfl_xor(v, 1));
        v = tl::max(v, tl::shfl_xor(v, 2));
        if (j > 0) v = tl::max(v, largest[h]);
        rescale[h] = j > 0 ? tl::exp2((largest[h] - v) * scale_log2) : 0.0f;
        largest[h] = v;
        float partial = 0;
        for (int i = 0; i < 32; i += 4) {
          s[i + 2 * h] = tl::exp2((s[i + 2 * h] - v) * scale_log2);
          s[i + 2 * h + 1] = tl::exp2((s[i + 2 * h + 1] - v) * scale_log2);
          partial += s[i + 2 * h] + s[i + 2 * h + 1];
        }
        sum[h] = j > 0 ? sum[h] * rescale[h] + partial : partial;
      }
    }
    if (j > 0) {
      //[output_wait
      tl::wgmma_wait<0>();
      //]
      tl::wgmma_pin<64>(o);
      if (lane == 0) tl::mbarrier_arrive(empty + v_slot);
      for (int i = 0; i < 32; ++i) o[i] *= rescale[i / 2 % 2];
    }
    if (j < blocks) {
#pragma unroll
      for (int i = 0; i < 32; ++i) p[i] = tl::cast<tl::half_t>(s[i]);
    }
  }
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    sum[h] += tl::shfl_xor(sum[h], 1);
    sum[h] += tl::shfl_xor(sum[h], 2);
  }
  for (int i = 0; i < 32; ++i) {
    const int row = q0 + c * 64 + warp * 16 + lane / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + lane % 4 * 2 + i % 2;
    if (row < rows) O[(head * rows + row) * 64 + column] = tl::cast<tl::half_t>(o[i] / sum[i / 2 % 2]);
  }
}
TL_ENTRY(attention)

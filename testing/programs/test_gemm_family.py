"""Matrix multiplies beyond the plain one: batched, grouped by offsets, stream-K, persistent, two-level float8 sums."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def product(a, b):
    """a @ b in float64, and the sum of the magnitudes."""
    a, b = a.double().cpu(), b.double().cpu()
    return a @ b, a.abs() @ b.abs()


def batched(batch, M, N, K, bm, bn, bk, stages=2, dtype="float16"):
    @T.prim_func
    def main(A: T.Tensor((batch, M, K), dtype), B: T.Tensor((batch, K, N), dtype), C: T.Tensor((batch, M, N), dtype)):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), batch, threads=128) as (bx, by, bz):
            A_shared = T.alloc_shared((bm, bk), dtype)
            B_shared = T.alloc_shared((bk, bn), dtype)
            C_local = T.alloc_fragment((bm, bn), "float32")
            T.clear(C_local)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=stages):
                T.copy(A[bz, by * bm : (by + 1) * bm, k * bk : (k + 1) * bk], A_shared)
                T.copy(B[bz, k * bk, bx * bn], B_shared)
                T.gemm(A_shared, B_shared, C_local)
            T.copy(C_local, C[bz, by * bm, bx * bn])

    return main


@pytest.mark.parametrize("shape", [(3, 64, 64, 64), (2, 100, 72, 40), (1, 1, 96, 33)])
def test_batched(shape, device):
    batch, M, N, K = shape
    a, b = random((batch, M, K), "float16", device), random((batch, K, N), "float16", device)
    out = run(batched(batch, M, N, K, 64, 48, 32), [a, b], ((batch, M, N), "float16"), device=device)
    expected, scale = product(a, b)
    assert_close(out, expected, terms=K, scale=scale, arithmetic="float32")


def grouped(sizes, K, N, bm, bn, bk, threads=128, stages=2, dtype="float16"):
    """Rows of A belong to groups, each with its own B; tiles are found by scanning the padded offsets."""
    total, count = sum(sizes), len(sizes)
    tiles = sum(-(-s // bm) for s in sizes)

    @T.prim_func
    def main(
        A: T.Tensor([total, K], dtype),
        B: T.Tensor([count, K, N], dtype),
        batch_sizes: T.Tensor([count], "int32"),
        batch_offsets: T.Tensor([count], "int32"),
        batch_padded_offsets: T.Tensor([count], "int32"),
        C: T.Tensor([total, N], dtype),
    ):
        with T.Kernel(tiles, T.ceildiv(N, bn), threads=threads) as (bx, by):
            A_shared = T.alloc_shared([bm, bk], dtype)
            B_shared = T.alloc_shared([bk, bn], dtype)
            C_local = T.alloc_fragment([bm, bn], "float32")
            cur_batch_idx = T.alloc_var(dtype="int32")
            cur_batch_size = T.alloc_var(dtype="int32")
            m_start_padded = bx * bm
            for i in range(count):
                in_cur = m_start_padded >= batch_padded_offsets[i]
                cur_batch_idx = T.if_then_else(in_cur, i, cur_batch_idx)
            cur_batch_size = batch_sizes[cur_batch_idx]
            m_start = m_start_padded - batch_padded_offsets[cur_batch_idx] + batch_offsets[cur_batch_idx]
            actual_rows = T.max(0, T.min(bm, cur_batch_size + batch_padded_offsets[cur_batch_idx] - m_start_padded))
            T.clear(C_local)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=stages):
                T.copy(A[m_start : m_start + bm, k * bk : (k + 1) * bk], A_shared)
                T.copy(B[cur_batch_idx, k * bk : (k + 1) * bk, by * bn : (by + 1) * bn], B_shared)
                T.gemm(A_shared, B_shared, C_local)
            for i, j in T.Parallel(bm, bn):
                if i < actual_rows:
                    C[m_start + i, by * bn + j] = C_local[i, j]

    return main


@pytest.mark.parametrize("sizes, N", [((64, 128, 30), 64), ((1, 70, 65), 96)])
def test_grouped(sizes, N, device):
    K, bm = 80, 64
    a = random((sum(sizes), K), "float16", device)
    b = random((len(sizes), K, N), "float16", device)
    offsets, padded = [0], [0]
    for s in sizes[:-1]:
        offsets.append(offsets[-1] + s)
        padded.append(padded[-1] + -(-s // bm) * bm)
    meta = [torch.tensor(x, dtype=torch.int32, device=device) for x in (sizes, offsets, padded)]
    out = run(grouped(sizes, K, N, bm, 64, 32), [a, b, *meta], ((sum(sizes), N), "float16"), device=device)
    for part, of, weights in zip(out.split(list(sizes)), a.split(list(sizes)), b):
        expected, scale = product(of, weights)
        assert_close(part, expected, terms=K, scale=scale, arithmetic="float32")


def stream_k(M, N, K, bm, bn, bk, programs, dtype="float16"):
    """Whole tiles first; the rest of the iterations divided evenly among the blocks, joined by atomic additions."""
    blocks_m, blocks_n, iters = -(-M // bm), -(-N // bn), -(-K // bk)
    total = blocks_m * blocks_n
    streamed = total % programs + (programs if total - total % programs > 0 else 0)
    streamed = min(streamed, total)
    iterations = streamed * iters
    full, partial = iterations // programs, iterations % programs
    whole = total - streamed

    @T.macro
    def first_wave(pid, A, B, C, A_shared, B_shared, C_local):
        start_iter = T.alloc_fragment((1,), "int32", "local")
        end_iter = T.alloc_fragment((1,), "int32", "local")
        start_iter[0] = pid * full + T.min(pid, partial)
        last_iter = (pid + 1) * full + T.min(pid + 1, partial)
        while start_iter[0] < last_iter:
            end_iter[0] = T.min(start_iter[0] + (iters - (start_iter[0] % iters)), last_iter)
            tile_id = start_iter[0] // iters
            remain_iters = start_iter[0] % iters
            pid_m = tile_id // blocks_n
            pid_n = tile_id % blocks_n
            T.clear(C_local)
            for k in T.Pipelined(end_iter[0] - start_iter[0], num_stages=2):
                T.copy(A[pid_m * bm, (k + remain_iters) * bk], A_shared)
                T.copy(B[pid_n * bn, (k + remain_iters) * bk], B_shared)
                T.gemm(A_shared, B_shared, C_local, transpose_B=True)
            if remain_iters == 0 and (end_iter[0] % iters == 0):
                T.copy(C_local, C[pid_m * bm, pid_n * bn])
            else:
                for i, j in T.Parallel(bm, bn):
                    T.atomic_add(C[pid_m * bm + i, pid_n * bn + j], C_local[i, j])
            start_iter[0] = end_iter[0]

    @T.macro
    def full_tiles(pid, A, B, C, A_shared, B_shared, C_local):
        for p in T.serial(T.ceildiv(whole, programs)):
            tile_id = pid + streamed + p * programs
            if tile_id < total:
                pid_m = tile_id // blocks_n
                pid_n = tile_id % blocks_n
                T.clear(C_local)
                for k in T.Pipelined(iters, num_stages=2):
                    T.copy(A[pid_m * bm, k * bk], A_shared)
                    T.copy(B[pid_n * bn, k * bk], B_shared)
                    T.gemm(A_shared, B_shared, C_local, transpose_B=True)
                T.copy(C_local, C[pid_m * bm, pid_n * bn])

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((N, K), dtype), C: T.Tensor((M, N), "float32")):
        with T.Kernel(programs, threads=128) as pid:
            A_shared = T.alloc_shared((bm, bk), dtype)
            B_shared = T.alloc_shared((bn, bk), dtype)
            C_local = T.alloc_fragment((bm, bn), "float32")
            first_wave(pid, A, B, C, A_shared, B_shared, C_local)
            if whole > 0:
                full_tiles(pid, A, B, C, A_shared, B_shared, C_local)

    return main


@pytest.mark.parametrize("shape, programs", [((128, 192, 256), 4), ((100, 130, 144), 3)])
def test_stream_k(shape, programs, device):
    M, N, K = shape
    a, b = random((M, K), "float16", device), random((N, K), "float16", device)
    c = torch.zeros((M, N), device=device)
    run(stream_k(M, N, K, 64, 64, 32, programs), [a, b, c], device=device, inout=(2,))
    expected, scale = product(a, b.T)
    assert_close(c, expected, terms=K, scale=scale)


def block_scaled(M, N, K, in_dtype, out_dtype, bm=64, bn=64, bk=128, group=128, stages=2):
    """float8 with a scale for each 1 x 128 of A and 128 x 128 of B: promoted to float32 after each block of K."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), in_dtype),
        B: T.Tensor((N, K), in_dtype),
        C: T.Tensor((M, N), out_dtype),
        scales_a: T.Tensor((M, T.ceildiv(K, group)), "float32"),
        scales_b: T.Tensor((T.ceildiv(N, group), T.ceildiv(K, group)), "float32"),
    ):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=128) as (bx, by):
            A_shared = T.alloc_shared((bm, bk), in_dtype)
            B_shared = T.alloc_shared((bn, bk), in_dtype)
            C_shared = T.alloc_shared((bm, bn), out_dtype)
            Scale_C_shared = T.alloc_shared((bm,), "float32")
            C_local = T.alloc_fragment((bm, bn), "float32")
            C_local_accum = T.alloc_fragment((bm, bn), "float32")
            T.use_swizzle(panel_size=10)
            T.clear(C_local)
            T.clear(C_local_accum)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=stages):
                T.copy(A[by * bm, k * bk], A_shared)
                T.copy(B[bx * bn, k * bk], B_shared)
                Scale_B = scales_b[bx * bn // group, k]
                for i in T.Parallel(bm):
                    Scale_C_shared[i] = scales_a[by * bm + i, k] * Scale_B
                T.gemm(A_shared, B_shared, C_local, transpose_B=True)
                for i, j in T.Parallel(bm, bn):
                    C_local_accum[i, j] += C_local[i, j] * Scale_C_shared[i]
                T.clear(C_local)
            T.copy(C_local_accum, C_shared)
            T.copy(C_shared, C[by * bm, bx * bn])

    return main


@pytest.mark.parametrize(
    "M, N, K, dtype", [(64, 128, 256, "float8_e4m3"), (70, 136, 300, "float8_e4m3"), (33, 64, 128, "float8_e5m2")]
)
def test_block_scaled(M, N, K, dtype, device):
    a, b = random((M, K), dtype, device), random((N, K), dtype, device)
    sa = random((M, -(-K // 128)), "float32", device, 0.5, 2)
    sb = random((-(-N // 128), -(-K // 128)), "float32", device, 0.5, 2)
    kernel = tilelang.compile(block_scaled(M, N, K, dtype, "bfloat16"), out_idx=[2])
    out = kernel(a, b, sa, sb)
    wide_a = a.double().cpu() * sa.double().cpu().repeat_interleave(128, 1)[:, :K]
    wide_b = b.double().cpu() * sb.double().cpu().repeat_interleave(128, 0)[:N].repeat_interleave(128, 1)[:, :K]
    expected, scale = product(wide_a, wide_b.T)
    assert_close(out, expected, terms=K, scale=scale, arithmetic="fp8_accumulator")


def persistent(M, N, K, bm, bn, bk, sms, dtype="float16"):
    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((K, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(sms, threads=256) as block_id:
            A_shared = T.alloc_shared((bm, bk), dtype)
            B_shared = T.alloc_shared((bk, bn), dtype)
            C_local = T.alloc_fragment((bm, bn), "float32")
            C_shared = T.alloc_shared((bm, bn), dtype)
            m_blocks, n_blocks = T.ceildiv(M, bm), T.ceildiv(N, bn)
            waves = T.ceildiv(m_blocks * n_blocks, sms)
            for w in T.serial(waves):
                tile_id = sms * w + block_id
                bx = tile_id // n_blocks
                by = tile_id % n_blocks
                if bx * bm < M and by * bn < N:
                    T.clear(C_local)
                    for k in T.Pipelined(T.ceildiv(K, bk), num_stages=2):
                        T.copy(A[bx * bm, k * bk], A_shared)
                        T.copy(B[k * bk, by * bn], B_shared)
                        T.gemm(A_shared, B_shared, C_local)
                    T.copy(C_local, C_shared)
                    T.copy(C_shared, C[bx * bm, by * bn])

    return main


@pytest.mark.parametrize("shape, sms", [((256, 192, 64), 3), ((130, 100, 96), 5)])
def test_persistent(shape, sms, device):
    M, N, K = shape
    a, b = random((M, K), "float16", device), random((K, N), "float16", device)
    out = run(persistent(M, N, K, 64, 64, 32, sms), [a, b], ((M, N), "float16"), device=device)
    expected, scale = product(a, b)
    assert_close(out, expected, terms=K, scale=scale, arithmetic="float32")


def gated(M, N, K, bm=64, bn=64, bk=32, dtype="float16"):
    """silu(A @ G) * (A @ U) + bias: two accumulators on one A tile, a bias row, a fused epilogue."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), dtype),
        G: T.Tensor((K, N), dtype),
        U: T.Tensor((K, N), dtype),
        Bias: T.Tensor((N,), "float32"),
        C: T.Tensor((M, N), dtype),
    ):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=128) as (bx, by):
            A_shared = T.alloc_shared((bm, bk), dtype)
            G_shared = T.alloc_shared((bk, bn), dtype)
            U_shared = T.alloc_shared((bk, bn), dtype)
            bias = T.alloc_fragment((bn,), "float32")
            gate = T.alloc_fragment((bm, bn), "float32")
            up = T.alloc_fragment((bm, bn), "float32")
            T.clear(gate)
            T.clear(up)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=2):
                T.copy(A[by * bm, k * bk], A_shared)
                T.copy(G[k * bk, bx * bn], G_shared)
                T.copy(U[k * bk, bx * bn], U_shared)
                T.gemm(A_shared, G_shared, gate)
                T.gemm(A_shared, U_shared, up)
            T.copy(Bias[bx * bn], bias)
            for i, j in T.Parallel(bm, bn):
                gate[i, j] = gate[i, j] * (1.0 / (1.0 + T.exp2(-gate[i, j] * 1.44269504)))
                up[i, j] = up[i, j] * gate[i, j] + bias[j]
            T.copy(up, C[by * bm, bx * bn])

    return main


@pytest.mark.parametrize("shape", [(64, 64, 64), (77, 104, 80)])
def test_gated(shape, device):
    M, N, K = shape
    a, g, u = (random(s, "float16", device, -0.5, 0.5) for s in ((M, K), (K, N), (K, N)))
    bias = random((N,), "float32", device)
    out = run(gated(M, N, K), [a, g, u, bias], ((M, N), "float16"), device=device)
    (x, sx), (y, sy) = product(a, g), product(a, u)
    expected = torch.nn.functional.silu(x) * y + bias.double().cpu()
    assert_close(out, expected, terms=K, scale=sx * sy + 1, arithmetic="float32")

"""Transforms that move data between threads: Hadamard by shuffles, FFT by butterflies in shared memory, im2col by hand."""

from __future__ import annotations

import math

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def hadamard(batch, n, dtype):
    """Fast Walsh-Hadamard transform: in registers of a thread, between threads of a warp, between warps."""
    log_n = int(math.log2(n))
    thread_num = [0, 1, 1, 1, 2, 4, 8, 16, 32, 32, 128, 256, 256, 256, 256, 256][log_n]
    thread_elem = n // thread_num
    thread_round = int(math.log2(thread_elem))
    warps = 1 if thread_num <= 32 else thread_num // 32
    warp_round = int(math.log2(min(thread_num, 32)))

    @T.macro
    def within_warp(local, buf, rounds):
        tx = T.get_thread_binding(0)
        for i in T.serial(rounds):
            tx_stride = 1 << i
            sign = (tx >> i) & 1
            for j in T.Pipelined(thread_elem, num_stages=1):
                buf[j] = T.shfl_xor(local[j], tx_stride)
                local[j] = T.if_then_else(sign == 0, local[j] + buf[j], buf[j] - local[j])

    @T.prim_func
    def main(A: T.Tensor((batch, n), dtype), B: T.Tensor((batch, n), dtype)):
        with T.Kernel(batch, threads=thread_num) as bx:
            local = T.alloc_local((thread_elem,), dtype)
            buf = T.alloc_local((thread_elem,), dtype)
            exchange = T.alloc_shared((thread_num * thread_elem,), dtype)
            tx = T.get_thread_binding(0)
            for i in T.vectorized(thread_elem):
                local[i] = A[bx, tx * thread_elem + i]
            for i in T.serial(thread_round):
                chunksize = 1 << (i + 1)
                chunknum = thread_elem // chunksize
                for j in T.serial(chunknum):
                    chunkbase = j * chunksize
                    for k in T.serial(chunksize // 2):
                        local[chunkbase + k] = local[chunkbase + k] + local[chunkbase + k + chunksize // 2]
                        local[chunkbase + k + chunksize // 2] = local[chunkbase + k] - 2 * local[chunkbase + k + chunksize // 2]
            within_warp(local, buf, warp_round)
            if warps > 1:
                # transpose so that a warp holds what differs in the upper bits
                for j in T.serial(thread_elem):
                    exchange[(tx % 32) * warps * thread_elem + (tx // 32) * thread_elem + j] = local[j]
                T.sync_threads()
                for j in T.serial(thread_elem):
                    local[j] = exchange[tx * thread_elem + j]
                within_warp(local, buf, int(math.log2(warps)))
                T.sync_threads()
                for j in T.serial(thread_elem):
                    exchange[(tx % warps) * 32 * thread_elem + (tx // warps) * thread_elem + j] = local[j]
                T.sync_threads()
                for j in T.serial(thread_elem):
                    local[j] = exchange[tx * thread_elem + j]
            for i in T.vectorized(thread_elem):
                B[bx, tx * thread_elem + i] = local[i]

    return main


@pytest.mark.parametrize("n, dtype", [(8, "float32"), (256, "float32"), (1024, "float32"), (4096, "float32")])
def test_hadamard(n, dtype, device):
    a = random((3, n), dtype, device)
    out = run(hadamard(3, n, dtype), [a], ((3, n), dtype), device=device)
    h = torch.ones(1, 1, dtype=torch.float64)
    while h.shape[0] < n:
        h = torch.cat([torch.cat([h, h], 1), torch.cat([h, -h], 1)])
    assert_close(out, a.double().cpu() @ h, terms=n, scale=a.abs().double().sum(1, keepdim=True).expand(out.shape))


def fft(batch, n, threads):
    """Radix-2 FFT, decimation in time: bit-reversed loads, then log2(n) rounds of butterflies in shared memory."""
    rounds = int(math.log2(n))

    @T.prim_func
    def main(X: T.Tensor((batch, n, 2), "float32"), Y: T.Tensor((batch, n, 2), "float32")):
        with T.Kernel(batch, threads=threads) as bx:
            tx = T.get_thread_binding()
            re = T.alloc_shared((n,), "float32")
            im = T.alloc_shared((n,), "float32")
            for s in T.serial(n // threads):
                i = s * threads + tx
                target = T.alloc_var("int32")
                target = 0
                for bit in T.unroll(rounds):
                    target = target | (((i >> bit) & 1) << (rounds - 1 - bit))
                re[target] = X[bx, i, 0]
                im[target] = X[bx, i, 1]
            for r in T.serial(rounds):
                half = 1 << r
                T.sync_threads()
                for s in T.serial(n // 2 // threads):
                    i = s * threads + tx
                    j = i % half
                    a = i // half * half * 2 + j
                    b = a + half
                    angle = T.cast(j, "float32") * (-math.pi) / T.cast(half, "float32")
                    c, d = T.cos(angle), T.sin(angle)
                    tr = re[b] * c - im[b] * d
                    ti = re[b] * d + im[b] * c
                    ar = re[a]
                    ai = im[a]
                    re[a] = ar + tr
                    im[a] = ai + ti
                    re[b] = ar - tr
                    im[b] = ai - ti
            for s in T.serial(n // threads):
                Y[bx, s * threads + tx, 0] = re[s * threads + tx]
                Y[bx, s * threads + tx, 1] = im[s * threads + tx]

    return main


@pytest.mark.parametrize("n, threads", [(8, 4), (128, 64), (512, 64)])
def test_fft(n, threads, device):
    x = random((2, n, 2), "float32", device)
    out = run(fft(2, n, threads), [x], ((2, n, 2), "float32"), device=device)
    expected = torch.view_as_real(torch.fft.fft(torch.view_as_complex(x.double().cpu())))
    assert_close(out, expected, terms=n, scale=x.abs().double().cpu().sum((1, 2))[:, None, None].expand(out.shape) / 4)


def convolution(N, C, H, W, F, K, S, D, P, block_M, block_N, block_K, stages, operator, threads=128, dtype="float16"):
    """NHWC convolution as a matrix multiply whose A tile is gathered element by element, or by T.im2col."""
    OH = (H + 2 * P - D * (K - 1) - 1) // S + 1
    OW = (W + 2 * P - D * (K - 1) - 1) // S + 1

    @T.prim_func
    def main(data: T.Tensor((N, H, W, C), dtype), kernel: T.Tensor((K, K, C, F), dtype), out: T.Tensor((N, OH, OW, F), dtype)):
        with T.Kernel(T.ceildiv(F, block_N), T.ceildiv(N * OH * OW, block_M), threads=threads) as (bx, by):
            data_shared = T.alloc_shared((block_M, block_K), dtype)
            kernel_shared = T.alloc_shared((block_K, block_N), dtype)
            out_local = T.alloc_fragment((block_M, block_N), "float32")
            out_shared = T.alloc_shared((block_M, block_N), dtype)
            kernel_flat = T.Tensor((K * K * C, F), dtype, kernel.data)
            out_flat = T.Tensor((N * OH * OW, F), dtype, out.data)
            T.clear(out_local)
            for k_iter in T.Pipelined(T.ceildiv(K * K * C, block_K), num_stages=stages):
                if operator:
                    T.im2col(data, data_shared, by, k_iter, K, S, D, P)
                else:
                    for i, j in T.Parallel(block_M, block_K):
                        k = k_iter * block_K + j
                        m = by * block_M + i
                        access_h = m % (OH * OW) // OW * S + k // (K * C) * D - P
                        access_w = m % OW * S + k // C % K * D - P
                        in_bound = (access_h >= 0) and (access_w >= 0) and (access_h < H) and (access_w < W)
                        data_shared[i, j] = T.if_then_else(in_bound, data[m // (OH * OW), access_h, access_w, k % C], 0)
                T.copy(kernel_flat[k_iter * block_K, bx * block_N], kernel_shared)
                T.gemm(data_shared, kernel_shared, out_local)
            T.copy(out_local, out_shared)
            T.copy(out_shared, out_flat[by * block_M, bx * block_N])

    return main


@pytest.mark.parametrize("operator", [False, True])
@pytest.mark.parametrize(
    "N, C, H, W, F, K, S, D, P", [(2, 32, 8, 8, 64, 3, 1, 1, 1), (1, 16, 9, 7, 40, 3, 2, 1, 1), (1, 24, 10, 10, 32, 3, 1, 2, 2)]
)
def test_convolution(N, C, H, W, F, K, S, D, P, operator, device):
    x, w = random((N, H, W, C), "float16", device), random((K, K, C, F), "float16", device)
    xd, wd = x.double().cpu().permute(0, 3, 1, 2), w.double().cpu().permute(3, 2, 0, 1)
    expected = torch.nn.functional.conv2d(xd, wd, stride=S, padding=P, dilation=D).permute(0, 2, 3, 1)
    scale = torch.nn.functional.conv2d(xd.abs(), wd.abs(), stride=S, padding=P, dilation=D).permute(0, 2, 3, 1)
    program = convolution(N, C, H, W, F, K, S, D, P, 64, 32, 32, 2, operator)
    out = run(program, [x, w], (tuple(expected.shape), "float16"), device=device)
    assert_close(out, expected, terms=K * K * C, scale=scale, arithmetic="float32")

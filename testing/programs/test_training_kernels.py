"""Small kernels around a transformer: rotary embedding, cross entropy, casts to float8, dropout, matrix-vector products."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def rotary(batch, length, heads, dim, block=32, dtype="float16"):
    """Pairs (x[i], x[i + dim / 2]) turned by an angle of the position; cosines and sines come from tables."""
    half = dim // 2

    @T.prim_func
    def main(
        X: T.Tensor((batch, length, heads, dim), dtype),
        Cos: T.Tensor((length, half), "float32"),
        Sin: T.Tensor((length, half), "float32"),
        Y: T.Tensor((batch, length, heads, dim), dtype),
    ):
        with T.Kernel(T.ceildiv(length, block), heads, batch, threads=128) as (bx, by, bz):
            x = T.alloc_shared((block, dim), dtype)
            cos = T.alloc_fragment((block, half), "float32")
            sin = T.alloc_fragment((block, half), "float32")
            T.copy(X[bz, bx * block : (bx + 1) * block, by, :], x)
            T.copy(Cos[bx * block, 0], cos)
            T.copy(Sin[bx * block, 0], sin)
            for i, j in T.Parallel(block, half):
                if bx * block + i < length:
                    Y[bz, bx * block + i, by, j] = x[i, j] * cos[i, j] - x[i, j + half] * sin[i, j]
                    Y[bz, bx * block + i, by, j + half] = x[i, j + half] * cos[i, j] + x[i, j] * sin[i, j]

    return main


@pytest.mark.parametrize("length, dim", [(64, 64), (45, 96)])
def test_rotary(length, dim, device):
    x = random((2, length, 3, dim), "float16", device)
    angles = torch.arange(length)[:, None] * 10000.0 ** -(torch.arange(dim // 2) / (dim // 2))
    cos, sin = angles.cos().to(device), angles.sin().to(device)
    out = run(rotary(2, length, 3, dim), [x, cos, sin], (x.shape, "float16"), device=device)
    a, b = x.double().cpu().chunk(2, -1)
    c, s = (t.double().cpu()[None, :, None] for t in (cos, sin))
    assert_close(
        out, torch.cat([a * c - b * s, b * c + a * s], -1), scale=torch.cat([a.abs() + b.abs()] * 2, -1), arithmetic="float32"
    )


def cross_entropy(rows, vocab, block_v, threads=128, dtype="float32"):
    """Loss and gradient of one row a block: online log-sum-exp over tiles of the vocabulary, then softmax - onehot."""

    @T.prim_func
    def main(
        X: T.Tensor((rows, vocab), dtype),
        target: T.Tensor((rows,), "int64"),
        loss: T.Tensor((rows,), "float32"),
        dX: T.Tensor((rows, vocab), dtype),
    ):
        with T.Kernel(rows, threads=threads) as bx:
            x = T.alloc_fragment((block_v,), "float32")
            top = T.alloc_fragment((1,), "float32")
            before = T.alloc_fragment((1,), "float32")
            part = T.alloc_fragment((1,), "float32")
            total = T.alloc_fragment((1,), "float32")
            T.fill(top, -T.infinity("float32"))
            T.clear(total)
            for k in T.serial(T.ceildiv(vocab, block_v)):
                for j in T.Parallel(block_v):
                    x[j] = T.if_then_else(k * block_v + j < vocab, X[bx, k * block_v + j], -T.infinity("float32"))
                T.copy(top, before)
                T.reduce_max(x, top, dim=0, clear=False)
                for j in T.Parallel(block_v):
                    x[j] = T.exp(x[j] - top[0])
                T.reduce_sum(x, part, dim=0)
                total[0] = total[0] * T.exp(before[0] - top[0]) + part[0]
            logsum = T.log(total[0]) + top[0]
            label = target[bx]
            loss[bx] = T.if_then_else(label >= 0, logsum - X[bx, label], 0)
            for k in T.serial(T.ceildiv(vocab, block_v)):
                for j in T.Parallel(block_v):
                    col = k * block_v + j
                    if col < vocab:
                        p = T.exp(X[bx, col] - logsum)
                        dX[bx, col] = T.if_then_else(label >= 0, T.if_then_else(col == label, p - 1, p), 0)

    return main


@pytest.mark.parametrize("vocab, block_v", [(256, 128), (1000, 256), (37, 512)])
def test_cross_entropy(vocab, block_v, device):
    rows = 6
    x = random((rows, vocab), "float32", device, -4, 4)
    target = torch.randint(0, vocab, (rows,), device=device)
    target[2] = -100
    loss, grad = run(cross_entropy(rows, vocab, block_v), [x, target], ((rows,), "float32"), (x.shape, "float32"), device=device)
    wide = x.double().cpu().requires_grad_()
    expected = torch.nn.functional.cross_entropy(wide, target.cpu(), reduction="none", ignore_index=-100)
    expected.sum().backward()
    assert_close(loss, expected.detach(), scale=expected.detach() + 8, terms=4)
    assert_close(grad, wide.grad, scale=1.0, terms=4)


def per_token_cast(M, N, blk_m, group, dtype="float32"):
    """Rows in groups of 128 columns, each scaled by its largest magnitude over 448 and rounded to float8_e4m3."""
    fp8_max = 448.0

    @T.prim_func
    def main(
        X: T.Tensor((M, N), dtype),
        X_fp8: T.Tensor((M, N), "float8_e4m3fn"),
        X_amax: T.Tensor((M, T.ceildiv(N, group)), "float32"),
    ):
        with T.Kernel(T.ceildiv(M, blk_m), T.ceildiv(N, group), threads=128) as (bx, by):
            y_local = T.alloc_fragment((blk_m, group), dtype)
            y_amax_local = T.alloc_fragment((blk_m,), dtype)
            y_s_local = T.alloc_fragment((blk_m,), dtype)
            y_q_local = T.alloc_fragment((blk_m, group), dtype)
            y_q_local_fp8 = T.alloc_fragment((blk_m, group), "float8_e4m3fn")
            T.annotate_layout(
                {y_local: T.Fragment(y_local.shape, forward_thread_fn=lambda i, j: (i // (blk_m // 4)) * 32 + j % 32)}
            ) if group == 128 and blk_m % 4 == 0 else None
            T.copy(X[bx * blk_m : (bx + 1) * blk_m, by * group : (by + 1) * group], y_local)
            T.reduce_absmax(y_local, y_amax_local, dim=1)
            for i in T.Parallel(blk_m):
                y_amax_local[i] = T.max(y_amax_local[i], 1e-4)
                y_s_local[i] = y_amax_local[i] / fp8_max
            for i, j in T.Parallel(blk_m, group):
                y_q_local[i, j] = T.clamp(y_local[i, j] / y_s_local[i], -fp8_max, fp8_max)
            T.copy(y_q_local, y_q_local_fp8)
            for i in T.Parallel(blk_m):
                if bx * blk_m + i < M:
                    X_amax[bx * blk_m + i, by] = y_s_local[i]
            T.copy(y_q_local_fp8, X_fp8[bx * blk_m : (bx + 1) * blk_m, by * group : (by + 1) * group])

    return main


@pytest.mark.parametrize("M, N, blk_m, group", [(16, 256, 8, 128), (13, 192, 8, 64)])
def test_per_token_cast(M, N, blk_m, group, device):
    x = random((M, N), "float32", device)
    q, s = run(per_token_cast(M, N, blk_m, group), [x], ((M, N), "float8_e4m3"), ((M, N // group), "float32"), device=device)
    groups = x.cpu().view(M, N // group, group)
    scale = groups.abs().amax(-1).clamp(min=1e-4) / 448
    assert_close(s, scale.double())
    back = (groups / s.cpu()[..., None]).clamp(-448, 448).to(torch.float8_e4m3fn).view(M, N)
    assert torch.equal(q.cpu().view(torch.uint8), back.view(torch.uint8))


def dropout(N, block, keep, dtype="float32"):
    """Keeps an element with probability `keep`, decided by a hash of its index and the seed: the mask can be made again."""

    @T.macro
    def hashed(x):
        a = (x ^ (x >> T.uint32(16))) * T.uint32(0x7FEB352D)
        b = (a ^ (a >> T.uint32(15))) * T.uint32(0x846CA68B)
        return b ^ (b >> T.uint32(16))

    @T.prim_func
    def main(X: T.Tensor((N,), dtype), seed: T.int32, Y: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, block), threads=128) as bx:
            for i in T.Parallel(block):
                at = bx * block + i
                bits = hashed(T.cast(at, "uint32") + T.cast(seed, "uint32") * T.uint32(0x9E3779B9))
                uniform = T.cast(bits >> T.uint32(8), "float32") * (1.0 / 16777216.0)
                Y[at] = T.if_then_else(uniform < keep, X[at] / keep, 0)

    return main


def test_dropout(device):
    N, keep = 5000, 0.75
    x = random((N,), "float32", device)
    kernel = tilelang.compile(dropout(N, 1024, keep), out_idx=[-1])
    a, b, c = kernel(x, 7), kernel(x, 7), kernel(x, 8)
    assert torch.equal(a, b) and not torch.equal(a, c)
    kept = a != 0
    assert abs(kept.double().mean().item() - keep) < 0.04
    assert_close(a[kept], x[kept].double().cpu() / keep)


def gemv(N, K, block_n, reduce_threads, dtype="float16"):
    """y = B @ a: groups of threads along K read vectors, their sums meet by shuffles."""
    tile_k = 128 // (16 if dtype == "float16" else 32)
    block_k = reduce_threads * tile_k

    @T.prim_func
    def main(A: T.Tensor((K,), dtype), B: T.Tensor((N, K), dtype), C: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, block_n), threads=(reduce_threads, block_n)) as bn:
            tk = T.get_thread_binding(0)
            tn = T.get_thread_binding(1)
            A_local = T.alloc_local((tile_k,), dtype)
            B_local = T.alloc_local((tile_k,), dtype)
            C_accum = T.alloc_local((1,), "float32")
            T.clear(C_accum)
            for bk in T.serial(T.ceildiv(K, block_k)):
                for k in T.vectorized(tile_k):
                    A_local[k] = A[bk * block_k + tk * tile_k + k]
                    B_local[k] = B[bn * block_n + tn, bk * block_k + tk * tile_k + k]
                for k in T.serial(tile_k):
                    C_accum[0] += A_local[k].astype("float32") * B_local[k].astype("float32")
            total = T.alloc_var("float32")
            total = T.warp_reduce_sum(C_accum[0])
            if tk == 0:
                C[bn * block_n + tn] = total

    return main


@pytest.mark.parametrize("N, K", [(64, 512), (30, 256), (5, 1000)])
def test_gemv(N, K, device):
    a, b = random((K,), "float16", device), random((N, K), "float16", device)
    out = run(gemv(N, K, 4, 32), [a, b], ((N,), "float16"), device=device)
    a, b = a.double().cpu(), b.double().cpu()
    assert_close(out, b @ a, terms=K, scale=b.abs() @ a.abs(), arithmetic="float32")


def silu_backward_rows(M, N, blk=64):
    """Several outputs and a broadcast: gradients of y = silu(x) * w over rows, with the column sums by atomics."""

    @T.prim_func
    def main(
        X: T.Tensor((M, N), "float32"),
        W: T.Tensor((N,), "float32"),
        dY: T.Tensor((M, N), "float32"),
        dX: T.Tensor((M, N), "float32"),
        dW: T.Tensor((N,), "float32"),
    ):
        with T.Kernel(T.ceildiv(N, blk), T.ceildiv(M, blk), threads=128) as (bx, by):
            x = T.alloc_fragment((blk, blk), "float32")
            dy = T.alloc_fragment((blk, blk), "float32")
            w = T.alloc_fragment((blk,), "float32")
            dw = T.alloc_fragment((blk,), "float32")
            T.copy(X[by * blk, bx * blk], x)
            T.copy(dY[by * blk, bx * blk], dy)
            T.copy(W[bx * blk], w)
            for i, j in T.Parallel(blk, blk):
                gate = T.sigmoid(x[i, j])
                if by * blk + i < M and bx * blk + j < N:
                    dX[by * blk + i, bx * blk + j] = dy[i, j] * w[j] * gate * (1 + x[i, j] * (1 - gate))
                dy[i, j] = dy[i, j] * x[i, j] * gate
            T.reduce_sum(dy, dw, dim=0)
            for j in T.Parallel(blk):
                if bx * blk + j < N:
                    T.atomic_add(dW[bx * blk + j], dw[j])

    return main


@pytest.mark.parametrize("M, N", [(64, 128), (70, 90)])
def test_silu_backward(M, N, device):
    x, dy = random((M, N), "float32", device), random((M, N), "float32", device)
    w = random((N,), "float32", device)
    dw = torch.zeros(N, device=device)
    program = silu_backward_rows(M, N)
    kernel = tilelang.compile(program)
    dx = torch.full((M, N), torch.nan, device=device)
    kernel(x, w, dy, dx, dw)
    xd, wd = x.double().cpu().requires_grad_(), w.double().cpu().requires_grad_()
    (torch.nn.functional.silu(xd) * wd * dy.double().cpu()).sum().backward()
    assert_close(dx, xd.grad, scale=xd.grad.abs() + 0.1, terms=2)
    assert_close(dw, wd.grad, scale=torch.nn.functional.silu(xd).abs().detach().mul(dy.cpu().abs()).sum(0), terms=M)

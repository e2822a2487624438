"""Warp specialization by hand: groups of threads, mbarriers, TMA."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random
from tilelang.errors import TileLangError, UnsupportedError

SM90 = {"kind": "cuda", "arch": "sm_90a"}


def copy_producer(M, N, K, bm, bn, bk, dtype="float16"):
    """A group that copies and one that multiplies, on one buffer: the classic example."""

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((K, N), dtype), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=256) as (bx, by):
            A_s = T.alloc_shared((bm, bk), dtype)
            B_s = T.alloc_shared((bk, bn), dtype)
            C_f = T.alloc_fragment((bm, bn), "float32")
            ready = T.alloc_barrier(arrive_count=128)
            done = T.alloc_barrier(arrive_count=128)
            T.clear(C_f)
            for k in T.serial(T.ceildiv(K, bk)):
                with T.ws(0):
                    T.barrier_wait(done, (k + 1) % 2)
                    T.copy(A[by * bm, k * bk], A_s)
                    T.copy(B[k * bk, bx * bn], B_s)
                    T.barrier_arrive(ready)
                with T.ws(1):
                    T.barrier_wait(ready, k % 2)
                    T.gemm(A_s, B_s, C_f)
                    T.barrier_arrive(done)
            with T.ws(1):
                T.copy(C_f, C[by * bm, bx * bn])

    return main


def test_copy_producer(device):
    M, N, K = 100, 64, 72
    a, b = random((M, K), "float16", device), random((K, N), "float16", device)
    out = run(copy_producer(M, N, K, 64, 64, 32), [a, b], ((M, N), "float32"), device=device, target=SM90)
    assert_close(out, a.double() @ b.double(), terms=K, scale=a.double().abs() @ b.double().abs())


def tma_producer(M, N, K, bm, bn, bk, stages=3, dtype="float16"):
    """A producer that issues TMA, two consumer groups, a ring of slots, registers moved, an epilogue by TMA."""

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((K, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=384) as (bx, by):
            A_s = T.alloc_shared((stages, bm, bk), dtype)
            B_s = T.alloc_shared((stages, bk, bn), dtype)
            C_s = T.alloc_shared((bm, bn), dtype)
            C_f = T.alloc_fragment((bm, bn), "float32")
            full = T.alloc_barrier([128] * stages)
            empty = T.alloc_barrier([256] * stages)
            tx = T.get_thread_binding()
            if tx >= 256:
                T.annotate_producer_reg_dealloc(40)
                for k in T.serial(T.ceildiv(K, bk)):
                    T.mbarrier_wait_parity(empty[k % stages], (k // stages + 1) % 2)
                    T.tma_copy(A[by * bm, k * bk], A_s[k % stages, :, :], barrier=full[k % stages])
                    T.tma_copy(B[k * bk, bx * bn], B_s[k % stages, :, :], barrier=full[k % stages])
                    T.mbarrier_arrive(full[k % stages])
            else:
                T.annotate_consumer_reg_alloc(232)
                T.clear(C_f)
                for k in T.serial(T.ceildiv(K, bk)):
                    T.mbarrier_wait_parity(full[k % stages], k // stages % 2)
                    T.wgmma_gemm(A_s[k % stages, :, :], B_s[k % stages, :, :], C_f)
                    T.wait_wgmma(0)
                    T.mbarrier_arrive(empty[k % stages])
                T.copy(C_f, C_s)
                T.fence_proxy_async()
                T.sync_threads(3, 256)
                T.tma_copy(C_s, C[by * bm, bx * bn])
                T.tma_store_wait(0)

    return main


@pytest.mark.parametrize("M, N, K", [(128, 64, 64), (100, 72, 200)])
def test_tma_producer(M, N, K, device):
    a, b = random((M, K), "float16", device), random((K, N), "float16", device)
    out = run(tma_producer(M, N, K, 128, 64, 32), [a, b], ((M, N), "float16"), device=device, target=SM90)
    assert_close(out, a.double() @ b.double(), terms=K, scale=a.double().abs() @ b.double().abs())


def flash_attention(B, S, H, D, bm, bn, dtype="float16"):
    """Queries stay with two consumer groups; a producer brings keys and values in turn."""
    scale = 1.44269504 / D**0.5

    @T.prim_func
    def main(
        Q: T.Tensor((B, S, H, D), dtype),
        K: T.Tensor((B, S, H, D), dtype),
        V: T.Tensor((B, S, H, D), dtype),
        O: T.Tensor((B, S, H, D), dtype),
    ):
        with T.Kernel(T.ceildiv(S, bm), H, B, threads=384) as (bx, by, bz):
            Q_s = T.alloc_shared((bm, D), dtype)
            K_s = T.alloc_shared((2, bn, D), dtype)
            V_s = T.alloc_shared((2, bn, D), dtype)
            acc_s = T.alloc_fragment((bm, bn), "float32")
            acc_p = T.alloc_fragment((bm, bn), dtype)
            acc_o = T.alloc_fragment((bm, D), "float32")
            row_max = T.alloc_fragment((bm,), "float32")
            row_old = T.alloc_fragment((bm,), "float32")
            row_scale = T.alloc_fragment((bm,), "float32")
            row_part = T.alloc_fragment((bm,), "float32")
            row_sum = T.alloc_fragment((bm,), "float32")
            q_full = T.alloc_barrier(arrive_count=128)
            k_full = T.alloc_barrier(arrive_count=[128, 128])
            v_full = T.alloc_barrier(arrive_count=[128, 128])
            k_empty = T.alloc_barrier(arrive_count=[256, 256])
            v_empty = T.alloc_barrier(arrive_count=[256, 256])
            with T.ws(2):
                T.dec_max_nreg(24)
                T.tma_copy(Q[bz, bx * bm : (bx + 1) * bm, by, :], Q_s, barrier=q_full)
                T.barrier_arrive(q_full)
                for k in T.serial(T.ceildiv(S, bn)):
                    T.barrier_wait(k_empty[k % 2], (k // 2 + 1) % 2)
                    T.tma_copy(K[bz, k * bn : (k + 1) * bn, by, :], K_s[k % 2, :, :], barrier=k_full[k % 2])
                    T.barrier_arrive(k_full[k % 2])
                    T.barrier_wait(v_empty[k % 2], (k // 2 + 1) % 2)
                    T.tma_copy(V[bz, k * bn : (k + 1) * bn, by, :], V_s[k % 2, :, :], barrier=v_full[k % 2])
                    T.barrier_arrive(v_full[k % 2])
            with T.ws(0, 1):
                T.inc_max_nreg(240)
                T.clear(acc_o)
                T.clear(row_sum)
                T.fill(row_max, -T.infinity("float32"))
                T.barrier_wait(q_full, 0)
                for k in T.serial(T.ceildiv(S, bn)):
                    T.barrier_wait(k_full[k % 2], k // 2 % 2)
                    T.wgmma_gemm(Q_s, K_s[k % 2, :, :], acc_s, transpose_B=True, clear_accum=True)
                    T.wait_wgmma(0)
                    T.barrier_arrive(k_empty[k % 2])
                    for i, j in T.Parallel(bm, bn):
                        acc_s[i, j] = T.if_then_else(k * bn + j < S, acc_s[i, j], -T.infinity("float32"))
                    T.copy(row_max, row_old)
                    T.reduce_max(acc_s, row_max, dim=1, clear=False)
                    for i in T.Parallel(bm):
                        row_scale[i] = T.exp2((row_old[i] - row_max[i]) * scale)
                    for i, j in T.Parallel(bm, bn):
                        acc_s[i, j] = T.exp2((acc_s[i, j] - row_max[i]) * scale)
                    T.reduce_sum(acc_s, row_part, dim=1)
                    for i in T.Parallel(bm):
                        row_sum[i] = row_sum[i] * row_scale[i] + row_part[i]
                    T.copy(acc_s, acc_p)
                    for i, j in T.Parallel(bm, D):
                        acc_o[i, j] *= row_scale[i]
                    T.barrier_wait(v_full[k % 2], k // 2 % 2)
                    T.gemm(acc_p, V_s[k % 2, :, :], acc_o, policy=T.GemmWarpPolicy.FullRow)
                    T.barrier_arrive(v_empty[k % 2])
                for i, j in T.Parallel(bm, D):
                    acc_o[i, j] /= row_sum[i]
                T.copy(acc_o, O[bz, bx * bm : (bx + 1) * bm, by, :])

    return main


@pytest.mark.parametrize("S", [128, 200])
def test_flash_attention(S, device):
    B, H, D = 1, 2, 64
    q, k, v = (random((B, S, H, D), "float16", device) for _ in range(3))
    out = run(flash_attention(B, S, H, D, 128, 64), [q, k, v], ((B, S, H, D), "float16"), device=device, target=SM90)
    scores = torch.einsum("bqhd,bkhd->bhqk", q.double(), k.double()) / D**0.5
    expected = torch.einsum("bhqk,bkhd->bqhd", scores.softmax(-1), v.double())
    assert_close(out, expected, terms=S, scale=v.double().abs().amax())


@pytest.mark.parametrize("program", [copy_producer(64, 64, 96, 64, 64, 32), tma_producer(128, 64, 128, 128, 64, 32)])
def test_checker_finds_nothing(program):
    kernel = tilelang.compile(program, target=SM90, execution_backend="simulator")
    shapes = [p.shape for p in kernel.params[:2]]
    a, b = (random(tuple(int(n) for n in s), "float16", "cpu") for s in shapes)
    out = torch.empty(a.shape[0], b.shape[1], dtype=getattr(torch, kernel.params[2].dtype))
    report = kernel.check(a, b, out, schedules=2)
    assert not report.findings, str(report)


def three_groups(M, N, one_thread):
    """A warp or one elected thread brings tiles; two groups reduce halves of them, each with a barrier of its own."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((2, N), "float32")):
        with T.Kernel(1, threads=288) as _:
            tiles = T.alloc_shared((M, N), "float32")
            full = T.alloc_barrier(1 if one_thread else 32)
            total = T.alloc_fragment((N,), "float32")
            tx = T.get_thread_binding()
            if tx < 128:
                T.mbarrier_wait_parity(full, 0)
                T.reduce_sum(tiles[: M // 2, :], total, dim=0)
                T.copy(total, B[0, :])
            elif tx < 256:
                T.mbarrier_wait_parity(full, 0)
                T.reduce_sum(tiles[M // 2 :, :], total, dim=0)
                T.copy(total, B[1, :])
            elif one_thread:
                if T.shuffle_elect(32):
                    T.tma_copy(A, tiles, barrier=full)
                    T.mbarrier_arrive(full)
            else:
                T.tma_copy(A, tiles, barrier=full)
                T.mbarrier_arrive(full)

    return main


@pytest.mark.parametrize("one_thread", [False, True])
def test_three_groups(one_thread, device):
    a = random((64, 32), "float32", device)
    out = run(three_groups(64, 32, one_thread), [a], ((2, 32), "float32"), device=device, target=SM90)
    x = a.double().view(2, 32, 32)
    assert_close(out, x.sum(1), terms=32, scale=x.abs().sum(1))


def body_of(write):
    """A kernel of 256 threads with a tile and a barrier."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float16"), B: T.Tensor((64, 64), "float32")):
        with T.Kernel(1, threads=256) as _:
            s = T.alloc_shared((64, 64), "float16")
            bar = T.alloc_barrier(1)
            write(A, B, s, bar)

    return main


@T.macro
def load_without_barrier(A, B, s, bar):
    T.tma_copy(A, s)


@T.macro
def no_such_group(A, B, s, bar):
    with T.ws(2):
        T.barrier_arrive(bar)


@T.macro
def converting(A, B, s, bar):
    T.tma_copy(B, s, barrier=bar)


@pytest.mark.parametrize(
    "write, words", [(load_without_barrier, "barrier=bar"), (no_such_group, "2 warpgroups"), (converting, "TMA converts nothing")]
)
def test_misuse(write, words):
    with pytest.raises(TileLangError) as caught:
        tilelang.compile(body_of(write), target=SM90)
    assert words in str(caught.value)


def test_barriers_need_hopper():
    with pytest.raises(UnsupportedError, match="T.alloc_barrier needs sm_90"):
        tilelang.compile(copy_producer(64, 64, 64, 64, 64, 32), target={"kind": "cuda", "arch": "sm_80"})


def test_moved_registers_have_a_launch_bound():
    """Without one ptxas does not know how many registers a thread starts with, and ignores setmaxnreg."""
    kernel = tilelang.compile(tma_producer(128, 64, 128, 128, 64, 32), target=SM90)
    assert "__launch_bounds__(384, 1)" in kernel.get_kernel_source()

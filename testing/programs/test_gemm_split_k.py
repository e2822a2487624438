"""Split-K matrix multiply: partial sums meet in global memory through atomics, or in a second launch."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def split_k_atomic(M, N, K, tile, splits, dtype, form, stages=2):
    """Each block adds its share of K to a result that the caller cleared."""
    bm, bn, bk = tile
    share = -(-K // (splits * bk)) * bk

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((N, K), dtype), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), splits, threads=128) as (bx, by, bz):
            As = T.alloc_shared((bm, bk), dtype)
            Bs = T.alloc_shared((bn, bk), dtype)
            Cs = T.alloc_shared((bm, bn), "float32")
            Cl = T.alloc_fragment((bm, bn), "float32")
            T.clear(Cl)
            for k in T.Pipelined(share // bk, num_stages=stages):
                T.copy(A[by * bm, bz * share + k * bk], As)
                T.copy(B[bx * bn, bz * share + k * bk], Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            if form == "tile":
                T.atomic_add(C[by * bm, bx * bn], Cl)
            elif form == "shared":
                T.copy(Cl, Cs)
                T.atomic_add(C[by * bm, bx * bn], Cs)
            else:
                for i, j in T.Parallel(bm, bn):
                    if by * bm + i < M and bx * bn + j < N:
                        T.atomic_add(C[by * bm + i, bx * bn + j], Cl[i, j])

    return main


@pytest.mark.parametrize("form", ["tile", "shared", "elements"])
@pytest.mark.parametrize(
    "problem, tile, splits",
    [((64, 64, 128), (64, 32, 32), 2), ((50, 70, 200), (48, 80, 32), 3), ((33, 30, 90), (96, 112, 16), 4)],
    ids=["even", "odd", "ragged"],
)
def test_split_k_with_atomics(form, problem, tile, splits, device):
    M, N, K = problem
    a, b = random((M, K), "float16", device), random((N, K), "float16", device)
    c = torch.zeros((M, N), device=device)
    run(split_k_atomic(M, N, K, tile, splits, "float16", form), [a, b, c], device=device, inout=(2,))
    x, y = a.double(), b.double().T
    assert_close(c, x @ y, terms=K, scale=x.abs() @ y.abs())


def split_k_workspace(M, N, K, tile, splits):
    """Partial products in a workspace, summed by the second launch of the same function."""
    bm, bn, bk = tile
    share = -(-K // (splits * bk)) * bk

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float16"),
        B: T.Tensor((K, N), "float16"),
        W: T.Tensor((splits, M, N), "float32"),
        C: T.Tensor((M, N), "float16"),
    ):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), splits, threads=64) as (bx, by, bz):
            As = T.alloc_shared((bm, bk), "float16")
            Bs = T.alloc_shared((bk, bn), "float16")
            Cl = T.alloc_fragment((bm, bn), "float32")
            T.clear(Cl)
            for k in T.Pipelined(share // bk, num_stages=2):
                T.copy(A[by * bm, bz * share + k * bk], As)
                T.copy(B[bz * share + k * bk, bx * bn], Bs)
                T.gemm(As, Bs, Cl)
            T.copy(Cl, W[bz, by * bm, bx * bn])
        with T.Kernel(T.ceildiv(N, 64), M, threads=64) as (bx, by):
            total = T.alloc_fragment((64,), "float32")
            T.clear(total)
            for s in T.serial(splits):
                for j in T.Parallel(64):
                    if bx * 64 + j < N:
                        total[j] += W[s, by, bx * 64 + j]
            T.copy(total, C[by, bx * 64])

    return main


@pytest.mark.parametrize("problem", [(64, 64, 128), (45, 75, 100)], ids=["even", "ragged"])
def test_split_k_with_two_launches(problem, device):
    M, N, K = problem
    a, b = random((M, K), "float16", device), random((K, N), "float16", device)
    program = split_k_workspace(M, N, K, (32, 48, 16), 3)
    _, c = run(program, [a, b], ((3, M, N), "float32"), ((M, N), "float16"), device=device)
    x, y = a.double(), b.double()
    assert_close(c, x @ y, terms=K, scale=x.abs() @ y.abs(), arithmetic="float32")


def test_a_ring_leaves_room_for_what_is_allocated_late():
    """Sums that are staged for their atomics take 64 KB, of which the ring knows nothing: it starts over with fewer slots."""
    program = split_k_atomic(256, 256, 4096, (128, 128, 64), 4, "float16", "tile", 3)
    kernel = tilelang.compile(program, target={"kind": "cuda", "arch": "sm_90a"}, execution_backend="simulator")
    (slots,) = {b.stages for b in kernel.resources[0].shared if b.name in ("As", "Bs")}
    assert 3 < slots < 7 and not [r for r in kernel.remarks if "no producer warp" in r.text]
    a, b = random((256, 4096), "float16", "cpu"), random((256, 4096), "float16", "cpu")
    c = torch.zeros(256, 256)
    kernel(a, b, c)
    x, y = a.double(), b.double().T
    assert_close(c, x @ y, terms=4096, scale=x.abs() @ y.abs())

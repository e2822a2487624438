"""Atomics on elements and tiles of global and shared memory."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random, torch_dtype


def histogram(N, bins):
    """Counts in shared memory first, then one addition a bin and block."""

    @T.prim_func
    def main(A: T.Tensor((N,), "int32"), H: T.Tensor((bins,), "int32")):
        with T.Kernel(T.ceildiv(N, 256), threads=128) as bx:
            counts = T.alloc_shared((bins,), "int32")
            T.clear(counts)
            for i in T.Parallel(256):
                if bx * 256 + i < N:
                    T.atomic_add(counts[A[bx * 256 + i]], 1)
            for i in T.Parallel(bins):
                T.atomic_add(H[i], counts[i])

    return main


@pytest.mark.parametrize("N, bins", [(1000, 16), (255, 40)])
def test_histogram(N, bins, device):
    a = random(N, "int32", device, 0, bins)
    h = torch.zeros(bins, dtype=torch.int32, device=device)
    run(histogram(N, bins), [a, h], device=device, inout=(1,))
    assert_close(h, torch.bincount(a, minlength=bins))


def column_sums(M, N, dtype):
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), S: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, 64), T.ceildiv(M, 8), threads=64) as (bx, by):
            x = T.alloc_fragment((8, 64), dtype)
            T.copy(A[by * 8, bx * 64], x)
            for i, j in T.Parallel(8, 64):
                if by * 8 + i < M and bx * 64 + j < N:
                    T.atomic_add(S[bx * 64 + j], x[i, j])

    return main


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int32"])
def test_atomic_add(dtype, device):
    M, N = 33, 100
    a = random((M, N), dtype, device) if dtype != "int32" else random((M, N), dtype, device, -100, 100)
    s = torch.zeros(N, dtype=a.dtype, device=device)
    run(column_sums(M, N, dtype), [a, s], device=device, inout=(1,))
    x = a.double() if a.is_floating_point() else a.long()
    assert_close(s, x.sum(0), terms=M, scale=x.abs().sum(0).double())


def extremes(M, N, dtype):
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), H: T.Tensor((N,), dtype), L: T.Tensor((N,), dtype)):
        with T.Kernel(M, threads=64) as bx:
            for j in T.Parallel(N):
                T.atomic_max(H[j], A[bx, j])
                T.atomic_min(L[j], A[bx, j])

    return main


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "float32", "float16", "bfloat16"])
def test_atomic_max_and_min(dtype, device):
    M, N = 20, 50
    a = (
        random((M, N), dtype, device)
        if dtype[0] in "bf"
        else random((M, N), dtype, device, 0 if dtype[0] == "u" else -1000, 1000)
    )
    h, low = (a[0].clone() for _ in range(2))
    run(extremes(M, N, dtype), [a, h, low], device=device, inout=(1, 2))
    x = a.double() if a.is_floating_point() else a.long()
    assert_close(h, x.amax(0), ulps=0)
    assert_close(low, x.amin(0), ulps=0)


def bitwise(M, N):
    @T.prim_func
    def main(A: T.Tensor((M, N), "int32"), B: T.Tensor((N,), "int32")):
        with T.Kernel(M, threads=32) as bx:
            for j in T.Parallel(N):
                T.atomic_or(B[j], A[bx, j])

    return main


def test_atomic_or(device):
    a = random((9, 40), "int32", device)
    b = torch.zeros(40, dtype=torch.int32, device=device)
    run(bitwise(9, 40), [a, b], device=device, inout=(1,))
    expected = a[0]
    for row in a[1:]:
        expected = expected | row
    assert_close(b, expected)


def append(N):
    """return_prev: the value before the addition is this thread's place in the list."""

    @T.prim_func
    def main(A: T.Tensor((N,), "int32"), count: T.Tensor((1,), "int32"), B: T.Tensor((N,), "int32")):
        with T.Kernel(T.ceildiv(N, 64), threads=64) as bx:
            at = bx * 64 + T.get_thread_binding()
            if at < N:
                if A[at] > 0:
                    place = T.atomic_add(count[0], 1, return_prev=True)
                    B[place] = A[at]

    return main


def test_return_prev(device):
    a = random(300, "int32", device, -50, 50)
    count = torch.zeros(1, dtype=torch.int32, device=device)
    b = run(append(300), [a, count], ((300,), "int32"), device=device, inout=(1,))
    n = int(count[0])
    assert n == int((a > 0).sum())
    assert_close(b[:n].sort().values, a[a > 0].sort().values)


def tiles(M, N, source):
    """A whole tile added to a region, ragged at the edges, several blocks to the same place."""

    @T.prim_func
    def main(A: T.Tensor((4, M, N), "float32"), S: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 48), T.ceildiv(M, 16), 4, threads=64) as (bx, by, bz):
            f = T.alloc_fragment((16, 48), "float32")
            s = T.alloc_shared((16, 48), "float32")
            T.copy(A[bz, by * 16, bx * 48], f)
            if source == "shared":
                T.copy(f, s)
                T.atomic_add(S[by * 16, bx * 48], s)
            else:
                T.atomic_add(S[by * 16, bx * 48], f)

    return main


@pytest.mark.parametrize("source", ["fragment", "shared"])
def test_tile_atomics(source, device):
    a = random((4, 35, 70), "float32", device)
    s = torch.zeros((35, 70), device=device)
    run(tiles(35, 70, source), [a, s], device=device, inout=(1,))
    x = a.double()
    assert_close(s, x.sum(0), terms=4, scale=x.abs().sum(0))


def ordered(N):
    @T.prim_func
    def main(A: T.Tensor((N,), "int32"), total: T.Tensor((1,), "int32"), high: T.Tensor((1,), "int32")):
        with T.Kernel(T.ceildiv(N, 64), threads=64) as bx:
            at = bx * 64 + T.get_thread_binding()
            if at < N:
                T.atomic_add(total[0], A[at], memory_order="relaxed")
                T.atomic_max(high[0], A[at], memory_order="acq_rel")

    return main


def test_memory_orders(device):
    a = random(200, "int32", device, -1000, 1000)
    total, high = (torch.full((1,), v, dtype=torch.int32, device=device) for v in (0, -5000))
    run(ordered(200), [a, total, high], device=device, inout=(1, 2))
    assert int(total) == int(a.sum()) and int(high) == int(a.max())


@pytest.mark.parametrize("dtype, width", [("float32", 4), ("float16", 2), ("bfloat16", 2), ("int32", 1)])
@pytest.mark.parametrize("N", [64, 62, 61])
def test_additions_to_neighbouring_elements(dtype, width, N, device):
    """In a loop of the author's: as vectors where the hardware adds them and all of one are there, else one by one."""
    M = 48

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(2, threads=128) as _:
            a = T.alloc_fragment((M, 64), dtype)
            T.copy(A[0, 0], a)
            for i, j in T.Parallel(M, 64):
                if j < N:
                    T.atomic_add(C[i, j], a[i, j])

    a = torch.randint(-8, 9, (M, N)).to(torch_dtype(dtype)).to(device)
    c = torch.ones((M, N), device=device).to(torch_dtype(dtype))
    where = {} if device == "cuda" else {"execution_backend": "simulator"}
    kernel = tilelang.compile(main, target={"kind": "cuda", "arch": "sm_90a"}, **where)
    kernel(a, c)
    assert torch.equal(c, a * 2 + 1)
    vectors = "tl::atomic_add_vec<" in kernel.get_kernel_source()
    assert vectors is (width > 1 and N % 2 == 0)

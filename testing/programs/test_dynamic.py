"""Symbolic dimensions: one kernel, many shapes, empty ones included."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.gemm import TYPES, check, gemm, inputs
from testing.programs.launch import run
from testing.programs.reference import assert_close, random

BY_NAME = {t.name: t for t in TYPES}
PROBLEMS = [(64, 64, 64), (1, 1, 1), (130, 70, 95), (17, 200, 8), (0, 40, 32), (40, 0, 32), (40, 40, 0)]


@pytest.mark.parametrize(
    "types, tile, transposes, stages",
    [
        ("f16", (64, 64, 32), "NN", 2),
        ("f16", (48, 80, 32), "NT", 3),
        ("bf16", (96, 112, 16), "TN", 0),
        ("tf32", (32, 48, 32), "TT", 4),
    ]
    + [
        ("i8", (64, 32, 64), "NT", 2),
        ("f64", (16, 48, 16), "NN", 1),
        ("e4m3", (80, 64, 64), "NT", 2),
        ("f16acc16", (1, 96, 32), "NN", 2),
    ],
    ids=str,
)
def test_gemm_of_dynamic_shape(types, tile, transposes, stages, device):
    types = BY_NAME[types]
    M, N, K = T.dynamic("M, N, K")
    kernel = tilelang.compile(gemm(M, N, K, tile, types, transposes, stages=stages))
    for m, n, k in PROBLEMS:
        a, b = inputs(m, n, k, types, transposes, device)
        check(run(kernel, [a, b], ((m, n), types.out), device=device), a, b, types, transposes)


@pytest.mark.parametrize("axis", ["M", "N", "K"])
def test_gemm_with_one_dynamic_axis(axis, device):
    shape = {"M": 64, "N": 48, "K": 96, axis: T.dynamic(axis)}
    kernel = tilelang.compile(gemm(*shape.values(), (64, 48, 32), BY_NAME["f16"], "NT", stages=2, epilogue="shared"))
    for extent in (1, 50, 96, 128, 0):
        m, n, k = ({"M": 64, "N": 48, "K": 96} | {axis: extent}).values()
        a, b = inputs(m, n, k, BY_NAME["f16"], "NT", device)
        check(run(kernel, [a, b], ((m, n), "float16"), device=device), a, b, BY_NAME["f16"], "NT")


def add(block, dtype, index):
    n = T.dynamic("n", index)

    @T.prim_func
    def main(A: T.Tensor((n,), dtype), B: T.Tensor((n,), dtype), C: T.Tensor((n,), dtype)):
        with T.Kernel(T.ceildiv(n, block), threads=128) as bx:
            for i in T.Parallel(block):
                C[bx * block + i] = A[bx * block + i] + B[bx * block + i]

    return main


@pytest.mark.parametrize("dtype, index, block", [("float16", "int32", 512), ("float32", "int64", 112), ("int8", "int32", 48)])
def test_add_of_dynamic_length(dtype, index, block, device):
    kernel = tilelang.compile(add(block, dtype, index))
    for n in (0, 1, 47, 48, 512, 1000, 4096):
        a, b = random(n, dtype, device), random(n, dtype, device)
        wide = (a.double() + b.double()) if a.is_floating_point() else (a + b)
        assert_close(run(kernel, [a, b], ((n,), dtype), device=device), wide)


def strided_scale(dtype):
    m, n, s = T.dynamic("m, n, s")

    @T.prim_func
    def main(A: T.StridedTensor((m, n), (s, 1), dtype), C: T.Tensor((m, n), dtype)):
        with T.Kernel(T.ceildiv(n, 64), T.ceildiv(m, 8), threads=64) as (bx, by):
            tile = T.alloc_fragment((8, 64), dtype)
            T.copy(A[by * 8, bx * 64], tile)
            for i, j in T.Parallel(8, 64):
                tile[i, j] = tile[i, j] * 2
            T.copy(tile, C[by * 8, bx * 64])

    return main


def test_dynamic_strides(device):
    kernel = tilelang.compile(strided_scale("float32"))
    for m, n, s in [(20, 70, 70), (9, 33, 50), (1, 1, 8)]:
        whole = random((m, s), "float32", device)
        a = whole[:, :n]
        assert_close(run(kernel, [a], ((m, n), "float32"), device=device), a.double() * 2)


def rows(dtype):
    """A dimension that is an expression of a symbol, which is also a loop bound."""
    b, t = T.dynamic("b, t")

    @T.prim_func
    def main(A: T.Tensor((b, 2 * t + 1, 32), dtype), W: T.Tensor((t,), dtype), C: T.Tensor((b, 32), "float32")):
        with T.Kernel(b, threads=32) as bx:
            total = T.alloc_fragment((32,), "float32")
            T.clear(total)
            for k in T.serial(2 * t + 1):
                for j in T.Parallel(32):
                    total[j] += A[bx, k, j]
            for k in T.serial(t):
                for j in T.Parallel(32):
                    total[j] += W[k]
            T.copy(total, C[bx, 0])

    return main


def test_dynamic_loop_bound(device):
    kernel = tilelang.compile(rows("float32"))
    for b, t in [(3, 3), (1, 0), (5, 1)]:
        a, w = random((b, 2 * t + 1, 32), "float32", device), random(t, "float32", device)
        x, y = a.double(), w.double()
        scale = x.abs().sum(1) + y.abs().sum()
        assert_close(run(kernel, [a, w], ((b, 32), "float32"), device=device), x.sum(1) + y.sum(), terms=3 * t + 1, scale=scale)
    with pytest.raises(ValueError, match="2 \\* t"):
        run(kernel, [random((3, 4, 32), "float32", device), random(1, "float32", device)], ((3, 32), "float32"), device=device)


def scalar_bound(N):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), limit: T.int32, C: T.Tensor((N,), "float32")):
        with T.Kernel(T.ceildiv(N, 64), threads=64) as bx:
            for i in T.Parallel(64):
                if bx * 64 + i < limit:
                    C[bx * 64 + i] = A[bx * 64 + i]
                else:
                    C[bx * 64 + i] = -1.0

    return main


def test_scalar_as_limit(device):
    kernel = tilelang.compile(scalar_bound(150))
    a = random(150, "float32", device)
    for limit in (0, 1, 64, 100, 150):
        expected = a.double().clone()
        expected[limit:] = -1
        assert_close(run(kernel, [a, limit], ((150,), "float32"), device=device), expected, ulps=0)


def test_symbols_of_sums_and_products(device):
    """No extent is `n` or `m` alone: each is the only unknown of one that is."""
    n, m = T.dynamic("n, m")

    @T.prim_func
    def sums(A: T.Tensor((2 * n + 1, 3), "float32"), B: T.Tensor((n * m,), "float32"), C: T.Tensor((n,), "float32")):
        with T.Kernel(n, threads=32) as row:
            total = T.alloc_local((1,), "float32")
            total[0] = A[2 * row, 0] + A[2 * row + 1, 2]
            for j in T.serial(m):
                total[0] += B[row * m + j]
            if T.get_thread_binding() == 0:
                C[row] = total[0]

    kernel = tilelang.compile(sums, out_idx=-1)
    for rows, columns in ((5, 7), (1, 1), (40, 3)):
        a, b = random((2 * rows + 1, 3), "float32", device), random((rows * columns,), "float32", device)
        expected = a[:-1:2, 0].double() + a[1::2, 2] + b.view(rows, columns).sum(1, dtype=torch.float64)
        torch.testing.assert_close(kernel(a, b).double(), expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(tilelang.errors.ArgumentError, match=r"A.shape\[0\] is 10"):
        kernel(random((10, 3), "float32", device), b)
    with pytest.raises(tilelang.errors.ArgumentError, match=r"B.shape\[0\] is 8"):
        kernel(random((11, 3), "float32", device), random((8,), "float32", device))

"""Reductions of tiles: kinds, dtypes, axes, ranks, scopes."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.matrix import sampled
from testing.programs.reference import assert_close, is_float, random, torch_dtype

KINDS = {
    "sum": (T.reduce_sum, lambda x, d: x.sum(d)),
    "max": (T.reduce_max, lambda x, d: x.amax(d)),
    "min": (T.reduce_min, lambda x, d: x.amin(d)),
    "absmax": (T.reduce_absmax, lambda x, d: x.abs().amax(d)),
    "abssum": (T.reduce_abssum, lambda x, d: x.abs().sum(d)),
}


def wide(x):
    return x.double() if x.is_floating_point() else x.to(torch.int64)


def reduce2(M, N, dim, kind, dtype, scope, threads):
    out = (N, M)[dim]
    operator = KINDS[kind][0]

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((out,), dtype)):
        with T.Kernel(1, threads=threads) as _:
            x = T.alloc_shared((M, N), dtype) if scope == "shared" else T.alloc_fragment((M, N), dtype)
            y = T.alloc_fragment((out,), dtype)
            T.copy(A, x)
            operator(x, y, dim=dim)
            T.copy(y, B)

    return main


@sampled(
    {
        "kind": list(KINDS),
        "dim": [0, 1],
        "shape": [(64, 64), (1, 96), (48, 80), (7, 33), (112, 1), (128, 8)],
        "dtype": ["float32", "float16", "bfloat16", "float64", "int32", "int64", "uint8"],
        "scope": ["fragment", "shared"],
        "threads": [32, 96, 128],
    }
)
def test_reduce(kind, dim, shape, dtype, scope, threads, device):
    limits = () if is_float(dtype) else (0, 3) if dtype == "uint8" else (-100, 100)
    a = random(shape, dtype, device, *limits)
    out_shape = (shape[1 - dim],)
    out = run(reduce2(*shape, dim, kind, dtype, scope, threads), [a], (out_shape, dtype), device=device)
    x, n = wide(a), shape[dim]
    expected = KINDS[kind][1](x, dim)
    if not is_float(dtype):
        expected = expected.to(torch_dtype(dtype))
    assert_close(out, expected, terms=n if "sum" in kind else 0, scale=x.abs().sum(dim).double() if "sum" in kind else 0.0)


def reduce3(shape, dim, keep):
    out = [e for d, e in enumerate(shape) if d != dim]
    if keep:
        out.insert(dim, 1)

    @T.prim_func
    def main(A: T.Tensor(shape, "float32"), B: T.Tensor(out, "float32")):
        with T.Kernel(1, threads=64) as _:
            x = T.alloc_fragment(shape, "float32")
            y = T.alloc_fragment(out, "float32")
            T.copy(A, x)
            T.reduce_sum(x, y, dim=dim)
            T.copy(y, B)

    return main


@pytest.mark.parametrize("keep", [False, True], ids=["drop", "keep"])
@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_reduce_three_dimensions(dim, keep, device):
    shape = (4, 6, 40)
    a = random(shape, "float32", device)
    x = a.double()
    expected = x.sum(dim, keepdim=keep)
    out = run(reduce3(shape, dim % 3, keep), [a], (tuple(expected.shape), "float32"), device=device)
    assert_close(out, expected, terms=shape[dim], scale=x.abs().sum(dim, keepdim=keep))


def bitwise(M, N, dtype):
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((3, M), dtype)):
        with T.Kernel(1, threads=64) as _:
            x = T.alloc_fragment((M, N), dtype)
            y = T.alloc_fragment((M,), dtype)
            z = T.alloc_fragment((M,), dtype)
            w = T.alloc_fragment((M,), dtype)
            T.copy(A, x)
            T.reduce_bitand(x, y, dim=1)
            T.reduce_bitor(x, z, dim=1)
            T.reduce_bitxor(x, w, dim=1)
            T.copy(y, B[0, :])
            T.copy(z, B[1, :])
            T.copy(w, B[2, :])

    return main


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int64"])
def test_bitwise(dtype, device):
    M, N = 6, 40
    a = random((M, N), dtype, device)
    out = run(bitwise(M, N, dtype), [a], ((3, M), dtype), device=device)
    expected = torch.stack([a[:, 0], a[:, 0], a[:, 0]])
    for column in range(1, N):
        expected = torch.stack([expected[0] & a[:, column], expected[1] | a[:, column], expected[2] ^ a[:, column]])
    assert_close(out, expected)


def accumulate(blocks, M, N, kind):
    """clear=False: the destination carries from block to block."""
    operator = KINDS[kind][0]

    @T.prim_func
    def main(A: T.Tensor((M, blocks * N), "float32"), B: T.Tensor((M,), "float32")):
        with T.Kernel(1, threads=128) as _:
            x = T.alloc_fragment((M, N), "float32")
            y = T.alloc_fragment((M,), "float32")
            T.fill(y, 0.25)
            for k in T.serial(blocks):
                T.copy(A[0, k * N], x)
                operator(x, y, dim=1, clear=False)
            T.copy(y, B)

    return main


@pytest.mark.parametrize("kind", ["sum", "max", "min", "absmax"])
def test_reduce_into_running_value(kind, device):
    M, N, blocks = 20, 48, 3
    a = random((M, blocks * N), "float32", device)
    out = run(accumulate(blocks, M, N, kind), [a], ((M,), "float32"), device=device)
    x = torch.cat([a.double(), torch.full((M, 1), 0.25, dtype=torch.float64, device=device)], 1)
    terms, scale = (blocks * N, x.abs().sum(1)) if kind == "sum" else (0, 0.0)
    assert_close(out, KINDS[kind][1](x, 1), terms=terms, scale=scale)


def broadcast_back(M, N):
    """Column statistics used over the whole tile: the result of dim=0 meets every row again."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M, N), "float32")):
        with T.Kernel(1, threads=128) as _:
            x = T.alloc_fragment((M, N), "float32")
            low = T.alloc_fragment((N,), "float32")
            total = T.alloc_fragment((M,), "float32")
            T.copy(A, x)
            T.reduce_min(x, low, dim=0)
            T.reduce_sum(x, total, dim=1)
            for i, j in T.Parallel(M, N):
                x[i, j] = x[i, j] - low[j] + total[i]
            T.copy(x, B)

    return main


@pytest.mark.parametrize("shape", [(32, 64), (48, 80), (5, 7)], ids=str)
def test_rows_and_columns_of_one_tile(shape, device):
    a = random(shape, "float32", device)
    out = run(broadcast_back(*shape), [a], (shape, "float32"), device=device)
    x = a.double()
    size = x.abs() + x.abs().sum(1, keepdim=True) + 4
    assert_close(out, x - x.amin(0) + x.sum(1, keepdim=True), terms=shape[1], scale=size)


def to_scalar(N, threads):
    """A whole vector to one value, in shared memory and in registers, of more than a warp."""

    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((2,), "float32")):
        with T.Kernel(1, threads=threads) as _:
            x = T.alloc_fragment((N,), "float32")
            y = T.alloc_fragment((1,), "float32")
            z = T.alloc_shared((1,), "float32")
            T.copy(A, x)
            T.reduce_sum(x, y, dim=0)
            T.reduce_max(x, z, dim=0)
            B[0] = y[0]
            B[1] = z[0]

    return main


@pytest.mark.parametrize("N, threads", [(1000, 128), (64, 256), (33, 32), (1, 64)])
def test_reduce_a_vector(N, threads, device):
    a = random(N, "float32", device)
    out = run(to_scalar(N, threads), [a], ((2,), "float32"), device=device)
    x = a.double()
    assert_close(out, torch.stack([x.sum(), x.max()]), terms=N, scale=x.abs().sum())


def nan_rows(M, N, propagate):
    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M,), "float32")):
        with T.Kernel(1, threads=64) as _:
            x = T.alloc_fragment((M, N), "float32")
            y = T.alloc_fragment((M,), "float32")
            T.copy(A, x)
            T.reduce_max(x, y, dim=1, nan_propagate=propagate)
            T.copy(y, B)

    return main


@pytest.mark.parametrize("propagate", [False, True])
def test_nan_in_maximum(propagate, device):
    a = random((16, 40), "float32", device)
    a[3, 5] = a[7, 0] = a[15, 39] = torch.nan
    out = run(nan_rows(16, 40, propagate), [a], ((16,), "float32"), device=device)
    x = a.double()
    expected = x.amax(1) if propagate else x.nan_to_num(nan=-torch.inf).amax(1)
    assert_close(out, expected, ulps=0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    "source, result, clear", [("fragment", "fragment", True), ("shared", "fragment", False), ("fragment", "shared", False)]
)
def test_narrow_sums_round_once(dtype, source, result, clear, device):
    M, N = 8, 3000
    alloc = {"fragment": T.alloc_fragment, "shared": T.alloc_shared}

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M,), dtype)):
        with T.Kernel(1, threads=128):
            x, y = alloc[source]((M, N), dtype), alloc[result]((M,), dtype)
            T.copy(A, x)
            T.fill(y, 3)
            T.reduce_sum(x, y, dim=1, clear=clear)
            T.copy(y, B)

    a = random((M, N), dtype, device, 0, 1)
    expected = a.double().sum(1) + (0 if clear else 3)
    assert_close(run(main, [a], ((M,), dtype), device=device), expected, ulps=1)

"""T.copy between all scopes, whole tiles and parts, aligned and not."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.matrix import sampled
from testing.programs.reference import assert_close, random, torch_dtype


def alloc(scope, shape, dtype):
    return T.alloc_shared(shape, dtype) if scope == "shared" else T.alloc_fragment(shape, dtype)


def through(M, N, tile, scopes, dtype, threads, middle=None):
    """global → each scope in turn → global, the second of them in the dtype `middle`."""
    bm, bn = tile

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=threads) as (bx, by):
            first = alloc(scopes[0], (bm, bn), dtype)
            T.copy(A[by * bm, bx * bn], first)
            if len(scopes) == 1:
                T.copy(first, B[by * bm, bx * bn])
            else:
                second = alloc(scopes[1], (bm, bn), middle or dtype)
                T.copy(first, second)
                T.copy(second, B[by * bm, bx * bn])

    return main


@sampled(
    {
        "scopes": [
            ("shared",),
            ("fragment",),
            ("shared", "fragment"),
            ("fragment", "shared"),
            ("shared", "shared"),
            ("fragment", "fragment"),
        ],
        "dtype": ["float16", "float32", "float64", "int8", "bfloat16", "float8_e4m3", "bool", "int64", "uint16"],
        "tile": [(64, 64), (1, 128), (48, 80), (7, 33), (128, 16)],
        "shape": [(128, 128), (100, 75), (3, 250)],
        "threads": [32, 96, 128],
    }
)
def test_copy(scopes, dtype, tile, shape, threads, device):
    a = random(shape, dtype, device)
    out = run(through(*shape, tile, scopes, dtype, threads), [a], (shape, dtype), device=device)
    kind = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[torch_dtype(dtype).itemsize]
    assert_close(out.view(kind), a.view(kind))


@pytest.mark.parametrize(
    "scopes", [("shared", "fragment"), ("fragment", "shared"), ("shared", "shared"), ("fragment", "fragment")], ids="-".join
)
@pytest.mark.parametrize(
    "dtype, middle", [("float32", "float16"), ("float16", "float32"), ("float16", "float8_e4m3"), ("int32", "int8")]
)
def test_copy_casts_on_the_way(scopes, dtype, middle, device):
    a = random((70, 50), dtype, device) if dtype != "int32" else random((70, 50), dtype, device, -100, 100)
    out = run(through(70, 50, (32, 48), scopes, dtype, 64, middle), [a], ((70, 50), dtype), device=device)
    assert_close(out, a.to(torch_dtype(middle)).to(a.dtype).double() if a.is_floating_point() else a, ulps=0)


def parts(dtype):
    """Regions of tiles: slices, rows and columns of a tile, of a tensor of higher rank, and of a shared buffer of stages."""

    @T.prim_func
    def main(
        A: T.Tensor((3, 4, 40, 24), dtype), B: T.Tensor((40, 24), dtype), C: T.Tensor((24,), dtype), D: T.Tensor((40,), dtype)
    ):
        with T.Kernel(1, threads=64) as _:
            s = T.alloc_shared((2, 40, 24), dtype)
            f = T.alloc_fragment((40, 24), dtype)
            row = T.alloc_fragment((24,), dtype)
            column = T.alloc_fragment((40,), dtype)
            T.copy(A[1, 2, 0, 0], s[0, :, :])
            T.copy(A[2, 3, 0:20, :], s[1, 0:20, :])
            T.copy(A[0, 0, 20:40, :], s[1, 20:40, :])
            T.copy(s[1, :, :], f)
            T.copy(f, B)
            T.copy(s[0, 7, :], row)
            T.copy(row, C)
            for i in T.Parallel(40):
                column[i] = s[0, i, 5]
            T.copy(column, D)

    return main


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_regions(dtype, device):
    a = random((3, 4, 40, 24), dtype, device)
    b, c, d = run(parts(dtype), [a], ((40, 24), dtype), ((24,), dtype), ((40,), dtype), device=device)
    expected = torch.cat([a[2, 3, :20], a[0, 0, 20:]])
    for out, want in ((b, expected), (c, a[1, 2, 7]), (d, a[1, 2, :, 5])):
        assert_close(out, want.double() if want.is_floating_point() else want, ulps=0)


def transpose(M, N, bm, bn, form, dtype):
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((N, M), dtype)):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=128) as (bx, by):
            if form == "global":
                for i, j in T.Parallel(bm, bn):
                    B[bx * bn + j, by * bm + i] = A[by * bm + i, bx * bn + j]
            elif form == "shared":
                s = T.alloc_shared((bm, bn), dtype)
                t = T.alloc_shared((bn, bm), dtype)
                T.copy(A[by * bm, bx * bn], s)
                for i, j in T.Parallel(bm, bn):
                    t[j, i] = s[i, j]
                T.copy(t, B[bx * bn, by * bm])
            elif form == "gather":
                s = T.alloc_shared((bm, bn), dtype)
                f = T.alloc_fragment((bn, bm), dtype)
                T.copy(A[by * bm, bx * bn], s)
                for j, i in T.Parallel(bn, bm):
                    f[j, i] = s[i, j]
                T.copy(f, B[bx * bn, by * bm])
            else:
                f = T.alloc_fragment((bm, bn), dtype)
                t = T.alloc_fragment((bn, bm), dtype)
                T.copy(A[by * bm, bx * bn], f)
                for i, j in T.Parallel(bm, bn):
                    t[j, i] = f[i, j]
                T.copy(t, B[bx * bn, by * bm])

    return main


@pytest.mark.parametrize("form", ["global", "shared", "gather", "fragment"])
@pytest.mark.parametrize(
    "dtype, tile", [("float32", (32, 32)), ("float16", (48, 80)), ("int8", (16, 7))], ids=["f32", "f16-odd", "i8-odd"]
)
def test_transpose(form, dtype, tile, device):
    M, N = 75, 100
    a = random((M, N), dtype, device)
    out = run(transpose(M, N, *tile, form, dtype), [a], ((N, M), dtype), device=device)
    assert_close(out, a.T.double() if a.is_floating_point() else a.T, ulps=0)


def gather(N, R, W, dtype):
    """Rows chosen by an index tensor: the address is a value that a load returns."""

    @T.prim_func
    def main(A: T.Tensor((R, W), dtype), I: T.Tensor((N,), "int32"), B: T.Tensor((N, W), dtype)):
        with T.Kernel(T.ceildiv(N, 16), threads=64) as bx:
            for i, j in T.Parallel(16, W):
                if bx * 16 + i < N:
                    B[bx * 16 + i, j] = A[I[bx * 16 + i], j]

    return main


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_gather(dtype, device):
    a, index = random((30, 40), dtype, device), random(50, "int32", device, 0, 30)
    assert_close(run(gather(50, 30, 40, dtype), [a, index], ((50, 40), dtype), device=device), a[index.long()].double(), ulps=0)


def shifted(N, width):
    """A window that starts before the tensor and ends behind it: reads outside give zero through the guard the author wrote."""

    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32")):
        with T.Kernel(T.ceildiv(N, 64), threads=64) as bx:
            total = T.alloc_fragment((64,), "float32")
            T.clear(total)
            for d in T.serial(2 * width + 1):
                for i in T.Parallel(64):
                    at = bx * 64 + i + d - width
                    total[i] += T.if_then_else(at >= 0 and at < N, A[at], 0.0)
            T.copy(total, B[bx * 64])

    return main


def test_stencil(device):
    N, width = 150, 3
    a = random(N, "float32", device)
    out = run(shifted(N, width), [a], ((N,), "float32"), device=device)
    padded = torch.nn.functional.pad(a.double(), (width, width))
    windows = padded.unfold(0, 2 * width + 1, 1)
    assert_close(out, windows.sum(1), terms=7, scale=windows.abs().sum(1))


def options(M, N):
    @T.prim_func
    def main(A: T.Tensor((M, N), "float16"), B: T.Tensor((M, N), "float16")):
        with T.Kernel(T.ceildiv(N, 64), T.ceildiv(M, 32), threads=64) as (bx, by):
            s = T.alloc_shared((32, 64), "float16")
            T.copy(A[by * 32, bx * 64], s, coalesced_width=4, eviction_policy="evict_first")
            T.copy(s, B[by * 32, bx * 64], disable_tma=True, prefer_instruction="sync")

    return main


def test_copy_options(device):
    a = random((50, 100), "float16", device)
    assert_close(run(options(50, 100), [a], ((50, 100), "float16"), device=device), a.double(), ulps=0)

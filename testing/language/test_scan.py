"""T.cumsum and T.cummax: ranks, directions, scopes, dtypes."""

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, is_float, random
from tilelang.errors import DTypeError, SemanticError, ShapeError

SCANS = {"sum": T.cumsum, "max": T.cummax}


def scan(shape, dim, reverse, kind="sum", dtype="float32", scope="shared", in_place=False, threads=128):
    @T.prim_func
    def main(A: T.Tensor(shape, dtype), B: T.Tensor(shape, dtype)):
        with T.Kernel(1, threads=threads):
            x = T.alloc_shared(shape, dtype) if scope == "shared" else T.alloc_fragment(shape, dtype)
            y = T.alloc_shared(shape, dtype) if scope == "shared" else T.alloc_fragment(shape, dtype)
            T.copy(A, x)
            if in_place:
                SCANS[kind](x, dim=dim, reverse=reverse)
                T.copy(x, B)
            else:
                SCANS[kind](src=x, dst=y, dim=dim, reverse=reverse)
                T.copy(y, B)

    return main


def expected(a, dim, reverse, kind):
    x = a.double() if a.is_floating_point() else a.long()
    x = x.flip(dim) if reverse else x
    y = x.cumsum(dim) if kind == "sum" else x.cummax(dim).values
    return y.flip(dim) if reverse else y


@pytest.mark.parametrize(
    "shape, dim, reverse, kind, dtype, scope, in_place, threads",
    [
        ((100,), 0, False, "sum", "float32", "shared", True, 128),
        ((70,), 0, True, "max", "int32", "fragment", False, 64),
        ((64, 48), 0, True, "sum", "float32", "fragment", True, 128),
        ((5, 77), 1, False, "sum", "float16", "shared", False, 128),
        ((33, 64), -1, True, "sum", "int32", "shared", True, 96),
        ((16, 130), 1, True, "max", "bfloat16", "fragment", False, 64),
        ((4, 6, 40), 2, False, "sum", "float32", "shared", False, 128),
        ((4, 20, 6), 1, True, "max", "float32", "fragment", True, 48),
        ((9, 5, 3), 0, False, "sum", "int64", "shared", False, 32),
    ],
)
def test_scan(shape, dim, reverse, kind, dtype, scope, in_place, threads, device):
    a = random(shape, dtype, device, *(() if is_float(dtype) else (-50, 50)))
    out = run(scan(shape, dim, reverse, kind, dtype, scope, in_place, threads), [a], (shape, dtype), device=device)
    want = expected(a, dim, reverse, kind)
    if is_float(dtype) and kind == "sum":
        assert_close(out, want, terms=shape[dim], scale=expected(a.abs(), dim, reverse, kind), arithmetic="float32")
    else:
        assert_close(out, want.to(out.dtype) if not is_float(dtype) else want)


def test_scan_of_a_slice(device):
    @T.prim_func
    def main(A: T.Tensor((3, 40), "float32"), B: T.Tensor((3, 40), "float32")):
        with T.Kernel(1, threads=32):
            x = T.alloc_shared((3, 40), "float32")
            T.copy(A, x)
            T.cumsum(x[1, 8:40])
            T.copy(x, B)

    a = random((3, 40), "float32", device)
    want = a.double().clone()
    want[1, 8:] = want[1, 8:].cumsum(0)
    out = run(main, [a], ((3, 40), "float32"), device=device)
    assert_close(out, want, terms=32, scale=torch.ones_like(want) * 40)


@pytest.mark.parametrize(
    "statement, kind, part",
    [
        (lambda x, y, G: T.cumsum(x, dim=2), ShapeError, "Dimension 2 is out of bounds"),
        (lambda x, y, G: T.cumsum(x, y), ShapeError, "x (8 x 4) into y (8)"),
        (lambda x, y, G: T.cummax(G), SemanticError, "G, which is in global"),
        (lambda x, y, G: T.cumsum(x[0, 0]), ShapeError, "single element x[0, 0]"),
        (lambda x, y, G: T.cumsum(3), DTypeError, "source of T.cumsum must be a buffer"),
    ],
)
def test_refusals(statement, kind, part):
    @T.prim_func
    def main(G: T.Tensor((8,), "float32")):
        with T.Kernel(1):
            x = T.alloc_shared((8, 4), "float32")
            y = T.alloc_shared((8,), "float32")
            statement(x, y, G)

    with pytest.raises(kind) as caught:
        main.get()
    assert part in str(caught.value)

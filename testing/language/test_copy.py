"""Extents of copies, and their errors."""

import pytest

import tilelang.language as T
from tilelang import ir
from tilelang.errors import DTypeError, FrontendError, SemanticError, ShapeError


def boxes(statement):
    """The extents of the two regions of the only copy that `statement(A, S)` makes; A is 4 x 256 x 8 x 64, S is 32 x 64."""
    n = T.dynamic("n")

    @T.prim_func
    def main(A: T.Tensor((4, 256, 8, 64), "float16"), D: T.Tensor((n, 64), "float16")):
        with T.Kernel(8, 4, threads=128) as (bx, by):
            S = T.alloc_shared((32, 64), "float16")
            V = T.alloc_shared((3, 32, 64), "float16")
            L = T.alloc_fragment((64,), "float32")
            statement(A, D, S, V, L, bx, by)

    copies = [c for c in ir.collect(main.prim_func, ir.Call) if ir.is_call(c, "tl.copy")]
    return (
        [([ir.const_int(r.min) for r in a.region], [ir.const_int(r.extent) for r in a.region]) for a in copies[0].args]
        if copies
        else main
    )


@pytest.mark.parametrize(
    "statement, source, target",
    [
        (lambda A, D, S, V, L, bx, by: T.copy(A[0, by * 32, 1, 0], S), None, "shape"),
        (lambda A, D, S, V, L, bx, by: T.copy(A[by, bx * 32 : (bx + 1) * 32, 3, :], S), [1, 32, 1, 64], [32, 64]),
        (lambda A, D, S, V, L, bx, by: T.copy(S, A[by, 32:64, 3, :]), [32, 64], [1, 32, 1, 64]),
        (lambda A, D, S, V, L, bx, by: T.copy(D[bx * 32, 0], S), [32, 64], [32, 64]),
        (lambda A, D, S, V, L, bx, by: T.copy(D[bx * 32], S), [32, 64], [32, 64]),
        (lambda A, D, S, V, L, bx, by: T.copy(D[7], L), [1, 64], [64]),
        (lambda A, D, S, V, L, bx, by: T.copy(V[1], S), [1, 32, 64], [32, 64]),
        (lambda A, D, S, V, L, bx, by: T.copy(S, V[bx % 3, :, :]), [32, 64], [1, 32, 64]),
        (lambda A, D, S, V, L, bx, by: T.copy(A[0, 0, 0, 0:64], L), [1, 1, 1, 64], [64]),
        (lambda A, D, S, V, L, bx, by: T.copy(A[0, 0, 0, ...], L[0]), [1, 1, 1, 64], [64]),
        (lambda A, D, S, V, L, bx, by: T.copy(A[0, 250:282, 0, :], S), [1, 32, 1, 64], [32, 64]),
        (lambda A, D, S, V, L, bx, by: T.copy(S[0:16, 32:], V[2, -16:, 0:32]), [16, 32], [1, 16, 32]),
    ],
)
def test_extents(statement, source, target):
    if target == "shape":  # right-aligned: axes 2 and 3 of A would have to hold 32 x 64
        (_, a), (_, b) = boxes(statement)
        assert a == [1, 1, 32, 64] and b == [32, 64]
        return
    (_, a), (_, b) = boxes(statement)
    assert (a, b) == (source, target)


def test_negative_and_whole_indices():
    (starts, extents), _ = boxes(lambda A, D, S, V, L, bx, by: T.copy(A[-1, -32:, 7, :], S))
    assert starts == [3, 224, 7, 0] and extents == [1, 32, 1, 64]


def test_two_elements_are_a_store():
    func = boxes(lambda A, D, S, V, L, bx, by: T.copy(A[0, 0, 0, 1], S[0, 1]))
    assert len(ir.collect(func.prim_func, ir.BufferStore)) == 1


@pytest.mark.parametrize(
    "statement, kind, parts",
    [
        (lambda A, D, S, V, L, bx, by: T.copy(A[0, 0:16, 0, :], S), ShapeError, ["16 x 64", "32 x 64"]),
        (lambda A, D, S, V, L, bx, by: T.copy(V, S), ShapeError, ["3 x 32 x 64", "32 x 64"]),
        (lambda A, D, S, V, L, bx, by: T.copy(D, S), ShapeError, ["n x 64", "32 x 64"]),
        (lambda A, D, S, V, L, bx, by: T.copy(V, L[0]), ShapeError, ["3 x 32 x 64", "1 dimension"]),
        (lambda A, D, S, V, L, bx, by: T.copy(A[0, 0, 0, 0, 0], S), ShapeError, ["4 dimensions", "5"]),
        (lambda A, D, S, V, L, bx, by: T.copy(S[32, 0], L[0]), SemanticError, ["index 32", "extent 32"]),
        (lambda A, D, S, V, L, bx, by: T.copy(S[0:33, :], V[0]), SemanticError, ["index 33"]),
        (lambda A, D, S, V, L, bx, by: T.copy(S[-33, 0], L[0]), SemanticError, ["-33"]),
        (lambda A, D, S, V, L, bx, by: T.copy(S[0:32:2, :], V[0]), FrontendError, ["step 2"]),
        (lambda A, D, S, V, L, bx, by: T.copy(S[0.5, 0], L[0]), DTypeError, ["not an integer"]),
        (lambda A, D, S, V, L, bx, by: T.copy(S[L[0], 0], L[0]), DTypeError, ["float32"]),
        (lambda A, D, S, V, L, bx, by: T.copy(3, S), DTypeError, ["int 3"]),
        (lambda A, D, S, V, L, bx, by: T.copy(bx, S), ShapeError, ["scalar"]),
        (lambda A, D, S, V, L, bx, by: T.copy(S, V[0], eviction_policy="x"), SemanticError, ["eviction_policy"]),
    ],
)
def test_errors(statement, kind, parts):
    with pytest.raises(kind) as caught:
        boxes(statement)
    assert all(part in caught.value.message for part in parts), str(caught.value)
    assert caught.value.span is not None

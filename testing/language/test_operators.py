"""Tile operators: what they emit, and what they refuse."""

import pytest

import tilelang.language as T
from tilelang import ir
from tilelang.errors import DTypeError, SemanticError, ShapeError, UnsupportedError


def kernel(statement, threads=128):
    @T.prim_func
    def main(G: T.Tensor((64, 64), "float32")):
        with T.Kernel(4, threads=threads) as bx:
            A = T.alloc_shared((64, 32), "float16")
            B = T.alloc_shared((32, 16), "float16")
            C = T.alloc_fragment((64, 16), "float32")
            R = T.alloc_fragment((64,), "float32")
            I = T.alloc_fragment((64, 16), "int32")
            statement(G, A, B, C, R, I, bx)

    return main.prim_func


def calls(func, name):
    return [c for c in ir.collect(func, ir.Call) if ir.is_call(c, name)]


def test_gemm():
    (call,) = calls(
        kernel(lambda G, A, B, C, R, I, bx: T.gemm(A, B, C, policy=T.GemmWarpPolicy.FullCol, clear_accum=bx == 0)), "tl.gemm"
    )
    assert dict(call.attrs) == {"transpose_A": False, "transpose_B": False, "policy": 2}
    assert [a.source.name for a in call.args[:3]] == ["A", "B", "C"] and ir.dtype_of(call.args[3]) == "bool"


@pytest.mark.parametrize(
    "statement, kind, part",
    [
        (lambda G, A, B, C, R, I, bx: T.gemm(A, B, C, transpose_B=True), ShapeError, "K of T.gemm differs: 32 in A and 16 in B"),
        (
            lambda G, A, B, C, R, I, bx: T.gemm(A[0:32, :], B, C),
            ShapeError,
            "M of T.gemm differs: 32 in A[0:32, 0:32] and 64 in C",
        ),
        (lambda G, A, B, C, R, I, bx: T.gemm(A, B, C[:, 0:8]), ShapeError, "N of T.gemm differs: 16 in B and 8"),
        (lambda G, A, B, C, R, I, bx: T.gemm(A, B, R), ShapeError, "two dimensions"),
        (lambda G, A, B, C, R, I, bx: T.gemm(A, B, C[0, 0]), ShapeError, "single element"),
        (lambda G, A, B, C, R, I, bx: T.gemm(A, B, I), DTypeError, "int32 accumulator"),
        (lambda G, A, B, C, R, I, bx: T.gemm(A, I[0:32, :], C), DTypeError, "different dtypes"),
        (lambda G, A, B, C, R, I, bx: T.gemm(A, B, 3), DTypeError, "C of T.gemm must be a buffer"),
        (lambda G, A, B, C, R, I, bx: T.gemm(A, B, C, policy=7), SemanticError, "policy=7"),
        (lambda G, A, B, C, R, I, bx: T.gemm(A, B, C, mbar=1), UnsupportedError, "mbar"),
        (lambda G, A, B, C, R, I, bx: T.reduce_sum(C, R, dim=0), ShapeError, "has shape 16, but R is 64"),
        (lambda G, A, B, C, R, I, bx: T.reduce_sum(C, R, dim=2), ShapeError, "2 dimensions"),
        (lambda G, A, B, C, R, I, bx: T.reduce_bitand(C, R), DTypeError, "float32"),
        (lambda G, A, B, C, R, I, bx: T.fill(C, R), DTypeError, "scalar value"),
        (lambda G, A, B, C, R, I, bx: T.fill(I, 2**40), DTypeError, "does not fit int32"),
        (lambda G, A, B, C, R, I, bx: T.atomic_add(R, C), SemanticError, "local.fragment"),
        (lambda G, A, B, C, R, I, bx: T.atomic_add(G, C), ShapeError, "64 x 16"),
        (lambda G, A, B, C, R, I, bx: T.atomic_or(G[0, 0], 1), DTypeError, "float32"),
        (lambda G, A, B, C, R, I, bx: T.atomic_add(G[0, 0], 1, memory_order="weak"), SemanticError, "weak"),
        (lambda G, A, B, C, R, I, bx: T.alloc_shared((bx, 4), "int8"), ShapeError, "known only at run time"),
        (lambda G, A, B, C, R, I, bx: T.alloc_shared((0, 4), "int8"), ShapeError, "is 0"),
        (lambda G, A, B, C, R, I, bx: T.alloc_shared((4.0, 4), "int8"), DTypeError, "integers"),
        (lambda G, A, B, C, R, I, bx: T.alloc_shared((4, 4), "int7"), DTypeError, "int7"),
        (lambda G, A, B, C, R, I, bx: T.alloc_shared((4, 4), "int8", scope="global"), SemanticError, "global"),
        (lambda G, A, B, C, R, I, bx: T.annotate_layout({G: 1}), DTypeError, "layout of G is 1"),
        (lambda G, A, B, C, R, I, bx: T.use_swizzle(0), SemanticError, "panel_size"),
        (lambda G, A, B, C, R, I, bx: T.exp(C), DTypeError, "must be a scalar value, got buffer C"),
        (lambda G, A, B, C, R, I, bx: C + 1, DTypeError, "whole buffer C"),
        (lambda G, A, B, C, R, I, bx: T.Pipelined(3, num_stages=-1), SemanticError, "num_stages"),
        (lambda G, A, B, C, R, I, bx: T.serial(0, 4, 0), SemanticError, "step"),
    ],
)
def test_refusals(statement, kind, part):
    with pytest.raises(kind) as caught:
        kernel(statement)
    assert part in caught.value.message, str(caught.value)


def test_reduce_takes_both_shapes_and_a_negative_dim():
    def both(G, A, B, C, R, I, bx):
        K = T.alloc_fragment((64, 1), "float32")
        T.reduce_max(C, R, clear=False)
        T.reduce_abssum(C, K, dim=1)

    first, second = calls(kernel(both), "tl.reduce")
    assert dict(first.attrs) == {"kind": "max", "dim": 1, "clear": False, "nan_propagate": False}
    assert second.attrs["kind"] == "abssum" and second.attrs["clear"]


def test_fill_converts_to_the_tile():
    (call,) = calls(kernel(lambda G, A, B, C, R, I, bx: T.fill(A[0:8, :], bx)), "tl.fill")
    assert ir.dtype_of(call.args[1]) == "float16" and [int(r.extent) for r in call.args[0].region] == [8, 32]


def test_atomic_tile_and_element():
    def both(G, A, B, C, R, I, bx):
        T.atomic_add(G[bx * 16, 0], C[:, 0:16])
        T.atomic_max(G[bx, 3], 2, memory_order="relaxed")

    func = kernel(both)
    (tile,), (element,) = calls(func, "tl.atomic_add"), calls(func, "tl.atomic_max")
    assert [int(r.extent) for r in tile.args[0].region] == [64, 16] and tile.args[1].source.name == "C"
    assert element.attrs["memory_order"] == "relaxed" and ir.dtype_of(element.args[1]) == "float32"


def test_launch_has_six_axes_in_order():
    func = kernel(lambda *_: None, threads=(32, 2))
    tags, stmt = [], func.body
    while isinstance(stmt, ir.AttrStmt):
        tags.append((stmt.node.thread_tag, int(stmt.value)))
        stmt = stmt.body
    axes = ["blockIdx.x", "blockIdx.y", "blockIdx.z", "threadIdx.x", "threadIdx.y", "threadIdx.z"]
    assert tags == list(zip(axes, [4, 1, 1, 32, 2, 1], strict=True))


def test_launch_errors():
    for grid, threads, part in (
        ((), 128, "0 grid"),
        ((1, 1, 1, 1), 128, "4 grid"),
        ((1,), 0, "threads"),
        ((1.5,), 32, "integers"),
        ((1,), [1] * 4, "4"),
    ):

        @T.prim_func
        def main():
            with T.Kernel(*grid, threads=threads):
                pass

        with pytest.raises(SemanticError, match=part):
            main.get()


def test_loops_carry_their_annotations():
    def loops(G, A, B, C, R, I, bx):
        pass

    @T.prim_func
    def main(G: T.Tensor((64, 64), "float32")):
        with T.Kernel(4) as bx:
            for k in T.Pipelined(8, num_stages=3):
                for i, j in T.Parallel(4, 8, coalesced_width=2):
                    G[i, j + k] = bx
            for k in T.unroll(4, unroll_factor=2):
                G[0, k] = 0

    found = {loop.loop_var.name: loop for loop in ir.collect(main.prim_func, ir.For)}
    assert dict(found["k"].annotations) == {"tl.num_stages": 3} and found["k"].kind == ir.ForKind.SERIAL
    assert (
        dict(found["i"].annotations) == {"tl.parallel_depth": 2, "tl.coalesced_width": 2}
        and found["i"].kind == ir.ForKind.PARALLEL
    )
    assert not found["j"].annotations and found["k_1"].kind == ir.ForKind.UNROLLED


def test_names_of_other_versions():
    with pytest.raises(UnsupportedError, match="T.call_llvm_intrin is not in this version"):
        _ = T.call_llvm_intrin
    with pytest.raises(AttributeError, match="Did you mean T.alloc_shared"):
        _ = T.alloc_share
    assert not hasattr(T, "call_llvm_pure_intrin")


def test_every_statement_has_a_span():
    def body(G, A, B, C, R, I, bx):
        T.clear(C)
        T.gemm(A, B, C)
        x = G[bx, 0] + 1
        G[bx, 1] = x

    func = kernel(body)
    missing = []
    ir.walk(
        func.body,
        lambda n: missing.append(n) if isinstance(n, ir.Stmt) and not isinstance(n, ir.SeqStmt) and n.span is None else None,
    )
    assert not missing

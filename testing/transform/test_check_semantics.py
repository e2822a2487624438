"""Every rule refuses its case with the user's line, and lets the neighbouring legal case pass."""

from __future__ import annotations

import pytest

from testing.codegen import programs
from tilelang import ir
from tilelang.engine import compile_prim_func
from tilelang.errors import ResourceError, SemanticError, ShapeError, TileLangError, UnsupportedError
from tilelang.transform.check_semantics import check_semantics

ONE = ir.const(1.0, "float32")


def check(body, params=(), grid=(1,), block=(32,)):
    func = programs.function(list(params), programs.launch(body, grid, block, {}))
    compile_prim_func(func, programs.target(), {}, (check_semantics, *programs.DEVICE))


def refused(kind, words, line, *args, **kwargs):
    with pytest.raises(kind, match=words) as caught:
        check(*args, **kwargs)
    assert caught.value.fix
    if line:
        assert caught.value.span.line == line


def parallel(extents, body, line=2):
    for depth in reversed(range(len(extents))):
        notes = {"tl.parallel_depth": len(extents)} if depth == 0 else {}
        extent = ir.as_expr(extents[depth])
        body = ir.For(ir.var("p"), ir.const(0), extent, ir.ForKind.PARALLEL, body, annotations=notes, span=programs.span(line))
    return body


def alloc(shape, scope, dtype="float32", line=3):
    buf = ir.buffer(shape, dtype, "tile", scope)
    return buf, ir.alloc(buf, programs.span(line))


A = ir.buffer((8,), "float32", "A")


@pytest.mark.parametrize("scope", ["shared.dyn", "local.fragment", "local"])
def test_tiles_with_symbolic_or_empty_shapes(scope):
    refused(ShapeError, "symbolic extent n", 3, alloc((ir.var("n"), 4), scope)[1])
    refused(ShapeError, r"\(0, 4\)", 3, alloc((0, 4), scope)[1])
    check(alloc((2, 4), "local")[1])


def test_global_allocation_inside_a_kernel():
    refused(SemanticError, "'global'", 3, alloc((4,), "global")[1])


def test_types_without_device_code():
    refused(TileLangError, "'int2'", 3, alloc((4,), "local", "int2")[1])
    refused(TileLangError, "'uint128'", 0, ir.noop(), [ir.buffer((4,), "uint128", "X")])


def test_parallel_loops():
    store = programs.store(A, [0], ONE)
    refused(SemanticError, "inside the body of another", 5, parallel([2], ir.seq([store, parallel([3], store, 5)])), [A])
    refused(SemanticError, "inside the body of another", 5, parallel([2], parallel([3], store, 5)), [A])
    refused(ShapeError, "symbolic extent n", 2, parallel([4, ir.var("n")], store), [A])


@pytest.mark.parametrize("leave", [ir.Break, ir.Continue])
def test_leaving_a_parallel_iteration(leave):
    statement = leave(programs.span(7))
    refused(SemanticError, "run at the same time", 7, parallel([2], programs.when(ir.load(A, [0]) > ONE, statement)), [A])


def test_barriers_and_allocations_inside_parallel():
    refused(SemanticError, "barrier", 6, parallel([2], ir.evaluate(ir.call("tl.sync_threads"), programs.span(6))))
    refused(SemanticError, "allocated inside T.Parallel", 3, parallel([2], alloc((4,), "shared.dyn")[1]))


def test_indices_outside():
    refused(ShapeError, "index -1 is outside axis 0 of `A`", 4, programs.store(A, [-1], ONE, 4), [A])
    refused(ShapeError, "index 8 is outside axis 0 of `A`, which has extent 8", 4, programs.store(A, [8], ONE, 4), [A])
    refused(ShapeError, "index 9", 4, programs.store(A, [0], ir.load(A, [9]), 4), [A])
    check(programs.store(A, [7], ONE), [A])


def test_threads_and_grid():
    refused(ResourceError, "1025", 1, ir.noop(), block=(1025,))
    refused(ResourceError, "32 x 1 x 65", 1, ir.noop(), block=(32, 1, 65))
    refused(ResourceError, "70000 blocks along y", 1, ir.noop(), grid=(1, 70000))
    refused(SemanticError, "threads=", 1, ir.noop(), block=(ir.var("n"),))


def test_undeclared_buffers():
    other = ir.buffer((4,), "float32", "other", "local")
    refused(SemanticError, "`other` is neither", 4, programs.store(other, [0], ONE, 4))


def test_regions_of_unknown_operators():
    call = ir.call("tl.frobnicate", [ir.full_region(A)], span=programs.span(9))
    refused(UnsupportedError, "T.frobnicate of a tile", 9, ir.evaluate(call, programs.span(9)), [A])


def test_stage_counts():
    loop = ir.For(
        ir.var("k"),
        ir.const(0),
        ir.const(4),
        ir.ForKind.SERIAL,
        programs.store(A, [0], ONE),
        annotations={"tl.num_stages": -1},
        span=programs.span(8),
    )
    refused(SemanticError, "num_stages=-1", 8, loop, [A])


def test_rasterization_inside_a_branch():
    swizzle = ir.evaluate(ir.call("tl.use_swizzle", [], attrs={"panel_size": 4, "order": "row"}), programs.span(6))
    refused(SemanticError, "use_swizzle inside", 6, programs.when(ir.load(A, [0]) > ONE, swizzle), [A])

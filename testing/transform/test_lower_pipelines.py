"""Pipelined programs compute what the program as written computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interpreter import Interpreter
from tile_program import context, copy, fill, fragment, gemm, loop, parallel, part, shared, store, tensor, when

from tilelang import ir
from tilelang.transform.effects import is_unit
from tilelang.transform.pipelining import lower_pipelines

T = 4  # tile edge: rows of 16 bytes


def asynchronous(body):
    """The asynchronous copies in a program."""
    calls = [c for c in ir.collect(body, ir.Call) if ir.is_call(c, "tl.copy")]
    return [c for c in calls if c.attrs is not None and "async_group" in c.attrs.keys()]


def outcomes(body, lowered, arrays, scalars):
    """The arrays after the program as written and after the lowered one."""
    results = []
    for program in (body, lowered):
        copies = {buf: a.copy() for buf, a in arrays.items()}
        Interpreter(copies, scalars).run(program)
        results.append(list(copies.values()))
    return results


def check(body, arrays, scalars=None, ctx=None):
    """Lower, run both, compare; returns the lowered program and the remarks."""
    ctx = ctx or context()
    lowered = lower_pipelines(body, ctx)
    for before, after in zip(*outcomes(body, lowered, arrays, scalars or {})):
        np.testing.assert_array_equal(before, after)
    assert not [f for f in ir.collect(lowered, ir.For) if "tl.num_stages" in f.annotations]
    return lowered, ctx.remarks


def data(*bufs, seed=0):
    rng = np.random.default_rng(seed)
    return {b: rng.integers(-4, 5, ir.static_shape(b)).astype(float) for b in bufs}


def matmul(stages, extent, start=0, step=None, steps=8):
    """C = sum over k of A[:, k] @ B[k, :]."""
    A, B, C = tensor("A", T, steps * T), tensor("B", steps * T, T), tensor("C", T, T)
    As, Bs, acc = shared("As", T, T), shared("Bs", T, T), fragment("acc", T, T)
    k = ir.var("k")
    body = ir.seq(
        [
            ir.alloc(As),
            ir.alloc(Bs),
            ir.alloc(acc),
            fill(acc),
            loop(
                k, start, extent,
                copy(part(A, (0, T), (k * T, T)), As),
                copy(part(B, (k * T, T), (0, T)), Bs),
                gemm(As, Bs, acc),
                stages=stages, step=step,
            ),
            copy(acc, C),
        ]
    )  # fmt: skip
    return body, data(A, B, C)


@pytest.mark.parametrize("stages", [1, 2, 3, 5])
@pytest.mark.parametrize("extent", [0, 1, 2, 4, 7])
@pytest.mark.parametrize("dynamic", [False, True])
def test_matmul(stages, extent, dynamic):
    n = ir.var("n")
    body, arrays = matmul(stages, n if dynamic else extent)
    lowered, remarks = check(body, arrays, {n: extent})
    assert asynchronous(lowered) and not remarks


@pytest.mark.parametrize(("start", "extent", "step"), [(2, 5, None), (1, 7, 2), (0, 6, 3), (3, 1, 4)])
@pytest.mark.parametrize("dynamic", [False, True])
def test_bounds(start, extent, step, dynamic):
    m, n = ir.var("m"), ir.var("n")
    body, arrays = matmul(3, n if dynamic else extent, m if dynamic else start, step)
    lowered, remarks = check(body, arrays, {m: start, n: extent})
    assert asynchronous(lowered) and not remarks


def test_versions_and_barriers():
    body, _ = matmul(3, ir.var("n"))
    lowered = lower_pipelines(body, context())
    shapes = {str(b.name): ir.static_shape(b) for b in ir.declared_buffers(lowered) if ir.scope_of(b) == "shared.dyn"}
    assert shapes == {"As": (3, T, T), "Bs": (3, T, T)}
    (steady,) = ir.collect(lowered, ir.For)
    assert sum(ir.is_call(c, "tl.sync_threads") for c in ir.collect(steady, ir.Call)) == 1


def test_fewer_iterations_than_stages_take_fewer_versions():
    body, arrays = matmul(4, 2)
    lowered, _ = check(body, arrays)
    assert {ir.static_shape(b)[0] for b in ir.declared_buffers(lowered) if str(b.name) == "As"} == {2}


def attention_like(stages, n, second_loop=False):
    """Two tiles with consumers far apart, and statements before and between them."""
    K, V, O = tensor("K", 8 * T, T), tensor("V", 8 * T, T), tensor("O", T, T)
    Ks, Vs = shared("Ks", T, T), shared("Vs", T, T)
    s, o = fragment("s", T, T), fragment("o", T, T)
    loops = []
    for _ in range(2 if second_loop else 1):
        k = ir.var("k")
        loops.append(
            loop(
                k, 0, n,
                copy(part(K, (k * T, T), (0, T)), Ks),
                parallel((T, T), lambda i, j, k=k: store(s, (i, j), ir.Cast("float32", i - j + k))),
                gemm(Ks, Ks, s),
                parallel((T, T), lambda i, j: store(s, (i, j), ir.load(s, (i, j)) * 2.0)),
                copy(part(V, (k * T, T), (0, T)), Vs),
                gemm(s, Vs, o),
                stages=stages,
            )
        )  # fmt: skip
    body = ir.seq([*map(ir.alloc, (Ks, Vs, s, o)), fill(o), *loops, copy(o, O)])
    return body, data(K, V, O)


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
@pytest.mark.parametrize("extent", [0, 1, 3, 7])
@pytest.mark.parametrize("second_loop", [False, True])
def test_two_groups(stages, extent, second_loop):
    n = ir.var("n")
    body, arrays = attention_like(stages, n, second_loop)
    lowered, remarks = check(body, arrays, {n: extent})
    assert not remarks
    steady = ir.collect(lowered, ir.For)[0]
    assert sum(ir.is_call(c, "tl.sync_threads") for c in ir.collect(steady, ir.Call)) == 2


def refused(build, reason):
    """A program whose As copy must stay synchronous, for the given reason; still computed right."""
    A, C = tensor("A", 8 * T, T), tensor("C", T, T)
    As, acc = shared("As", T, T), fragment("acc", T, T)
    k = ir.var("k")
    fetch = copy(part(A, (k * T, T), (0, T)), As)
    use = gemm(As, As, acc)
    before, body, after = build(k, A, As, acc, fetch, use)
    program = ir.seq(
        [ir.alloc(As), ir.alloc(acc), fill(acc), fill(As, 1.0), *before, loop(k, 0, 6, *body, stages=3), *after, copy(acc, C)]
    )
    lowered, remarks = check(program, data(A, C))
    assert not asynchronous(lowered)
    assert any(reason in r for r in remarks), remarks


def test_read_before_write_is_refused():
    refused(lambda k, A, As, acc, fetch, use: ((), (use, fetch), ()), "carried from one iteration")


def test_second_writer_is_refused():
    refused(lambda k, A, As, acc, fetch, use: ((), (fetch, use, fill(As, 2.0), use), ()), "writes As elsewhere")


def test_source_written_in_the_loop_is_refused():
    def build(k, A, As, acc, fetch, use):
        return (), (fetch, use, copy(acc, part(A, (k * T + T, T), (0, T)))), ()

    refused(build, "writes its source")


def test_read_after_the_loop_is_refused():
    refused(lambda k, A, As, acc, fetch, use: ((), (fetch, use), (use,)), "read after the loop")


def test_other_condition_is_refused():
    def build(k, A, As, acc, fetch, use):
        return (), (when(k % 2 == 0, fetch), when(k % 3 == 0, use)), ()

    refused(build, "condition need not hold")


def test_partial_fill_is_refused():
    def build(k, A, As, acc, fetch, use):
        return (), (copy(part(A, (k, 2), (0, T)), part(As, (0, 2), (0, T))), use), ()

    refused(build, "does not fill all of As")


def test_break_is_refused():
    refused(lambda k, A, As, acc, fetch, use: ((), (fetch, when(k > 3, ir.Break()), use), ()), "leave the iteration early")


def test_index_changed_in_the_loop_is_refused():
    def build(k, A, As, acc, fetch, use):
        i = ir.buffer((1,), "int32", "i", "local.var")
        get = copy(part(A, (ir.load(i, (0,)), T), (0, T)), As)
        return (ir.alloc(i), store(i, (0,), 0)), (get, use, store(i, (0,), ir.load(i, (0,)) + 2)), ()

    refused(build, "indices depend on values that the loop changes")


def test_inner_loop_copy_is_refused():
    def build(k, A, As, acc, fetch, use):
        return (), (loop(ir.var("j"), 0, 2, fetch, use),), ()

    refused(build, "inside an inner loop")


def test_opaque_call_is_refused():
    A, As, acc = tensor("A", 8 * T, T), shared("As", T, T), fragment("acc", T, T)
    k = ir.var("k")
    body = loop(k, 0, 4, ir.evaluate(ir.call("tl.sync_grid")), copy(part(A, (k * T, T), (0, T)), As), gemm(As, As, acc), stages=2)
    ctx = context()
    assert not asynchronous(lower_pipelines(body, ctx))
    assert "other blocks" in ctx.remarks[0]


def test_indices_from_memory_and_binds_are_replayed():
    A, I, C = tensor("A", 8 * T, T), tensor("I", 8, dtype="int32"), tensor("C", T, T)
    As, acc = shared("As", T, T), fragment("acc", T, T)
    k, x, y = ir.var("k"), ir.var("x"), ir.var("y")
    body = ir.seq(
        [
            ir.alloc(As),
            ir.alloc(acc),
            fill(acc),
            loop(
                k, 0, 6,
                ir.Bind(x, ir.load(I, (k,))),
                ir.Bind(y, x * T),
                copy(part(A, (y, T), (0, T)), As),
                gemm(As, As, acc),
                stages=3,
            ),
            copy(acc, C),
        ]
    )  # fmt: skip
    arrays = data(A, C) | {I: np.random.default_rng(1).integers(0, 8, 8)}
    lowered, remarks = check(body, arrays)
    assert asynchronous(lowered) and not remarks


def test_layout_annotation_follows():
    body, _ = matmul(3, 6)
    buf = next(b for b in ir.declared_buffers(body) if str(b.name) == "As")

    class Layout:
        def versions(self, count):
            return ("versions", count)

    note = ir.evaluate(ir.call("tl.annotate_layout", [ir.full_region(buf)], attrs={"layout": Layout()}))
    lowered = lower_pipelines(ir.seq([*body.seq[:1], note, *body.seq[1:]]), context())
    (call,) = [c for c in ir.collect(lowered, ir.Call) if ir.is_call(c, "tl.annotate_layout")]
    assert ir.static_shape(call.args[0].source) == (3, T, T)
    assert list(call.attrs["layout"]) == ["versions", 3]


def test_stage_lists():
    ctx = context()
    A, As, acc = tensor("A", 8 * T, T), shared("As", T, T), fragment("acc", T, T)
    k = ir.var("k")
    body = loop(k, 0, 6, copy(part(A, (k * T, T), (0, T)), As), gemm(As, As, acc), order=[0, 1], stage=[0, 2])
    lowered = lower_pipelines(ir.seq([ir.alloc(As), ir.alloc(acc), body]), ctx)
    assert {ir.static_shape(b)[0] for b in ir.declared_buffers(lowered) if str(b.name) == "As"} == {3}
    assert any("hint" in r for r in ctx.remarks)


@st.composite
def programs(draw):
    """Random pipelined programs: (body, arrays, scalars)."""
    A, B, C = tensor("A", 16 * T, T), tensor("B", 16 * T, T), tensor("C", T, T)
    tiles = [shared("S0", T, T), shared("S1", T, T), shared("S2", T, T)]
    acc, n, m = fragment("acc", T, T), ir.var("n"), ir.var("m")
    flag = ir.var("flag")

    def condition(k):
        return draw(st.sampled_from([None, k % 2 == 0, k > 1, flag > 0]))

    def fetch(k, tile):
        source = draw(st.sampled_from([A, B]))
        index = draw(st.sampled_from([k * T, k * T + 1, (k + 2) * T, (k // 2) * T]))
        return copy(part(source, (index, T), (0, T)), tile)

    def use(tile):
        j = ir.var("j")
        return draw(
            st.sampled_from(
                [
                    gemm(tile, tile, acc),
                    parallel((T, T), lambda i, q: store(acc, (i, q), ir.load(acc, (i, q)) + ir.load(tile, (q, i)))),
                    loop(j, 0, 2, gemm(tile, tile, acc)),
                    copy(tile, acc),
                ]
            )
        )

    def statement(k):
        tile = draw(st.sampled_from(tiles))
        kind = draw(st.integers(0, 11))
        if kind < 4:
            return [fetch(k, tile), use(tile)]
        if kind < 6:
            guard = condition(k)
            both = [fetch(k, tile), use(tile)]
            if guard is None:
                return both
            return [when(guard, *both)] if draw(st.booleans()) else [when(guard, s) for s in both]
        if kind < 8:
            return [use(tile)]
        if kind == 8:
            return [fetch(k, tile)]
        if kind == 9:
            return [fill(tile, 0.5)]
        if kind == 10:
            return [copy(acc, part(A, (k * T, T), (0, T)))]
        return [parallel((T, T), lambda i, q: store(acc, (i, q), ir.load(acc, (i, q)) * 0.5))]

    def pipelined():
        k = ir.var("k")
        parts = [s for _ in range(draw(st.integers(1, 3))) for s in statement(k)]
        step = draw(st.sampled_from([None, None, 2]))
        return loop(k, draw(st.sampled_from([0, 0, m])), n, *parts, stages=draw(st.integers(1, 5)), step=step)

    parts = [pipelined() for _ in range(draw(st.integers(1, 2)))]
    if draw(st.booleans()):
        parts = [loop(ir.var("t"), 0, 2, *parts)]
    if draw(st.booleans()):
        parts.append(use(tiles[0]))
    body = ir.seq([*map(ir.alloc, [*tiles, acc]), fill(acc), *(fill(t, 1.0) for t in tiles), *parts, copy(acc, C)])
    scalars = {n: draw(st.integers(0, 7)), m: draw(st.integers(0, 3)), flag: draw(st.integers(0, 1))}
    return body, data(A, B, C, seed=draw(st.integers(0, 9))), scalars


@settings(max_examples=120, deadline=None)
@given(programs())
def test_random_programs(program):
    body, arrays, scalars = program
    with np.errstate(all="ignore"):
        check(body, arrays, scalars)
    assert not is_unit(body)

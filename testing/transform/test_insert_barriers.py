"""Barriers stand between all conflicting accesses, and nowhere else in the programs that matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from race_checker import find_races
from test_lower_pipelines import T, attention_like, data, matmul, outcomes, programs
from tile_program import context, copy, fill, fragment, loop, parallel, part, shared, store, sync, tensor, when

from tilelang import ir
from tilelang.errors import SemanticError
from tilelang.transform.insert_barriers import insert_barriers
from tilelang.transform.pipelining import lower_pipelines
from tilelang.transform.plan_shared_memory import plan_shared_memory


def calls(body, name):
    return [c for c in ir.collect(body, ir.Call) if ir.is_call(c, name)]


def barriers(body):
    return len(calls(body, "tl.sync_threads"))


def synchronised(*stmts, ctx=None):
    """(program with barriers, plan, context)."""
    ctx = ctx or context()
    body = ir.seq(stmts)
    plan = plan_shared_memory(body, ctx)
    return insert_barriers(body, ctx, plan), plan, ctx


def added(*stmts, ctx=None):
    """How many barriers a program gets; it is free of races afterwards."""
    ctx = ctx or context()
    body, plan, _ = synchronised(*stmts, ctx=ctx)
    buffers = {
        n.source if not isinstance(n, ir.BufferStore) else n.buffer
        for n in ir.collect(body, (ir.BufferLoad, ir.BufferRegion, ir.BufferStore))
    }
    arrays = data(*(b for b in buffers if ir.scope_of(b) == "global"))
    arrays |= {b: np.zeros(ir.static_shape(b)) for b in buffers if ir.scope_of(b) != "global"}
    races, _ = find_races(body, arrays, {}, plan, ctx)
    assert not races, races[0]
    return barriers(body)


@pytest.fixture
def env():
    class Env:
        S, X = shared("S", 64, T), shared("X", 64, T)
        A, f = tensor("A", 64, T), fragment("f", 64, T)
        k = ir.var("k")

    Env.allocs = [ir.alloc(Env.S), ir.alloc(Env.X), ir.alloc(Env.f)]
    return Env


def test_read_after_write(env):
    assert added(*env.allocs, copy(env.A, env.S), copy(env.S, env.f)) == 1


def test_write_after_read_and_write(env):
    assert added(*env.allocs, copy(env.A, env.S), copy(env.S, env.f), copy(env.A, env.S)) == 2
    assert added(*env.allocs, copy(env.A, env.S), fill(env.S)) == 1


def test_reads_and_other_buffers_need_none(env):
    both = copy(env.A, env.X), copy(env.A, env.S), copy(env.X, env.f), copy(env.S, env.f)
    assert added(*env.allocs, copy(env.A, env.f), *both) == 1


def test_disjoint_pieces_need_none(env):
    low, high = part(env.S, (0, 32), (0, T)), part(env.S, (32, 32), (0, T))
    assert added(*env.allocs, copy(part(env.A, (0, 32), (0, T)), low), copy(high, part(env.f, (0, 32), (0, T)))) == 0


def test_pieces_by_iteration_need_none(env):
    k = env.k
    body = loop(k, 0, 4, fill(part(env.S, (k * 16, 16), (0, T))))
    assert added(*env.allocs, body) == 0
    overlapping = loop(k, 0, 4, fill(part(env.S, (k * 8, 16), (0, T))))
    assert added(*env.allocs, overlapping) == 1


def test_loop_carried(env):
    k = env.k
    stage = part(env.A, (k * 16, 16), (0, T)), part(env.S, (0, 16), (0, T))
    body, _, _ = synchronised(*env.allocs, loop(k, 0, 4, copy(*stage), copy(stage[1], part(env.f, (0, 16), (0, T)))))
    assert barriers(body) == 2
    (steady,) = ir.collect(body, ir.For)
    assert barriers(steady) == 2


@pytest.mark.parametrize(("ahead", "extent", "expected"), [(4, 2, 1), (8, 3, 1), (40, 4, 0)])
def test_conflict_with_any_earlier_iteration(env, ahead, extent, expected):
    """What iteration k reads is written by iteration k + ahead / 4."""
    k = env.k
    body = loop(
        k,
        0,
        extent,
        fill(part(env.S, (k * 4, 4), (0, T))),
        copy(part(env.S, (k * 4 + ahead, 4), (0, T)), part(env.f, (0, 4), (0, T))),
    )
    assert added(*env.allocs, body) == expected


def test_slots_of_other_iterations_are_apart(env):
    """Iteration k writes slot (k + 1) % 2 and reads slot k % 2 written before: one barrier an iteration, not two."""
    V, k = shared("V", 2, 16), env.k
    write = fill(part(V, (ir.FloorMod(k + 1, ir.const(2)), 1), (0, 16)))
    read = copy(part(V, (ir.FloorMod(k, ir.const(2)), 1), (0, 16)), part(env.f, (0, 16), (0, 1)))
    assert added(ir.alloc(V), *env.allocs, fill(V), loop(k, 0, 5, write, read)) == 1


def test_own_element_needs_none(env):
    ctx = context(threads=32)
    S = shared("S", 64)
    x = ir.buffer((1,), "float32", "x", "local.var")
    own = [ir.alloc(S), ir.alloc(x), store(S, (ctx.tid,), 1.0), store(x, (0,), ir.load(S, (ctx.tid,)))]
    assert added(*own, ctx=ctx) == 0
    assert added(*own, store(x, (0,), ir.load(S, (ctx.tid + 1,))), ctx=ctx) == 1
    assert added(*own[:2], store(S, (ctx.tid // 2,), 1.0), store(x, (0,), ir.load(S, (ctx.tid // 2,))), ctx=ctx) == 1


def test_global_memory_is_ordered_too(env):
    assert added(*env.allocs, copy(env.f, env.A), copy(env.A, env.S)) == 1


def test_atomics_do_not_conflict_with_each_other(env):
    add = [ir.evaluate(ir.call("tl.atomic_add", [ir.address_of(ir.load(env.A, (0, 0))), 1.0])) for _ in range(2)]
    body, _, _ = synchronised(*add)
    assert barriers(body) == 0
    body, _, _ = synchronised(*add, ir.Bind(ir.var("x", "float32"), ir.load(env.A, (0, 0))))
    assert barriers(body) == 1


def test_user_barriers_count(env):
    assert added(*env.allocs, copy(env.A, env.S), sync(), copy(env.S, env.f)) == 1


def test_disabled(env):
    ctx = context(**{"tl.disable_thread_storage_sync": True})
    body, _, _ = synchronised(*env.allocs, copy(env.A, env.S), copy(env.S, env.f), ctx=ctx)
    assert barriers(body) == 0


def test_branches_merge(env):
    k = env.k
    body = loop(k, 0, 4, when(k > 1, copy(env.A, env.S), otherwise=fill(env.f)), copy(env.S, env.f))
    assert added(*env.allocs, fill(env.S), body) >= 2


def test_while_condition_is_read_again(env):
    i = shared("i", 1, dtype="int32")
    tid = context().tid
    bump = store(i, (0,), ir.load(i, (0,)) + 1)
    body, plan, ctx = synchronised(ir.alloc(i), store(i, (0,), 0), ir.While(ir.load(i, (0,)) < 3, bump))
    assert barriers(body) >= 2 and tid is not None


def test_aliases_by_arena(env):
    """X lives after S: they share bytes, so a barrier keeps S's last read before X's first write."""
    body, plan, _ = synchronised(*env.allocs, copy(env.A, env.S), copy(env.S, env.f), copy(env.f, env.X))
    assert plan.offsets[env.S] == plan.offsets[env.X] == 0
    assert barriers(body) == 2


# ---------------------------------------------------------------------- divergence


def test_barrier_is_hoisted_out_of_a_divergent_branch(env):
    ctx = context()
    S, x = shared("S", 64), ir.buffer((1,), "float32", "x", "local.var")
    body, _, _ = synchronised(
        ir.alloc(S), ir.alloc(x), fill(S), when(ctx.tid < 7, store(x, (0,), ir.load(S, (ctx.tid,)))), ctx=ctx
    )
    assert barriers(body) == 1
    (branch,) = ir.collect(body, ir.IfThenElse)
    assert barriers(branch) == 0


def test_conflict_inside_a_divergent_branch_is_refused(env):
    ctx = context(64)
    S, x = shared("S", 64), ir.buffer((1,), "float32", "x", "local.var")
    racy = when(ctx.tid < 40, store(S, (ctx.tid,), 1.0), store(x, (0,), ir.load(S, (ctx.tid + 1,))))
    with pytest.raises(SemanticError, match="S is written and then read by different threads"):
        synchronised(ir.alloc(S), ir.alloc(x), racy, ctx=ctx)


def test_order_inside_a_divergent_branch_is_the_authors_where_no_race_is_known(env):
    """One warp, a condition in memory, or indices in memory: authors know what the compiler does not."""
    S, x, n = shared("S", 64), ir.buffer((1,), "float32", "x", "local.var"), ir.buffer((64,), "int32", "N")
    for condition, other in [
        (lambda tid: tid < 7, lambda tid: tid + 1),
        (lambda tid: ir.load(n, (tid,)) > 0, lambda tid: tid + 1),
        (lambda tid: tid < 40, lambda tid: ir.load(n, (tid,))),
        (lambda tid: tid % 2 == 0, lambda tid: tid + 1),
    ]:
        ctx = context(64)
        exchange = when(condition(ctx.tid), store(S, (ctx.tid,), 1.0), store(x, (0,), ir.load(S, (other(ctx.tid),))))
        body, _, _ = synchronised(ir.alloc(S), ir.alloc(x), exchange, ctx=ctx)
        assert barriers(body) == 0


def test_branches_that_barriers_need_whole_are_taken_as_such(env):
    """A condition nobody knows to be the same for all threads, around what needs all of them: the author's word for it."""
    n = ir.buffer((64,), "int32", "N")
    ctx = context()
    body, _, _ = synchronised(*env.allocs, when(ir.load(n, (ctx.tid,)) > 0, copy(env.A, env.S), copy(env.S, env.f)), ctx=ctx)
    assert barriers(ir.collect(body, ir.IfThenElse)[0]) == 1


def test_one_thread_needs_no_barrier(env):
    ctx = context()
    S, x = shared("S", 64), ir.buffer((1,), "float32", "x", "local.var")
    alone = when(ctx.tid == 0, store(S, (3,), 1.0), store(x, (0,), ir.load(S, (3,))))
    body, _, _ = synchronised(ir.alloc(S), ir.alloc(x), alone, ctx=ctx)
    assert barriers(body) == 0


def test_operator_and_barrier_in_a_divergent_branch_are_refused(env):
    ctx = context()
    with pytest.raises(SemanticError, match="spread over all"):
        synchronised(*env.allocs, when(ctx.tid < 7, copy(env.A, env.S)), ctx=ctx)
    with pytest.raises(SemanticError, match="never arrive"):
        synchronised(when(ctx.tid < 7, sync()), ctx=ctx)


def test_divergent_break_makes_the_loop_divergent(env):
    ctx = context()
    S, x = shared("S", 64), ir.buffer((1,), "float32", "x", "local.var")
    body = loop(env.k, 0, 4, when(ctx.tid > env.k, ir.Break()), store(x, (0,), ir.load(S, (env.k,))))
    out, _, _ = synchronised(ir.alloc(S), ir.alloc(x), fill(S), body, ctx=ctx)
    assert barriers(out) == 1 and barriers(ir.collect(out, ir.For)[0]) == 0


def test_uniform_local_variable(env):
    i = ir.buffer((1,), "int32", "i", "local.var")
    use = when(ir.load(i, (0,)) > 0, copy(env.A, env.S), copy(env.S, env.f))
    body, _, _ = synchronised(*env.allocs, ir.alloc(i), store(i, (0,), 1), use)
    assert barriers(body) == 1
    ctx = context()
    with pytest.raises(SemanticError):
        synchronised(*env.allocs, ir.alloc(i), store(i, (0,), ctx.tid), use, ctx=ctx)


# ---------------------------------------------------------------------- pipelines


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_pipelined_matmul_needs_one_barrier(stages):
    ctx = context()
    n = ir.var("n")
    body, arrays = matmul(stages, n)
    lowered = lower_pipelines(body, ctx)
    plan = plan_shared_memory(lowered, ctx)
    out = insert_barriers(lowered, ctx, plan)
    assert len(calls(out, "tl.cp_async_wait")) == len(calls(lowered, "tl.cp_async_wait"))
    assert barriers(out) == (2 if stages == 1 else 1)
    for extent in range(6):
        assert not find_races(out, arrays, {n: extent}, plan, ctx)[0]


@pytest.mark.parametrize("stages", [2, 3])
@pytest.mark.parametrize("second_loop", [False, True])
def test_pipelined_attention_needs_two(stages, second_loop):
    ctx = context()
    n = ir.var("n")
    body, arrays = attention_like(stages, n, second_loop)
    lowered = lower_pipelines(body, ctx)
    plan = plan_shared_memory(lowered, ctx)
    out = insert_barriers(lowered, ctx, plan)
    assert len(calls(out, "tl.cp_async_wait")) == len(calls(lowered, "tl.cp_async_wait"))
    assert all(barriers(f) == 2 for f in ir.collect(out, ir.For) if f.kind == ir.ForKind.SERIAL)
    for extent in range(6):
        assert not find_races(out, arrays, {n: extent}, plan, ctx)[0]


def test_early_read_of_a_copy_under_way_waits(env):
    issue = [copy(env.A, env.S, async_group=True), ir.evaluate(ir.call("tl.cp_async_commit"))]
    body, _, _ = synchronised(*env.allocs, *issue, sync(), copy(env.S, env.f))
    assert len(calls(body, "tl.cp_async_wait")) == 1 and barriers(body) == 2


@settings(max_examples=60, deadline=None)
@given(programs(), st.booleans())
def test_random_pipelines_have_no_races(program, reuse):
    body, arrays, scalars = program
    ctx = context(**{"tl.disable_shared_memory_reuse": not reuse})
    lowered = lower_pipelines(body, ctx)
    plan = plan_shared_memory(lowered, ctx)
    out = insert_barriers(lowered, ctx, plan)
    with np.errstate(all="ignore"):
        races, _ = find_races(out, arrays, scalars, plan, ctx)
        assert not races, races[0]
        for before, after in zip(*outcomes(body, out, arrays, scalars)):
            np.testing.assert_array_equal(before, after)


@st.composite
def loops_over_pieces(draw):
    """Nested loops of operators, nests and leaves on moving pieces of two shared buffers and a tensor."""
    ctx = context(threads=8)
    # Three loops of up to 8 steps of 4, and offsets: no index reaches 160.
    bufs = [shared("S", 160), shared("X", 160), tensor("G", 160)]
    x = ir.buffer((1,), "float32", "x", "local.var")
    loops = []

    def index():
        base = ir.const(draw(st.sampled_from([0, 0, 1, 3, 4, 8])))
        for v in loops:
            scale = draw(st.sampled_from([0, 1, 4, 4]))
            base = base + v * scale
            if draw(st.integers(0, 4)) == 0:
                base = ir.FloorMod(base, ir.const(3))
        return base

    def statement(depth):
        kind = 0 if depth == 0 else draw(st.integers(0, 9))
        buf = draw(st.sampled_from(bufs))
        width = draw(st.integers(1, 4))
        if kind == 0 and depth < 3:
            v = ir.var(f"v{depth}")
            start, extent = draw(st.integers(0, 2)), draw(st.integers(0, 4))
            step = draw(st.sampled_from([None, 2]))
            loops.append(v)
            body = [statement(depth + 1) for _ in range(draw(st.integers(1, 4)))]
            loops.pop()
            return loop(v, start, extent, *body, step=step)
        if kind == 1 and loops:
            return when(loops[-1] % 2 == 0, statement(depth), otherwise=statement(depth))
        if kind == 2:
            at = index()
            return parallel((width,), lambda i: store(buf, (at + i,), 1.0))
        if kind == 3:
            return store(buf, (index() + ctx.tid,), 2.0)
        if kind == 4:
            return store(x, (0,), ir.load(buf, (index() + ctx.tid,)))
        if kind == 5:
            return sync()
        if kind == 6:
            return fill(part(buf, (index(), width)), 3.0)
        return copy(part(buf, (index(), width)), part(draw(st.sampled_from(bufs)), (index() + 8, width)))

    stmts = [statement(draw(st.integers(0, 1))) for _ in range(draw(st.integers(1, 3)))]
    return ir.seq([*map(ir.alloc, [*bufs[:2], x]), *stmts]), data(bufs[2]), ctx


@settings(max_examples=200, deadline=None)
@given(loops_over_pieces())
def test_random_pieces_have_no_races(case):
    body, arrays, ctx = case
    plan = plan_shared_memory(body, ctx)
    out = insert_barriers(body, ctx, plan)
    with np.errstate(all="ignore"):
        races, _ = find_races(out, arrays, {}, plan, ctx)
    assert not races, f"{races[0]}\n--- in ---\n{out}"

"""Atomics on tiles: every element exactly once, whatever the source's layout; vectors only where provably aligned."""

from __future__ import annotations

import numpy as np
import pytest
from simt import Simt, combine, np_dtype, scatter

from tilelang import ir
from tilelang.errors import DTypeError, ShapeError, UnsupportedError
from tilelang.layout import Fragment
from tilelang.target import Target
from tilelang.target.mma import M16N8K16
from tilelang.tileop.atomic import AtomicAdd, AtomicMax, AtomicMin
from tilelang.tileop.base import LoweringContext, as_tile_op
from tilelang.tileop.mma import MmaPlan, Policy

rng = np.random.default_rng()
OPS = {"sum": AtomicAdd, "max": AtomicMax, "min": AtomicMin}


def random(shape, dtype):
    kind = np_dtype(dtype)
    return (
        rng.integers(0, 50, shape).astype(kind)
        if kind.kind in "iu"
        else rng.integers(-8, 8, shape).astype(np.float32).astype(kind)
    )


def run_atomic(
    shape,
    dst_shape,
    start,
    kind="sum",
    dtype="float32",
    src_dtype=None,
    layout=None,
    src_scope="local.fragment",
    dst_scope="global",
    threads=128,
    arch="sm_90a",
):
    ctx = LoweringContext(Target("cuda", arch), threads, ir.var("tid"))
    src_dtype = src_dtype or dtype
    src, dst = ir.buffer(shape, src_dtype, "S", src_scope), ir.buffer(dst_shape, dtype, "D", dst_scope)
    where = ir.region(dst, [(ir.as_expr(s), n) for s, n in zip(start, shape)])
    op = as_tile_op(ir.evaluate(OPS[kind](where, ir.full_region(src)).to_call()))
    op.check(ctx.target)
    S, D = random(shape, src_dtype), random(dst_shape, dtype)
    sim = Simt(ctx, {dst: D.copy()})
    repeats = 1
    if src_scope == "local.fragment":
        if layout is not None:
            ctx.fragments[src] = layout
        ctx.fragments.update(op.default_fragments(ctx.fragments, ctx))
        sim.registers[ctx.registers_of(src)] = scatter(ctx.fragments[src], S, threads)
    elif src_scope == "local":
        repeats = threads
        sim.registers[src] = np.broadcast_to(S, (threads, *shape)).copy()
    else:
        sim.memory[src] = S
    sim.run(op.lower(ctx))
    expected = D.copy()
    inside = tuple(slice(s, min(s + n, total)) for s, n, total in zip(start, shape, dst_shape))
    part = S[tuple(slice(0, sl.stop - sl.start) for sl in inside)].astype(expected.dtype)
    for _ in range(repeats):
        expected[inside] = combine(kind, expected[inside], part)
    np.testing.assert_array_equal(sim.memory[dst], expected)
    return sim


@pytest.mark.parametrize("kind", list(OPS))
@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "float64", "uint64"])
@pytest.mark.parametrize("scope", ["local.fragment", "shared.dyn", "local"])
def test_kinds_dtypes_scopes(kind, dtype, scope):
    shape = (6, 20) if scope != "local" else (3, 2)
    run_atomic(shape, (16, 64), (2, 8), kind, dtype, src_scope=scope)


@pytest.mark.parametrize("m,n,threads", [(48, 80, 128), (64, 24, 96), (16, 8, 128)])
def test_accumulators(m, n, threads):
    plan = MmaPlan.make(M16N8K16, m, n, 16, threads, Policy.Square)
    sim = run_atomic((m, n), (m + 8, n + 8), (8, 8), layout=plan.c, threads=threads)
    assert sim.counts["tl.atomic_add_vec"] and "tl.atomic_add" not in sim.counts


@pytest.mark.parametrize(
    "layout", [Fragment.replicated((8, 20), 64), Fragment.blocked((8, 20), 48), Fragment.blocked((8, 20), 64, 4)], ids=str
)
@pytest.mark.parametrize("dst_scope", ["global", "shared.dyn"])
def test_replicas_and_idle_threads_add_once(layout, dst_scope):
    run_atomic((8, 20), (8, 20), (0, 0), layout=layout, threads=64, dst_scope=dst_scope)


@pytest.mark.parametrize("start", [(3, 4), (10, 28), (0, 31)])
def test_out_of_bounds_is_skipped(start):
    run_atomic((8, 24), (16, 48), start)


@pytest.mark.parametrize(
    "dtype,arch,start,vector",
    [
        ("float16", "sm_80", 8, True),
        ("bfloat16", "sm_80", 8, False),
        ("bfloat16", "sm_90a", 8, True),
        ("float32", "sm_80", 8, False),
        ("float32", "sm_90a", 8, True),
        ("float16", "sm_80", 3, False),
    ],
)
def test_vectors_only_where_legal(dtype, arch, start, vector):
    sim = run_atomic((16, 64), (16, 128), (0, start), dtype=dtype, arch=arch)
    assert ("tl.atomic_add_vec" in sim.counts) == vector


def test_odd_rows_are_not_vectors():
    assert "tl.atomic_add_vec" not in run_atomic((16, 64), (16, 129), (0, 0), dtype="float16").counts


def test_casts_to_the_destination():
    run_atomic((16, 16), (16, 16), (0, 0), dtype="float32", src_dtype="float16")


def test_scalar_value_once_an_element():
    ctx = LoweringContext(Target(), 96, ir.var("tid"))
    dst = ir.buffer((7, 9), "int32", "D", "global")
    op = AtomicAdd(ir.region(dst, [(1, 5), (2, 7)]), ir.const(3))
    D = random((7, 9), "int32")
    sim = Simt(ctx, {dst: D.copy()})
    sim.run(op.lower(ctx))
    D[1:6, 2:9] += 3
    np.testing.assert_array_equal(sim.memory[dst], D)


def test_scalar_form_is_no_tile_operator():
    dst = ir.buffer((4,), "float32", "D", "global")
    stmt = ir.evaluate(ir.call("tl.atomic_add", [ir.address_of(ir.load(dst, [0])), ir.const(1.0, "float32")], "float32"))
    assert as_tile_op(stmt) is None


def test_errors():
    s, f = ir.buffer((4, 8), "float32", "S", "shared.dyn"), ir.buffer((4, 8), "float32", "F", "local.fragment")
    with pytest.raises(UnsupportedError, match="local.fragment"):
        AtomicAdd(ir.full_region(f), ir.full_region(s)).check(Target())
    with pytest.raises(ShapeError, match="4 x 8.*4 x 4"):
        AtomicAdd(ir.region(s, [(0, 4), (0, 4)]), ir.full_region(f)).check(Target())
    with pytest.raises(DTypeError, match="int8"):
        AtomicAdd(ir.full_region(ir.buffer((4,), "int8", "B", "global")), ir.const(1, "int8")).check(Target())

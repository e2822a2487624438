"""T.reduce lowered by itself and interpreted: every kind, dtype, scope and layout, ragged shapes."""

from __future__ import annotations

import numpy as np
import pytest
from simt import Simt, combine, gather, np_dtype, scatter

from tilelang import ir
from tilelang.errors import DTypeError, SemanticError, ShapeError, UnsupportedError
from tilelang.layout import Fragment, local, thread
from tilelang.target import Target
from tilelang.target.mma import M16N8K16
from tilelang.tileop.base import LoweringContext
from tilelang.tileop.mma import MmaPlan, Policy
from tilelang.tileop.reduce import Reduce

rng = np.random.default_rng()
KINDS = ["sum", "max", "min", "absmax", "abssum", "bitand", "bitor", "bitxor"]


def random(shape, dtype: str) -> np.ndarray:
    kind = np_dtype(dtype)
    if kind.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind.kind in "iu":
        info = np.iinfo(kind)
        return rng.integers(info.min, info.max, shape, endpoint=True, dtype=kind)
    return rng.standard_normal(shape).astype(np.float32).astype(kind)


def reference(x, kind, dim, old=None):
    if kind.startswith("abs"):
        x = np.abs(x)
    if x.dtype.kind not in "iub" and kind.endswith("sum"):
        x = x.astype(np.float64)
    op = {"abssum": "sum", "absmax": "max"}.get(kind, kind)
    out = x.take(0, dim)
    for i in range(1, x.shape[dim]):
        out = combine(op, out, x.take(i, dim))
    return out if old is None else combine(op, old.astype(out.dtype), out)


def run_reduce(
    shape,
    dim,
    kind="sum",
    dtype="float32",
    dst_dtype=None,
    threads=128,
    layout=None,
    src_scope="local.fragment",
    dst_scope="local.fragment",
    clear=True,
    keep=False,
    nan=False,
    values=None,
    dst_layout=None,
):
    dst_dtype = dst_dtype or dtype
    ctx = LoweringContext(Target(), threads, ir.var("tid"))
    axis = dim % len(shape)
    dst_shape = shape[:axis] + ((1,) if keep else ()) + shape[axis + 1 :] or (1,)
    src, dst = ir.buffer(shape, dtype, "S", src_scope), ir.buffer(dst_shape, dst_dtype, "D", dst_scope)
    op = Reduce(ir.full_region(src), ir.full_region(dst), kind, dim, clear, nan)
    op = Reduce.from_call(op.to_call(), None)
    op.check(ctx.target)
    if layout is not None:
        ctx.fragments[src] = layout
    if dst_layout is not None:
        ctx.fragments[dst] = dst_layout
    ctx.fragments.update(op.derive_fragments(ctx.fragments, ctx))
    ctx.fragments.update(op.default_fragments(ctx.fragments, ctx))
    assert op.required_fragments(ctx) == {}
    memory = {}
    wanted = op.scratch(ctx)
    if wanted is not None:
        scratch = ir.buffer(wanted[0], wanted[1], "scratch", "shared.dyn")
        op = Reduce(op.src, op.dst, kind, dim, clear, nan, None, scratch)
        memory[scratch] = np.full(wanted[0], 85, np_dtype(wanted[1]))
    S, D = random(shape, dtype) if values is None else values, random(dst_shape, dst_dtype)
    sim = Simt(ctx, memory)
    for buf, value in ((src, S), (dst, D)):
        scope = ir.scope_of(buf)
        if scope == "local.fragment":
            sim.registers[ctx.registers_of(buf)] = scatter(ctx.fragments[buf], value, threads)
        elif scope == "local":
            sim.registers[buf] = np.broadcast_to(value, (threads, *value.shape)).copy()
        else:
            sim.memory[buf] = value.copy()
    sim.run(op.lower(ctx))
    if dst_scope == "local.fragment":
        result = gather(ctx.fragments[dst], sim.fragment(dst))
    elif dst_scope == "local":
        assert (sim.registers[dst] == sim.registers[dst][0]).all()
        result = sim.registers[dst][0]
    else:
        result = sim.memory[dst]
    expected = reference(S.astype(np_dtype(dst_dtype)), kind, axis, None if clear else D.reshape(S.take(0, axis).shape))
    return result.reshape(expected.shape), expected, sim


def close(result, expected):
    if result.dtype.kind in "iub":
        np.testing.assert_array_equal(result, expected)
    else:
        eps = {2: 0.01 if result.dtype == np.float16 else 0.06, 4: 1e-5, 8: 1e-12, 1: 0.1}[result.dtype.itemsize]
        np.testing.assert_allclose(result.astype(np.float64), expected.astype(np.float64), rtol=eps, atol=eps * 8)


def mma(m, n, threads=128, policy=Policy.Square):
    return MmaPlan.make(M16N8K16, m, n, 16, threads, policy).c


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_kinds(kind, dim):
    result, expected, _ = run_reduce((24, 40), dim, kind, "int32" if kind.startswith("bit") else "float32")
    close(result, expected)


@pytest.mark.parametrize(
    "dtype", ["float64", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"]
)
@pytest.mark.parametrize("kind", ["sum", "max", "min"])
def test_dtypes(dtype, kind):
    close(*run_reduce((16, 24), 1, kind, dtype)[:2])


@pytest.mark.parametrize("kind", ["bitand", "bitor", "bitxor"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint64", "int16"])
def test_bitwise_dtypes(kind, dtype):
    close(*run_reduce((8, 12), 0, kind, dtype)[:2])


@pytest.mark.parametrize(
    "dtype,dst",
    [("float16", "float32"), ("bfloat16", "float32"), ("int8", "int32"), ("bool", "int32"), ("float8_e4m3fn", "float32")],
)
def test_accumulates_in_the_result_dtype(dtype, dst):
    close(*run_reduce((16, 96), 1, "sum", dtype, dst)[:2])


@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("m,n,threads", [(64, 64, 128), (48, 80, 128), (96, 112, 256), (16, 24, 96), (128, 8, 64)])
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("kind", ["sum", "max"])
def test_accumulator_layouts(m, n, threads, dim, kind, policy):
    result, expected, sim = run_reduce((m, n), dim, kind, threads=threads, layout=mma(m, n, threads, policy), clear=bool(n % 16))
    close(result, expected)
    assert sim.counts.get("tl.warp_reduce")


def test_attention_rows_take_one_butterfly_a_row():
    _, _, sim = run_reduce((64, 64), 1, layout=mma(64, 64, 128, Policy.FullRow))
    assert sim.counts == {"tl.warp_reduce": 2}


LAYOUTS = [
    Fragment.blocked((48, 20), 128),
    Fragment.blocked((48, 20), 100),
    Fragment.blocked((48, 20), 128, 4),
    Fragment.replicated((48, 20), 128),
    Fragment((48, 20), ((local(12, 1), thread(4, 1)), (thread(20, 4),))),
    Fragment((48, 20), ((thread(3, 32), local(4, 1), thread(4, 8)), (local(3, 4), thread(8, 1)))),
    Fragment((48, 20), ((local(48, 1),), (thread(5, 1), local(4, 48))), (thread(2, 10),)),
    Fragment((48, 20), ((thread(48, 1),), (thread(2, 48), local(10, 1)))),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("clear", [True, False])
@pytest.mark.parametrize("dst_scope", ["local.fragment", "shared.dyn"])
def test_any_layout(layout, dim, clear, dst_scope):
    close(*run_reduce((48, 20), dim, "sum", layout=layout, clear=clear, dst_scope=dst_scope)[:2])


@pytest.mark.parametrize("shape", [(1, 24), (24, 1), (96,), (1,), (7, 5, 3), (2, 48, 20)])
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize(
    "src,dst",
    [("local.fragment",) * 2, ("shared.dyn", "local.fragment"), ("shared.dyn",) * 2, ("local", "local"), ("shared.dyn", "local")],
)
@pytest.mark.parametrize("clear", [True, False])
def test_shapes_and_scopes(shape, keep, src, dst, clear):
    for dim in range(len(shape)):
        close(*run_reduce(shape, dim, "max", threads=96, keep=keep, src_scope=src, dst_scope=dst, clear=clear)[:2])


@pytest.mark.parametrize("shape,dim", [((64, 128), 1), ((64, 128), 0), ((3, 300), 1), ((300, 3), 0), ((2, 2000), 1)])
def test_large_shared_sources(shape, dim):
    close(*run_reduce(shape, dim, "sum", src_scope="shared.dyn", dst_scope="shared.dyn")[:2])


def test_shared_source_for_a_result_in_another_layout():
    """The result's layout is somebody else's: its threads read their rows themselves."""
    for layout in (Fragment.replicated((24,), 128), Fragment.blocked((24,), 128), mma(64, 24).reduce(0)):
        close(*run_reduce((40, 24), 0, "sum", src_scope="shared.dyn", dst_layout=layout)[:2])


def test_source_from_result():
    result = mma(48, 64).reduce(1)
    close(*run_reduce((48, 33), 1, "sum", dst_layout=result)[:2])


@pytest.mark.parametrize("kind", ["max", "min", "absmax"])
@pytest.mark.parametrize("nan", [True, False])
def test_nan(kind, nan):
    values = random((32, 64), "float32")
    values[3, 17] = values[20, 0] = np.nan
    result, _, _ = run_reduce((32, 64), 1, kind, values=values, layout=mma(32, 64), nan=nan)
    assert np.isnan(result).sum() == (2 if nan else 0)
    rows = [r for r in range(32) if r not in (3, 20)]
    close(result[rows], reference(values[rows], kind, 1))


def test_infinite_rows():
    values = np.full((16, 24), -np.inf, np.float32)
    assert np.isneginf(run_reduce((16, 24), 1, "max", values=values)[0]).all()


def test_slices_of_fragments():
    """One slice along a leading register axis, a part of the reduced dimension, into one row of the result."""
    ctx = LoweringContext(Target(), 64, ir.var("tid"))
    src, dst = ir.buffer((2, 32, 24), "float32", "S", "local.fragment"), ir.buffer((3, 32), "float32", "D", "local.fragment")
    inner = mma(32, 24, 64)
    ctx.fragments[src] = Fragment((2, 32, 24), ((local(2, inner.local_size),), *inner.dims))
    op = Reduce(ir.region(src, [(1, 1), (0, 32), (5, 11)]), ir.region(dst, [(2, 1), (0, 32)]), "sum", 2)
    op.check(ctx.target)
    ctx.fragments.update(op.derive_fragments(ctx.fragments, ctx))
    assert op.required_fragments(ctx) == {}
    wanted = op.scratch(ctx)
    scratch = ir.buffer(wanted[0], wanted[1], "scratch", "shared.dyn") if wanted else None
    op = Reduce(op.src, op.dst, "sum", 2, scratch_buffer=scratch)
    S, D = random((2, 32, 24), "float32"), random((3, 32), "float32")
    sim = Simt(ctx, {scratch: np.zeros(wanted[0], np.float32)} if wanted else {})
    sim.registers[ctx.registers_of(src)] = scatter(ctx.fragments[src], S, 64)
    sim.registers[ctx.registers_of(dst)] = scatter(ctx.fragments[dst], D, 64)
    sim.run(op.lower(ctx))
    D[2] = S[1, :, 5:16].astype(np.float64).sum(1)
    close(gather(ctx.fragments[dst], sim.fragment(dst)), D)


def test_conflicting_result_layout_is_reported():
    ctx = LoweringContext(Target(), 128, ir.var("tid"))
    src, dst = ir.buffer((64, 64), "float32", "S", "local.fragment"), ir.buffer((64,), "float32", "D", "local.fragment")
    ctx.fragments = {src: mma(64, 64), dst: Fragment.blocked((64,), 128)}
    op = Reduce(ir.full_region(src), ir.full_region(dst), "sum", 1)
    needed = op.required_fragments(ctx)
    assert list(needed) == [dst] and needed[dst].same_threads(mma(64, 64).reduce(1))


def test_errors():
    def make(a, b, kind="sum", dim=1, dtypes=("float32", "float32"), scopes=("local.fragment", "local.fragment")):
        src, dst = ir.buffer(a, dtypes[0], "S", scopes[0]), ir.buffer(b, dtypes[1], "D", scopes[1])
        Reduce(ir.full_region(src), ir.full_region(dst), kind, dim).check(Target())

    make((4, 8), (4, 1))
    with pytest.raises(ShapeError, match=r"\[4, 8\] along dim 1 to \[4\], but D has \[8\]"):
        make((4, 8), (8,))
    with pytest.raises(ShapeError, match="dim from -2 to 1"):
        make((4, 8), (4,), dim=2)
    with pytest.raises(DTypeError, match="bitand"):
        make((4, 8), (4,), "bitand")
    with pytest.raises(DTypeError, match="float dtype"):
        make((4, 8), (4,), dtypes=("float32", "int32"))
    with pytest.raises(SemanticError, match="'mean'"):
        make((4, 8), (4,), "mean")
    with pytest.raises(UnsupportedError, match="global"):
        make((4, 8), (4,), scopes=("global", "local.fragment"))
    with pytest.raises(UnsupportedError, match="alloc_local"):
        make((4, 8), (4,), scopes=("local", "local.fragment"))

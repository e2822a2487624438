"""T.gemm lowered by itself and interpreted: every dtype, transpose, scope, policy, ragged tile."""

from __future__ import annotations

import numpy as np
import pytest
from simt import Simt, gather, np_dtype, poison, scatter

from tilelang import ir
from tilelang.errors import DTypeError, ShapeError, UnsupportedError
from tilelang.target import Target
from tilelang.tileop.base import LoweringContext
from tilelang.tileop.gemm import Gemm
from tilelang.tileop.mma import Policy

rng = np.random.default_rng()


def random(shape, dtype: str) -> np.ndarray:
    kind = np_dtype(dtype)
    if kind.kind in "iu":
        info = np.iinfo(kind)
        return rng.integers(max(info.min, -100), min(info.max, 100), shape, endpoint=True).astype(kind)
    return rng.standard_normal(shape).astype(np.float32).astype(kind)


def reference(a, b, c):
    wide = np.int64 if c.dtype.kind in "iu" else np.float64
    return c.astype(wide) + a.astype(wide) @ b.astype(wide)


def run_gemm(
    m,
    n,
    k,
    dtypes=("float16", "float16", "float32"),
    threads=128,
    ta=False,
    tb=False,
    policy=0,
    a_scope="shared.dyn",
    b_scope="shared.dyn",
    c_scope="local.fragment",
    clear=False,
    arch="sm_90a",
    make_regions=None,
):
    """Lowers and interprets one gemm; returns (result, reference, simulator)."""
    # The lockstep interpreter knows the instructions of warps; test_wgmma.py runs those of warpgroups in the simulator.
    ctx = LoweringContext(Target("cuda", arch), threads, ir.var("tid"), pass_configs={"tl.disable_wgmma": True})
    a = ir.buffer((k, m) if ta else (m, k), dtypes[0], "A", a_scope)
    b = ir.buffer((n, k) if tb else (k, n), dtypes[1], "B", b_scope)
    c = ir.buffer((m, n), dtypes[2], "C", c_scope)
    flag = clear if not isinstance(clear, bool) else ir.const(clear, "bool")
    op = Gemm(ir.full_region(a), ir.full_region(b), ir.full_region(c), flag, ta, tb, Policy(policy))
    op = Gemm.from_call(op.to_call(), None)
    op.check(ctx.target)
    infer(op, ctx)
    A, B, C = random((m, k), dtypes[0]), random((k, n), dtypes[1]), random((m, n), dtypes[2])
    sim = Simt(ctx, {})
    for buf, value in ((a, A.T if ta else A), (b, B.T if tb else B), (c, C)):
        value = np.ascontiguousarray(value)
        if ir.scope_of(buf) == "local.fragment":
            sim.registers[ctx.registers_of(buf)] = scatter(ctx.fragments[buf], value, threads)
        else:
            sim.memory[buf] = value.copy()
    sim.run(op.lower(ctx))
    result = gather(ctx.fragments[c], sim.fragment(c)) if c_scope == "local.fragment" else sim.memory[c]
    return result, reference(A, B, np.zeros_like(C) if clear is not False and clear is True else C), sim


def infer(op, ctx) -> None:
    ctx.shared.update(op.shared_layouts(ctx))
    ctx.fragments.update(op.strict_fragments(ctx))
    ctx.fragments.update(op.default_fragments(ctx.fragments, ctx))
    ctx.fragments.update(op.derive_fragments(ctx.fragments, ctx))
    assert op.required_fragments(ctx) == {}


def close(result, expected, dtype: str, k: int) -> None:
    eps = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-5, "float64": 1e-12}.get(dtype)
    if eps is None:
        np.testing.assert_array_equal(result, expected.astype(result.dtype))
    else:
        scale = max(1.0, float(np.abs(expected).max()) / 8)  # cancellation: errors are relative to the summands
        np.testing.assert_allclose(result.astype(np.float64), expected, rtol=eps, atol=eps * max(1, k) ** 0.5 * 4 * scale)


@pytest.mark.parametrize("policy", [0, 1, 2])
@pytest.mark.parametrize("ta,tb", [(False, False), (False, True), (True, False), (True, True)])
def test_f16_transposes(ta, tb, policy):
    result, expected, sim = run_gemm(64, 48, 32, ta=ta, tb=tb, policy=policy)
    close(result, expected, "float32", 32)
    assert sim.counts.get("tl.mma_m16n8k16")


@pytest.mark.parametrize(
    "m,n,k,threads",
    [
        (48, 80, 16, 128),
        (80, 48, 32, 96),
        (96, 112, 16, 160),
        (112, 24, 48, 256),
        (16, 8, 16, 128),
        (16, 40, 64, 128),
        (48, 8, 16, 64),
        (128, 64, 16, 32),
    ],
)
@pytest.mark.parametrize("policy", [0, 1, 2])
def test_padded_warp_tiles(m, n, k, threads, policy):
    result, expected, sim = run_gemm(m, n, k, threads=threads, policy=policy, tb=bool(policy % 2))
    close(result, expected, "float32", k)
    assert sim.counts.get("tl.mma_m16n8k16")


@pytest.mark.parametrize(
    "dtypes",
    [
        ("float16", "float16", "float16"),
        ("bfloat16", "bfloat16", "float32"),
        ("float32",) * 3,
        ("int8", "int8", "int32"),
        ("uint8", "int8", "int32"),
        ("float8_e4m3fn", "float8_e5m2", "float32"),
        ("float64",) * 3,
    ],
)
@pytest.mark.parametrize("ta,tb", [(False, False), (False, True), (True, False), (True, True)])
def test_instruction_dtypes(dtypes, ta, tb):
    result, expected, sim = run_gemm(48, 32, 64, dtypes, ta=ta, tb=tb)
    close(result, expected, dtypes[2], 64)
    assert any(name.startswith("tl.mma_m") and "ready" not in name for name in sim.counts)


@pytest.mark.parametrize(
    "dtypes", [("float16", "float16", "float32"), ("float32",) * 3, ("int8", "int8", "int32"), ("float64",) * 3]
)
@pytest.mark.parametrize("a,b", [("local.fragment", "shared.dyn"), ("shared.dyn", "local.fragment"), ("local.fragment",) * 2])
@pytest.mark.parametrize("ta,tb", [(False, True), (True, False)])
def test_register_operands(dtypes, a, b, ta, tb):
    result, expected, _ = run_gemm(48, 40, 64, dtypes, ta=ta, tb=tb, a_scope=a, b_scope=b)
    close(result, expected, dtypes[2], 64)


FMA = [
    (24, 40, 12, ("float16", "float16", "float32"), 128),
    (1, 64, 33, ("float16", "float16", "float16"), 128),
    (24, 1, 7, ("float32",) * 3, 96),
    (20, 12, 5, ("float64",) * 3, 64),
    (17, 33, 3, ("int8", "int8", "int32"), 48),
    (16, 16, 16, ("int8", "int8", "float32"), 32),
    (16, 16, 16, ("bfloat16", "bfloat16", "bfloat16"), 128),
    (32, 32, 16, ("float16", "float16", "float32"), 100),
    (16, 16, 8, ("int32", "int32", "int32"), 64),
    (16, 24, 32, ("float8_e4m3fn", "float16", "float32"), 64),
]


@pytest.mark.parametrize("m,n,k,dtypes,threads", FMA)
@pytest.mark.parametrize("ta,tb", [(False, False), (True, True)])
@pytest.mark.parametrize(
    "scopes",
    [("shared.dyn", "shared.dyn", "local.fragment"), ("local.fragment",) * 3, ("shared.dyn", "local.fragment", "shared.dyn")],
)
def test_without_instructions(m, n, k, dtypes, threads, ta, tb, scopes):
    result, expected, sim = run_gemm(m, n, k, dtypes, threads, ta, tb, a_scope=scopes[0], b_scope=scopes[1], c_scope=scopes[2])
    close(result, expected, dtypes[2], k)
    assert sim.ctx.remarks and "without matrix instructions" in sim.ctx.remarks[0]
    assert not any(name.startswith("tl.mma_m16") for name in sim.counts)


def test_fp8_without_hardware_uses_multiply_adds():
    result, expected, sim = run_gemm(16, 16, 32, ("float8_e4m3fn", "float8_e4m3fn", "float32"), arch="sm_80")
    close(result, expected, "float32", 32)
    assert "sm_80 has no matrix instruction" in sim.ctx.remarks[0]


@pytest.mark.parametrize("shape", [(48, 24, 32), (20, 12, 7)])
@pytest.mark.parametrize("clear", [True, False])
@pytest.mark.parametrize("c_scope", ["local.fragment", "shared.dyn"])
def test_clear(shape, clear, c_scope):
    result, expected, _ = run_gemm(*shape, clear=clear, c_scope=c_scope)
    close(result, expected, "float32", shape[2])


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("dtypes,shape", [(("float16", "float16", "float32"), (32, 16, 16)), (("bfloat16",) * 3, (32, 16, 16))])
@pytest.mark.parametrize("c_scope", ["local.fragment", "shared.dyn"])
def test_conditional_clear(value, dtypes, shape, c_scope):
    step = ir.var("step")
    m, n, k = shape
    ctx = LoweringContext(Target(), 64, ir.var("tid"))
    bufs = [
        ir.buffer((m, k), dtypes[0], "A", "shared.dyn"),
        ir.buffer((k, n), dtypes[1], "B", "shared.dyn"),
        ir.buffer((m, n), dtypes[2], "C", c_scope),
    ]
    op = Gemm(*(ir.full_region(x) for x in bufs), ir.EQ(step, ir.const(0)))
    infer(op, ctx)
    values = [random(ir.static_shape(x), d) for x, d in zip(bufs, dtypes)]
    sim = Simt(ctx, {x: v.copy() for x, v in zip(bufs, values)})
    sim.env[step] = value
    if c_scope == "local.fragment":
        sim.registers[ctx.registers_of(bufs[2])] = scatter(ctx.fragments[bufs[2]], values[2], 64)
    sim.run(op.lower(ctx))
    result = gather(ctx.fragments[bufs[2]], sim.fragment(bufs[2])) if c_scope == "local.fragment" else sim.memory[bufs[2]]
    close(result, reference(values[0], values[1], values[2] if value else np.zeros_like(values[2])), dtypes[2], k)


@pytest.mark.parametrize("fragment_c", [True, False])
def test_regions_of_larger_buffers(fragment_c):
    """A pipelined version axis, a column block of A, a row block of B, and one block of C."""
    stage, block = ir.var("stage"), ir.var("block")
    ctx = LoweringContext(Target(), 128, ir.var("tid"), ranges={})
    ctx.ranges = {stage: (0, 3), block: (0, 2)}
    a, b = ir.buffer((3, 48, 64), "float16", "A", "shared.dyn"), ir.buffer((3, 64, 80), "float16", "B", "shared.dyn")
    c = ir.buffer((2, 48, 160), "float32", "C", "local.fragment" if fragment_c else "shared.dyn")
    op = Gemm(
        ir.region(a, [(stage, 1), (0, 48), (block * 32, 32)]),
        ir.region(b, [(stage, 1), (block * 32, 32), (0, 80)]),
        ir.region(c, [(1, 1), (0, 48), (block * 80, 80)]),
        ir.const(False, "bool"),
    )
    infer(op, ctx)
    A, B, C = random((3, 48, 64), "float16"), random((3, 64, 80), "float16"), random((2, 48, 160), "float32")
    sim = Simt(ctx, {a: A.copy(), b: B.copy(), c: C.copy()})
    sim.env.update({stage: 2, block: 1})
    if fragment_c:
        sim.registers[ctx.registers_of(c)] = scatter(ctx.fragments[c], C, 128)
    sim.run(op.lower(ctx))
    expected = C.copy()
    expected[1, :, 80:] = reference(A[2, :, 32:], B[2, 32:, :], C[1, :, 80:])
    result = gather(ctx.fragments[c], sim.fragment(c)) if fragment_c else sim.memory[c]
    close(result, expected, "float32", 32)
    assert sim.counts.get("tl.ldmatrix_x4") and any("ldmatrix_x" in n and n.endswith("trans") for n in sim.counts)


@pytest.mark.parametrize("start", [4, 1])
def test_unaligned_columns_load_elements(start):
    ctx = LoweringContext(Target(), 32, ir.var("tid"))
    a, b, c = (
        ir.buffer((16, 40), "float16", "A", "shared.dyn"),
        ir.buffer((16, 8), "float16", "B", "shared.dyn"),
        ir.buffer((16, 8), "float32", "C", "local.fragment"),
    )
    op = Gemm(ir.region(a, [(0, 16), (start, 16)]), ir.full_region(b), ir.full_region(c), ir.const(True, "bool"))
    infer(op, ctx)
    A, B = random((16, 40), "float16"), random((16, 8), "float16")
    sim = Simt(ctx, {a: A.copy(), b: B.copy()})
    sim.run(op.lower(ctx))
    close(
        gather(ctx.fragments[c], sim.fragment(c)),
        reference(A[:, start : start + 16], B, np.zeros((16, 8), "float32")),
        "float32",
        16,
    )
    assert "tl.ldmatrix_x4" not in sim.counts


def test_accumulator_rows_are_operand_rows():
    """P = copy(S): the accumulator of S = Q K^T and the A operand of O = P V agree thread by thread."""
    ctx = LoweringContext(Target(), 128, ir.var("tid"))
    q, k = ir.buffer((64, 64), "float16", "Q", "shared.dyn"), ir.buffer((96, 64), "float16", "K", "shared.dyn")
    v, s = ir.buffer((96, 128), "float16", "V", "shared.dyn"), ir.buffer((64, 96), "float32", "S", "local.fragment")
    p, o = ir.buffer((64, 96), "float16", "P", "local.fragment"), ir.buffer((64, 128), "float32", "O", "local.fragment")
    no = ir.const(False, "bool")
    first = Gemm(ir.full_region(q), ir.full_region(k), ir.full_region(s), no, False, True, Policy.FullRow)
    second = Gemm(ir.full_region(p), ir.full_region(v), ir.full_region(o), no, False, False, Policy.FullRow)
    layouts = {**first.strict_fragments(ctx), **second.strict_fragments(ctx)}
    assert layouts[s].same_threads(layouts[p])
    assert {b: e for b, e in first.strict_fragments(ctx).items()}[s].local_size == 48


def test_effects():
    bufs = [ir.buffer((16, 16), "float16", n, "shared.dyn") for n in "AB"] + [
        ir.buffer((16, 16), "float32", "C", "local.fragment")
    ]
    regions = [ir.full_region(x) for x in bufs]
    assert len(Gemm(*regions, ir.const(True, "bool")).effects().reads) == 2
    assert len(Gemm(*regions, ir.const(False, "bool")).effects().reads) == 3


def make(shapes, dtypes, scopes=("shared.dyn", "shared.dyn", "local.fragment"), **kw):
    bufs = [ir.buffer(s, d, n, scope) for s, d, n, scope in zip(shapes, dtypes, "ABC", scopes)]
    return Gemm(*(ir.full_region(x) for x in bufs), ir.const(False, "bool"), **kw)


def test_errors_name_shapes_and_fix():
    f = ("float16", "float16", "float32")
    with pytest.raises(ShapeError, match=r"64 x 32 by 16 x 64.*"):
        make([(64, 32), (16, 64), (64, 64)], f).check(Target())
    with pytest.raises(ShapeError, match="transposed"):
        make([(64, 32), (32, 48), (64, 48)], f, transpose_B=True).check(Target())
    with pytest.raises(DTypeError, match="cannot accumulate in int32"):
        make([(16, 16)] * 3, ("float16", "float16", "int32")).check(Target())
    with pytest.raises(UnsupportedError, match="global memory"):
        make([(16, 16)] * 3, f, ("global", "shared.dyn", "local.fragment")).check(Target())
    with pytest.raises(ShapeError, match="two dimensions"):
        make([(4, 16, 16), (16, 16), (16, 16)], f).check(Target())


def test_poison_is_nan():
    assert np.isnan(poison((2,), np_dtype("bfloat16")).astype(np.float32)).all()

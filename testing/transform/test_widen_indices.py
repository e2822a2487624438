"""Offsets that may leave 32 bits are computed in 64; those that provably stay are not."""

from __future__ import annotations

import random

import pytest

from testing.codegen import programs
from tilelang import ir
from tilelang.engine import compile_prim_func
from tilelang.transform.bounds import INT32, Bounds
from tilelang.transform.widen_indices import Widener


def evaluate(expr, env):
    """The expression in two's complement of its own width, as the device computes it."""
    bits = {"int32": 32, "int64": 64, "bool": 1}[ir.dtype_of(expr)]
    if (value := ir.const_int(expr)) is not None:
        result = value
    elif isinstance(expr, ir.Var):
        result = env[expr]
    elif isinstance(expr, ir.Cast):
        result = evaluate(expr.value, env)
    else:
        a, b = evaluate(expr.a, env), evaluate(expr.b, env)
        rules = {ir.Add: a + b, ir.Sub: a - b, ir.Mul: a * b, ir.Min: min(a, b), ir.Max: max(a, b)}
        if isinstance(expr, ir.FloorDiv):
            result = a // b
        elif isinstance(expr, ir.FloorMod):
            result = a % b
        else:
            result = rules[type(expr)]
    return result if bits == 1 else (result + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def exact(expr, env):
    """The expression in integers."""
    if (value := ir.const_int(expr)) is not None:
        return value
    if isinstance(expr, ir.Var):
        return env[expr]
    if isinstance(expr, ir.Cast):
        return exact(expr.value, env)
    a, b = exact(expr.a, env), exact(expr.b, env)
    if isinstance(expr, ir.FloorDiv):
        return a // b
    if isinstance(expr, ir.FloorMod):
        return a % b
    return {ir.Add: a + b, ir.Sub: a - b, ir.Mul: a * b, ir.Min: min(a, b), ir.Max: max(a, b)}[type(expr)]


def last_store(func, configs=None):
    result = compile_prim_func(func, programs.target(), configs, programs.DEVICE)
    return ir.collect([run.program for run in result.compilation.runs if run.program is not None][-1].body, ir.BufferStore)[
        -1
    ], result


def kernel(shape, grid, strides=None, dtype="float16"):
    """out[by * 128 + tx, bx * 64 + i] = 1 over a grid of (bx, by)."""
    out = ir.buffer(shape, dtype, "out", strides=strides)
    bx, by, tx, i = (ir.var(n) for n in ("bx", "by", "tx", "i"))
    body = programs.loop(i, 64, programs.store(out, [by * 128 + tx, bx * 64 + i], ir.const(1.0, dtype)))
    launch = programs.launch(body, grid, (128,), {"blockIdx.x": bx, "blockIdx.y": by, "threadIdx.x": tx})
    return programs.function([out], launch), (bx, by, tx, i)


def test_small_tensors_stay_in_32_bits():
    func, _ = kernel((8192, 8192), (128, 64))
    store, _ = last_store(func)
    assert ir.dtype_of(store.indices[0]) == "int32"


@pytest.mark.parametrize("shape,grid", [((65536, 65536), (1024, 512)), ((32768 + 128, 65536), (1024, 257))])
def test_large_tensors_are_right_at_the_corners(shape, grid):
    func, (bx, by, tx, i) = kernel(shape, grid)
    store, result = last_store(func)
    assert ir.dtype_of(store.indices[0]) == "int64" and "int64_t(" in result.source
    corners = [(0, 0, 0, 0), (grid[0] - 1, grid[1] - 1, 127, 63), (5, grid[1] - 1, 1, 2)]
    launched = {str(v.name): v for v in ir.collect(store.indices[0], ir.Var)}
    for corner in corners:
        env = {launched[str(v.name)]: x for v, x in zip((bx, by, tx, i), corner)}
        expected = (corner[1] * 128 + corner[2]) * shape[1] + corner[0] * 64 + corner[3]
        assert evaluate(store.indices[0], env) == expected


def test_symbolic_shapes_and_strides_widen():
    m, n, s = ir.var("m"), ir.var("n"), ir.var("s")
    for strides in (None, (s, 1)):
        func, _ = kernel((m, n), ((n + 63) // 64, (m + 127) // 128), strides)
        store, _ = last_store(func)
        index = store.indices[0]
        assert ir.dtype_of(index) == "int64"
        env = {
            v: {"m": 2**20, "n": 2**20, "s": 2**21, "bx": 9999, "by": 7000, "tx": 5, "i": 3}[str(v.name)]
            for v in ir.collect(index, ir.Var)
        }
        assert evaluate(index, env) == (7000 * 128 + 5) * (2**21 if strides else 2**20) + 9999 * 64 + 3


def test_config_forces_64_bits():
    func, _ = kernel((256, 64), (1, 2))
    store, _ = last_store(func, {"tl.config_index_bitwidth": 64})
    assert ir.dtype_of(store.indices[0]) == "int64"


def test_bound_scalars_and_comparisons_widen():
    out, tx = ir.buffer((64,), "int32", "out"), ir.var("tx")
    bx, n = ir.var("bx"), ir.var("n")
    row = ir.var("row")
    total = ir.buffer((n,), "float32", "X")
    body = ir.seq(
        [
            ir.Bind(row, bx * 65536 + tx * 256),
            programs.when(bx * 131072 + tx < n, programs.store(out, [tx], row)),
            programs.store(out, [tx], ir.Cast(ir.PrimType("int32"), ir.load(total, [row]))),
        ]
    )
    func = programs.function([out, total], programs.launch(body, (65536,), (64,), {"blockIdx.x": bx, "threadIdx.x": tx}))
    source = compile_prim_func(func, programs.target(), {}, programs.DEVICE).source
    assert "const int64_t row = int64_t(bx) * 65536 + tx * 256;" in source
    assert "if (int64_t(bx) * 131072 + tx < n)" in source and "X[row]" in source


def random_index(rng, leaves, depth):
    if depth == 0 or rng.random() < 0.2:
        return ir.const(rng.choice([1, 7, 4096, 100000])) if rng.random() < 0.4 else rng.choice(leaves)
    a, b = random_index(rng, leaves, depth - 1), random_index(rng, leaves, depth - 1)
    kind = rng.choice([ir.Add, ir.Add, ir.Mul, ir.Mul, ir.Sub, ir.FloorDiv, ir.FloorMod, ir.Min, ir.Max])
    if kind in (ir.FloorDiv, ir.FloorMod):
        b = ir.const(rng.choice([2, 3, 64]))
    return kind(a, b)


@pytest.mark.parametrize("seed", range(5))
def test_random_expressions_never_wrap(seed):
    rng = random.Random(seed)
    variables = [ir.var(n) for n in "abc"]
    ranges = [(0, 15), (0, 70000), (0, 4095)]
    bounds = Bounds()
    for v, r in zip(variables, ranges):
        bounds.bind(v, r)
    for _ in range(60):
        expr = random_index(rng, variables, 3)
        low, high = bounds.of(expr)
        if low < -(2**62) or high > 2**62:
            continue
        widened = Widener(bounds).index(expr)
        for _ in range(20):
            env = {v: rng.choice([lo, hi, rng.randint(lo, hi)]) for v, (lo, hi) in zip(variables, ranges)}
            value = exact(expr, env)
            assert low <= value <= high
            assert evaluate(widened, env) == value
        if INT32[0] <= low and high <= INT32[1] and bounds.fits(expr):
            assert ir.dtype_of(widened) == "int32"

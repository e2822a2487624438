"""What the launcher is told: shapes, strides, symbols, grids, outputs."""

from __future__ import annotations

import pytest

from testing.codegen import programs
from testing.codegen.execute import evaluate
from tilelang import ir
from tilelang.codegen.plan import plan_expr, with_outputs
from tilelang.engine import compile_prim_func
from tilelang.errors import ArgumentError, SemanticError, UnsupportedError

ONE = ir.const(1.0, "float32")


def plan_of(params, body, grid=(1,), names=None):
    func = programs.function(params, programs.launch(body, grid, (32,), names or {}))
    return compile_prim_func(func, programs.target(), {}, programs.DEVICE).plan


def test_parameters():
    n, s, k = ir.var("n"), ir.var("s"), ir.var("k")
    a = ir.buffer((n, n * 2 + 1), "float16", "A", strides=(s, 1))
    unused = ir.buffer((4,), "int32", "U")
    out = ir.buffer((8,), "float32", "out")
    plan = plan_of([a, unused, k, out], programs.store(out, [0], ir.Cast(ir.PrimType("float32"), ir.load(a, [k, 0]))))
    assert plan.parameters[0].shape == ("n", ["+", ["*", "n", 2], 1]) and plan.parameters[0].strides == ("s", 1)
    assert [p.used for p in plan.parameters] == [True, False, True, True]
    assert plan.parameters[2].kind == "scalar" and plan.symbols == {"n": "int32", "s": "int32", "k": "int32"}
    assert [(a.kind, a.value) for a in plan.kernels[0].arguments] == [
        ("tensor", 0),
        ("tensor", 3),
        ("symbol", "k"),
        ("symbol", "s"),
    ]


def test_grid_expressions_evaluate():
    n, m = ir.var("n"), ir.var("m")
    exprs = [(n + 127) // 128, (n + (m - 1)) // m, n * 3 - m, ir.Min(n, m) % 7, ir.Max(n, ir.const(5)), (n + 3) // 4 + 2]
    for x, y in ((1, 1), (129, 5), (1000, 33)):
        expected = [-(-x // 128), -(-x // y), 3 * x - y, min(x, y) % 7, max(x, 5), -(-x // 4) + 2]
        assert [evaluate(plan_expr(e), {"n": x, "m": y}) for e in exprs] == expected
    assert plan_expr((n + 127) // 128) == ["ceildiv", "n", 128]


def test_what_the_launcher_cannot_know_is_refused():
    n, out = ir.var("n"), ir.buffer((8,), "float32", "out")
    with pytest.raises(SemanticError, match="`n` cannot be found"):
        plan_of([out], programs.store(out, [0], ONE), ((n + 31) // 32,))
    with pytest.raises(UnsupportedError, match="the launcher cannot evaluate"):
        plan_expr(ir.load(ir.buffer((4,), "int32", "X"), [0]))


def test_equal_names_of_different_symbols():
    a, b = ir.buffer((ir.var("n"),), "float32", "A"), ir.buffer((ir.var("n"),), "float32", "B")
    with pytest.raises(SemanticError, match="two different symbols are named `n`"):
        plan_of([a, b], programs.store(a, [0], ONE))


def test_outputs():
    a, b, k = ir.buffer((4,), "float32", "A"), ir.buffer((4,), "float32", "B"), ir.var("k")
    plan = plan_of([a, k, b], programs.store(b, [0], ONE))
    chosen = with_outputs(plan, [-1, 0])
    assert chosen.outputs == (2, 0) and [p.output for p in chosen.parameters] == [True, False, True]
    assert with_outputs(chosen, None).outputs == () and with_outputs(plan, 2).outputs == (2,)
    for wrong, words in (([3], "holds 3"), ([-4], "holds -4"), ([0, -3], "`A` twice"), ([1], "scalar `k`"), (["A"], "holds 'A'")):
        with pytest.raises(ArgumentError, match=words) as caught:
            with_outputs(plan, wrong)
        assert isinstance(caught.value, ValueError) and caught.value.fix

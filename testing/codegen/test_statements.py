"""Control flow, scalars, workspaces, preludes: each run in the simulator."""

from __future__ import annotations

import numpy as np
import pytest

from testing.codegen import programs
from testing.codegen.execute import execute
from tilelang import ir
from tilelang.engine import compile_prim_func
from tilelang.errors import TileLangError, UnsupportedError


def compiled(body, params, grid=(1,), block=(32,), configs=None, variables=None):
    func = programs.function(params, programs.launch(body, grid, block, variables or {}))
    return compile_prim_func(func, programs.target(), configs, programs.DEVICE)


def scalar(name, dtype="int32"):
    return ir.buffer((1,), dtype, name, "local.var")


def test_while_with_break_and_continue():
    out, tx = ir.buffer((32,), "int32", "out"), ir.var("tx")
    n, total = scalar("n"), scalar("total")
    read_n, read_total = ir.load(n, [0]), ir.load(total, [0])
    body = ir.seq(
        [
            ir.alloc(n),
            programs.store(n, [0], ir.const(0)),
            ir.alloc(total),
            programs.store(total, [0], ir.const(0)),
            ir.While(
                read_n < 100,
                ir.seq(
                    [
                        programs.store(n, [0], read_n + 1),
                        programs.when(ir.EQ(read_n % 3, ir.const(0)), ir.Continue()),
                        programs.when(read_n > tx + 10, ir.Break()),
                        programs.store(total, [0], read_total + read_n),
                    ]
                ),
            ),
            programs.store(out, [tx], read_total),
        ]
    )
    result = compiled(body, [out], variables={"threadIdx.x": tx})
    assert "int n = 0;" in result.source and "total += n;" in result.source
    got = np.full(32, -1, "int32")
    execute(result, got)
    np.testing.assert_array_equal(got, [sum(k for k in range(1, t + 11) if k % 3) for t in range(32)])


def test_else_if_chain_and_local_array():
    out, tx, i = ir.buffer((32, 4), "float32", "out"), ir.var("tx"), ir.var("i")
    part = ir.buffer((2, 2), "float32", "part", "local")
    value = lambda v: programs.store(part, [i // 2, i % 2], ir.const(v, "float32"))  # noqa: E731
    chain = programs.when(tx < 4, value(1.5), programs.when(tx < 9, value(-2.25), value(0.1)))
    body = ir.seq(
        [
            ir.alloc(part),
            programs.loop(i, 4, chain, ir.ForKind.UNROLLED),
            programs.loop(i, 4, programs.store(out, [tx, i], ir.load(part, [i // 2, i % 2]))),
        ]
    )
    result = compiled(body, [out], variables={"threadIdx.x": tx})
    assert "} else if (tx < 9) {" in result.source and "alignas(16) float part[4];" in result.source
    got = np.full((32, 4), np.nan, "float32")
    execute(result, got)
    expected = np.where(np.arange(32) < 4, 1.5, np.where(np.arange(32) < 9, -2.25, 0.1)).astype("float32")
    np.testing.assert_array_equal(got, np.repeat(expected[:, None], 4, 1))


def test_several_launches_share_a_workspace():
    n = ir.var("n")
    a, c, w = ir.buffer((n,), "float32", "A"), ir.buffer((n,), "float32", "C"), ir.buffer((n,), "float32", "scratch")
    launches = []
    for source, destination, factor in ((a, w, 2.0), (w, c, 3.0)):
        bx, tx = ir.var("bx"), ir.var("tx")
        index = bx * 32 + tx
        body = programs.when(
            index < n, programs.store(destination, [index], ir.load(source, [index]) * ir.const(factor, "float32"))
        )
        launches.append(programs.launch(body, ((n + 31) // 32,), (32,), {"blockIdx.x": bx, "threadIdx.x": tx}))
    func = programs.function([a, c], ir.seq([ir.alloc(w), *launches]))
    result = compile_prim_func(func, programs.target(), {}, programs.DEVICE)
    assert [k.name for k in result.plan.kernels] == ["main_kernel_0", "main_kernel_1"] and result.plan.workspaces[0].shape == (
        "n",
    )
    x, y = np.arange(77, dtype="float32"), np.full(77, np.nan, "float32")
    execute(result, x, y)
    np.testing.assert_array_equal(y, x * 6)


def test_prelude_and_extern_call():
    out, tx = ir.buffer((32,), "float32", "out"), ir.var("tx")
    body = programs.store(
        out, [tx], ir.call("tl.call_extern", [ir.StringImm("twice"), ir.Cast(ir.PrimType("float32"), tx)], "float32")
    )
    func = programs.function([out], programs.launch(body, (1,), (32,), {"threadIdx.x": tx}))
    func = func.with_attr("tl.prelude", "TL_FUNC float twice(float x) { return 2 * x; }\n")
    got = np.full(32, np.nan, "float32")
    execute(compile_prim_func(func, programs.target(), {}, programs.DEVICE), got)
    np.testing.assert_array_equal(got, 2 * np.arange(32))


def test_unknown_operator_names_itself_and_the_line():
    out = ir.buffer((1,), "float32", "out")
    body = programs.store(out, [0], ir.call("tl.no_such_thing", [], "float32"), 7)
    with pytest.raises(UnsupportedError, match=r"tl\.no_such_thing") as caught:
        compiled(body, [out])
    assert caught.value.span.line == 7


def test_host_control_flow_is_refused():
    out, i = ir.buffer((1,), "float32", "out"), ir.var("i")
    launch = programs.launch(programs.store(out, [0], ir.const(1.0, "float32")), (1,), (32,), {})
    with pytest.raises(UnsupportedError, match="outside T.Kernel") as caught:
        compile_prim_func(programs.function([out], programs.loop(i, 3, launch, line=5)), programs.target(), {}, programs.DEVICE)
    assert caught.value.span.line == 5


def test_too_many_threads():
    out = ir.buffer((1,), "float32", "out")
    with pytest.raises(TileLangError, match="2048 threads"):
        compiled(programs.store(out, [0], ir.const(1.0, "float32")), [out], block=(2048,))


def test_names_that_cpp_reserves():
    out, tx = ir.buffer((32,), "int32", "float"), ir.var("while")
    result = compiled(programs.store(out, [tx], tx), [out], variables={"threadIdx.x": tx})
    got = np.full(32, -1, "int32")
    execute(result, got)
    np.testing.assert_array_equal(got, np.arange(32))


@pytest.mark.parametrize("fast", [False, True])
def test_math(fast):
    a, out, tx = ir.buffer((32,), "float32", "A"), ir.buffer((32,), "float32", "out"), ir.var("tx")
    x = ir.load(a, [tx])
    value = ir.call("tl.exp2", [x], "float32") / (ir.call("tl.sqrt", [x], "float32") + ir.Max(x, ir.const(0.5, "float32")))
    result = compiled(
        programs.store(out, [tx], value), [a, out], configs={"tl.enable_fast_math": fast}, variables={"threadIdx.x": tx}
    )
    assert ("tl::fast_exp2" in result.source) == fast and ("tl::fast_div" in result.source) == fast
    given = np.random.default_rng(1).uniform(0, 3, 32).astype("float32")
    got = np.full(32, np.nan, "float32")
    execute(result, given, got)
    wide = given.astype("float64")
    np.testing.assert_allclose(got, np.exp2(wide) / (np.sqrt(wide) + np.maximum(wide, 0.5)), rtol=1e-5)

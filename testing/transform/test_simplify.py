"""Guards that the ranges decide go, guards that they do not decide stay."""

from __future__ import annotations

from testing.codegen import programs
from tilelang import ir
from tilelang.engine import compile_prim_func

ONE = ir.const(1.0, "float32")


def text(body, params, grid=(4,), variables=None):
    func = programs.function(params, programs.launch(body, grid, (32,), variables or {}))
    source = compile_prim_func(func, programs.target(), {}, programs.DEVICE).source
    return source[source.index("{\n") :]


def test_guards():
    out, bx, tx = ir.buffer((128,), "float32", "out"), ir.var("bx"), ir.var("tx")
    names = {"blockIdx.x": bx, "threadIdx.x": tx}
    body = programs.when(bx * 32 + tx < 128, programs.store(out, [bx * 32 + tx], ONE))
    assert "if" not in text(body, [out], variables=names)
    assert "if (bx < 4)" in text(body, [out], (5,), names)
    assert "out" not in text(programs.when(tx > 31, programs.store(out, [tx], ONE)), [], variables=names)


def test_conditions_inside_conditions():
    out, tx = ir.buffer((128,), "float32", "out"), ir.var("tx")
    inner = programs.when(tx < 20, programs.store(out, [tx], ONE), programs.store(out, [0], ONE))
    got = text(programs.when(tx < 10, inner), [out], variables={"threadIdx.x": tx})
    assert got.count("if") == 1 and "else" not in got


def test_guards_of_moves():
    out, tx = ir.buffer((128,), "float32", "out"), ir.var("tx")
    part = ir.buffer((4,), "float32", "part", "local")
    move = lambda predicate: ir.evaluate(  # noqa: E731
        ir.call(
            "tl.store",
            [ir.address_of(ir.load(out, [tx * 4])), ir.address_of(ir.load(part, [0])), predicate],
            attrs={"template": ["16"]},
        )
    )
    body = ir.seq([ir.alloc(part), programs.loop(ir.var("i"), 4, programs.store(part, [0], ONE)), move(tx < 32), move(tx < 31)])
    got = text(body, [out], variables={"threadIdx.x": tx})
    assert "tl::store<16>(out + tx * 4, part);" in got and "tl::store<16>(out + tx * 4, part, tx < 31);" in got


def test_single_iterations_and_unused_scalars():
    out, tx, i = ir.buffer((128,), "float32", "out"), ir.var("tx"), ir.var("i")
    unused, alias = ir.var("unused"), ir.var("alias")
    body = ir.seq(
        [
            ir.Bind(unused, tx * 5),
            ir.Bind(alias, tx),
            programs.loop(i, 1, programs.store(out, [alias + i], ONE)),
            programs.loop(i, 0, programs.store(out, [i], ONE)),
        ]
    )
    got = text(body, [out], variables={"threadIdx.x": tx})
    assert "for" not in got and "unused" not in got and "out[tx] = 1.0f;" in got


def test_a_mutable_scalar_is_not_assumed():
    out, n = ir.buffer((128,), "float32", "out"), ir.buffer((1,), "int32", "n", "local.var")
    read = ir.load(n, [0])
    body = ir.seq(
        [
            ir.alloc(n),
            programs.store(n, [0], ir.const(3)),
            programs.when(
                read < 4, ir.seq([programs.store(n, [0], read + 9), programs.when(read < 4, programs.store(out, [0], ONE))])
            ),
        ]
    )
    assert text(body, [out]).count("if (n < 4)") == 2

"""Random integer expressions print to C++ that computes what TIR means; literals are exact."""

from __future__ import annotations

import math
import random
import struct

import numpy as np
import pytest

from testing.codegen import programs
from testing.codegen.execute import execute
from tilelang import ir
from tilelang.codegen.expr import ExprPrinter
from tilelang.codegen.literals import float_literal, int_literal, round_to, string_literal
from tilelang.codegen.names import Names, identifier
from tilelang.engine import compile_prim_func
from tilelang.transform.bounds import Bounds

_DIVISORS = (1, 2, 3, 8, -5, 128)


def wrap(value: int, bits: int = 32) -> int:
    return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def random_expression(rng: random.Random, leaves: list, depth: int):
    """(IR expression, Python function of the leaves' values); values stay small."""
    if depth == 0 or rng.random() < 0.15:
        if rng.random() < 0.3:
            value = rng.randint(-9, 99)
            return ir.const(value), lambda env, value=value: value
        k = rng.randrange(len(leaves))
        return leaves[k], lambda env, k=k: env[k]
    a, fa = random_expression(rng, leaves, depth - 1)
    b, fb = random_expression(rng, leaves, depth - 1)
    d = rng.choice(_DIVISORS)
    s = rng.randrange(5)
    options = [
        (lambda: ir.Add(a, b), lambda e: wrap(fa(e) + fb(e))),
        (lambda: ir.Sub(a, b), lambda e: wrap(fa(e) - fb(e))),
        (lambda: ir.Mul(a % 16, b % 16), lambda e: fa(e) % 16 * (fb(e) % 16)),
        (lambda: ir.FloorDiv(a, ir.const(d)), lambda e: fa(e) // d),
        (lambda: ir.FloorMod(a, ir.const(d)), lambda e: fa(e) % d),
        (lambda: ir.Min(a, b), lambda e: min(fa(e), fb(e))),
        (lambda: ir.Max(a, b), lambda e: max(fa(e), fb(e))),
        (lambda: ir.BitwiseXor(a, b), lambda e: fa(e) ^ fb(e)),
        (lambda: ir.BitwiseAnd(a, b), lambda e: fa(e) & fb(e)),
        (lambda: ir.BitwiseOr(a, b), lambda e: fa(e) | fb(e)),
        (lambda: ir.RShift(a, ir.const(s)), lambda e: fa(e) >> s),
        (lambda: ir.LShift(a % 64, ir.const(s)), lambda e: fa(e) % 64 << s),
        (lambda: ir.Select(ir.LT(a, b), b, a), lambda e: fb(e) if fa(e) < fb(e) else fa(e)),
        (lambda: ir.if_then_else(ir.Or(ir.EQ(a % 3, b % 3), ir.Not(ir.GE(a, b))), a, b),
         lambda e: fa(e) if fa(e) % 3 == fb(e) % 3 or not fa(e) >= fb(e) else fb(e)),
        (lambda: ir.BitwiseNot(a), lambda e: ~fa(e)),
    ]  # fmt: skip
    make, value = rng.choice(options)
    return make(), value


@pytest.mark.parametrize("seed", range(3))
def test_random_integer_expressions(seed):
    rng = random.Random(seed)
    given, out, tx = ir.buffer((32, 3), "int32", "given"), ir.buffer((24, 32), "int32", "out"), ir.var("tx")
    loaded = [ir.var(f"x{k}") for k in range(2)]
    binds = [ir.Bind(v, ir.load(given, [tx, k])) for k, v in enumerate(loaded)]
    pairs = [random_expression(rng, [*loaded, tx], 4) for _ in range(24)]
    stores = [programs.store(out, [k, tx], e) for k, (e, _) in enumerate(pairs)]
    func = programs.function([given, out], programs.launch(ir.seq([*binds, *stores]), (1,), (32,), {"threadIdx.x": tx}))
    data = np.random.default_rng(seed).integers(-300, 300, (32, 3)).astype("int32")
    got = np.full((24, 32), 123456789, "int32")
    execute(compile_prim_func(func, programs.target(), {}, programs.DEVICE), data, got)
    expected = [[wrap(f((int(data[t, 0]), int(data[t, 1]), t))) for t in range(32)] for _, f in pairs]
    np.testing.assert_array_equal(got, expected)


def text_of(expr, **names):
    printer = ExprPrinter(table := Names(), Bounds())
    for var in ir.collect(expr, ir.Var):
        if var not in table:
            table.declare(var, str(var.name))
    return printer.text(expr)


def test_parentheses_are_few():
    a, b, c = (ir.var(n) for n in "abc")
    assert text_of((a + b) * 3 + c * (a - b)) == "(a + b) * 3 + c * (a - b)"
    assert text_of(a - (b - c)) == "a - (b - c)"
    assert text_of(ir.Add(a, ir.Add(b, c))) == "a + b + c"
    assert text_of(a * 8 ^ b) == "(a * 8) ^ b"
    assert text_of(ir.And(ir.LT(a + 1, b), ir.Or(ir.EQ(a, b), ir.GE(c, b)))) == "a + 1 < b && (a == b || c >= b)"
    assert text_of(a + (-3)) == "a - 3"
    x = ir.var("x", "float32")
    y = ir.var("y", "float32")
    assert text_of(ir.Add(x, ir.Add(y, x))) == "x + (y + x)"  # floating addition does not regroup


def test_division_follows_the_ranges():
    i = ir.var("i")
    bounds, names = Bounds(), Names()
    names.declare(i, "i")
    printer = ExprPrinter(names, bounds)
    assert printer.text(i // 8) == "tl::floordiv(i, 8)"
    bounds.bind(i, (0, 63))
    assert printer.text(i // 8) == "i / 8" and printer.text(i % 8) == "i % 8"


@pytest.mark.parametrize("value", [0.1, 1.0, -0.0, 1 / 3, 3.4028234663852886e38, 1e-45, 65504.0, 2**-24, math.pi * 1e20])
def test_float32_literals_are_exact(value):
    rounded = struct.unpack("f", struct.pack("f", value))[0]
    text = float_literal(value, "float32")
    assert text.endswith("f") and struct.unpack("f", struct.pack("f", float(text[:-1])))[0] == rounded


def test_narrow_constants_round_once():
    rng = random.Random(3)
    for _ in range(2000):
        value = rng.uniform(-1, 1) * 2.0 ** rng.randint(-26, 15)
        assert round_to(value, "float16") == struct.unpack("e", struct.pack("e", value))[0]
    assert float_literal(0.1, "bfloat16") == "tl::bfloat16_t(0.100097656f)"
    assert float_literal(1e9, "float8_e4m3fn") == "tl::float8_e4m3_t(448.0f)"
    assert float_literal(-math.inf, "float16") == "-tl::infinity<tl::half_t>()"
    assert float_literal(math.inf, "float32") == "tl::infinity<float>()"
    assert float_literal(math.nan, "float64") == "tl::quiet_nan<double>()"


def test_special_values_reach_memory():
    dtypes = {"float32": "uint32", "float64": "uint64", "float16": "uint16", "bfloat16": "uint16"}
    values = [math.inf, -math.inf, math.nan, 0.1, -1e-6, 60000.0]
    for dtype, bits in dtypes.items():
        out = ir.buffer((len(values),), dtype, "out")
        body = ir.seq([programs.store(out, [k], ir.const(v, dtype)) for k, v in enumerate(values)])
        got = np.zeros(len(values), bits)
        execute(
            compile_prim_func(
                programs.function([out], programs.launch(body, (1,), (1,), {})), programs.target(), {}, programs.DEVICE
            ),
            got,
        )
        if dtype == "bfloat16":
            got = (got.astype("uint32") << 16).view("float32")
            expected = [v if not math.isfinite(v) else round_to(v, "bfloat16") for v in values]
        else:
            with np.errstate(over="ignore"):
                got, expected = got.view(dtype), np.array(values).astype(dtype)
        np.testing.assert_array_equal(got, expected)


def test_integer_and_string_literals():
    assert int_literal(-(2**31), "int32") == "(-2147483647 - 1)" and int_literal(2**32 - 1, "uint32") == "4294967295u"
    assert int_literal(5, "int64") == "int64_t(5)" and int_literal(2**40, "int64") == "int64_t(1099511627776LL)"
    assert string_literal('a"b\\\né1') == '"a\\"b\\\\\\n\\303\\2511"'


def test_identifiers():
    assert identifier("A.shared") == "A_shared" and identifier("1x") == "v1x" and identifier("for") == "for_"
    names = Names()
    assert names.declare("k1", "i") == "i"
    names.open()
    assert names.declare("k2", "i") == "i_1"
    names.close()
    names.open()
    assert names.declare("k3", "i") == "i_1"

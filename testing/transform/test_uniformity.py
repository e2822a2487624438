"""Values that are the same in all threads."""

from __future__ import annotations

from tile_program import copy, fragment, loop, store, tensor, when

from tilelang import ir
from tilelang.transform.uniformity import Uniformity

tid = ir.var("tid")
A = tensor("A", 8)
f = fragment("f", 8)


def local(name):
    return ir.buffer((1,), "int32", name, "local.var")


def of(*stmts):
    return Uniformity(ir.seq(stmts), [tid])


def test_expressions():
    u, n = of(ir.noop()), ir.var("n")
    assert u.is_uniform(n * 3 + 1) and u.is_uniform(ir.load(A, (n,)))
    assert not u.is_uniform(tid // 32) and not u.is_uniform(ir.load(A, (tid,)))
    # A register tile has one value at (0,): scalar code of every thread reads that one.
    assert u.is_uniform(ir.load(f, (0,))) and not u.is_uniform(ir.load(f, (tid,)))
    assert not u.is_uniform(ir.call("tl.atomic_add", [ir.address_of(ir.load(A, (0,))), 1.0], "float32"))
    assert not u.is_uniform(ir.call("tl.shfl_xor", [n, 1], "int32"))


def test_binds_and_local_variables():
    x, y, z = ir.var("x"), local("y"), local("z")
    u = of(ir.Bind(x, tid % 4), store(y, (0,), x), store(z, (0,), 1))
    assert not u.is_uniform(x) and not u.is_uniform(ir.load(y, (0,))) and u.is_uniform(ir.load(z, (0,)))


def test_flow_through_a_loop_is_found():
    a, b, c = local("a"), local("b"), local("c")
    k = ir.var("k")
    body = loop(k, 0, 4, store(a, (0,), ir.load(b, (0,))), store(b, (0,), ir.load(c, (0,))), store(c, (0,), tid))
    u = of(body)
    assert not any(u.is_uniform(ir.load(v, (0,))) for v in (a, b, c)) and u.is_uniform(k)


def test_divergent_control_makes_stores_vary():
    a, b = local("a"), local("b")
    u = of(when(tid < 3, store(a, (0,), 1)), when(ir.var("n") < 3, store(b, (0,), 1)))
    assert not u.is_uniform(ir.load(a, (0,))) and u.is_uniform(ir.load(b, (0,)))


def test_divergent_exit():
    a, k = local("a"), ir.var("k")
    body = ir.seq([when(tid > k, ir.Break()), store(a, (0,), k)])
    u = of(loop(k, 0, 4, body))
    assert u.leaves_divergently(body) and not u.is_uniform(ir.load(a, (0,)))
    assert not of(body).leaves_divergently(when(k > 3, ir.Continue()))


def test_operators_that_write_local_arrays():
    a, b = ir.buffer((8,), "float32", "a", "local"), ir.buffer((8,), "float32", "b", "local")
    u = of(copy(A, a), copy(f, b))
    assert u.is_uniform(ir.load(a, (0,))) and not u.is_uniform(ir.load(b, (0,)))

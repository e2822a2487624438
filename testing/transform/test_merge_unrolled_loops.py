"""Nests of unrolled loops over registers: one loop, one conversion, the same values."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang import ir
from tilelang.transform.merge_unrolled_loops import LONGEST, _Merge


def _loops(body, *extents):
    for var, extent in reversed(extents):
        body = ir.For(var, ir.const(0), ir.const(extent), ir.ForKind.UNROLLED, body)
    return body


@pytest.fixture
def arrays():
    return [ir.buffer((1024,), dtype, name, "local") for dtype, name in (("float32", "s"), ("float32", "m"), ("float16", "p"))]


def test_digits_of_one_variable(arrays):
    s, m, _ = arrays
    i, j, k = (ir.var(name) for name in "ijk")
    value = ir.load(s, [i * 4 + j * 2 + k]) - ir.load(m, [j])
    new = _Merge().visit(_loops(ir.BufferStore(s, value, [i * 4 + j * 2 + k]), (i, 16), (j, 2), (k, 2)))
    assert int(new.extent) == 64 and isinstance(new.body, ir.BufferStore)
    for f in range(64):
        at = {new.loop_var: ir.const(f)}
        a, b = new.body.value.a, new.body.value.b
        written, read, weight = (ir.const_int(ir.simplify(ir.substitute(n.indices[0], at))) for n in (new.body, a, b))
        assert (written, read, weight) == (f, f, f // 2 % 2)


def test_long_nests_and_other_statements_stay(arrays):
    s, m, _ = arrays
    i, j = ir.var("i"), ir.var("j")
    long = _loops(ir.BufferStore(s, ir.load(m, [j]), [i * 4 + j]), (i, LONGEST), (j, 4))
    assert _Merge().visit(long).same_as(long)
    call = _loops(ir.evaluate(ir.call("tl.sync_threads")), (i, 4), (j, 4))
    assert _Merge().visit(call).same_as(call)


@pytest.mark.parametrize("step", [1, 2])
def test_conversions(arrays, step):
    s, _, p = arrays
    i, j = ir.var("i"), ir.var("j")
    cast = ir.Cast("float16", ir.load(s, [i * 2 + j + 8]))
    new = _Merge().visit(_loops(ir.BufferStore(p, cast, [(i * 2 + j) * step]), (i, 16), (j, 2)))
    assert isinstance(new, ir.Evaluate) == (step == 1)
    if step == 1:
        assert ir.is_call(new.value, "tl.cast_array") and list(new.value.attrs["template"]) == ["32"]
        assert [ir.const_int(a.args[0].indices[0]) for a in new.value.args] == [0, 8]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_values(dtype, device):
    @T.prim_func
    def scaled(A: T.Tensor((64, 64), "float32"), B: T.Tensor((64, 64), dtype), R: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=128):
            a = T.alloc_fragment((64, 64), "float32")
            b = T.alloc_fragment((64, 64), dtype)
            r = T.alloc_fragment((64,), "float32")
            T.copy(A, a)
            T.reduce_max(a, r, dim=1)
            for i, j in T.Parallel(64, 64):
                a[i, j] = a[i, j] / r[i]
            T.copy(a, b)
            T.copy(b, B)
            T.copy(r, R)

    kernel = tilelang.compile(scaled)
    a = torch.rand(64, 64, device=device) + 0.5
    b = torch.zeros(64, 64, device=device, dtype=getattr(torch, dtype))
    r = torch.full((64,), float("nan"), device=device)
    kernel(a, b, r)
    assert "tl::cast_array<" in kernel.get_kernel_source()
    torch.testing.assert_close(r, a.amax(1))
    expected = (a / a.amax(1, keepdim=True)).to(b.dtype).float()
    torch.testing.assert_close(b.float(), expected, rtol=0.13 if "float8" in dtype else 1e-2, atol=0)

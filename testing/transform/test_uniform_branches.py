"""Branches between warps are uniform for ptxas, which keeps wgmma asynchronous behind them."""

from __future__ import annotations

import pytest

import tilelang.language as T
from testing.transform.tile_program import context, when
from tilelang import ir
from tilelang.engine import compile_prim_func
from tilelang.jit.impl import traced
from tilelang.target import Target
from tilelang.toolchain.diagnostics import serialised
from tilelang.transform.uniform_branches import _Branches


@pytest.mark.parametrize(
    "condition, marked",
    [
        (lambda t: t >= 128, True),
        (lambda t: t < 32, True),
        (lambda t: t > 63, True),
        (lambda t: t <= 95, True),
        (lambda t: ir.LE(ir.const(128), t), True),
        (lambda t: ir.And(t >= 64, t < 128), True),
        (lambda t: t > 64, False),
        (lambda t: t < 100, False),
        (lambda t: ir.LT(ir.const(128), t), False),
        (lambda t: t == 0, False),
        (lambda t: t % 32 < 32, False),
    ],
)
def test_which_conditions_pick_warps(condition, marked):
    ctx = context(256)
    branch = when(condition(ctx.tid), ir.evaluate(ir.call("tl.wgmma_commit")))
    new = _Branches(ctx.tid).visit(branch)
    assert ir.is_call(new.condition, "tl.warp_uniform") == marked


def test_branches_in_which_lanes_are_missing_are_left_alone():
    """A block of 16 x 8 threads: an axis parts warps, and so does a loop of as many turns as the thread's number."""
    ctx, axis, turn, block = context(128), ir.var("ty"), ir.var("i"), ir.var("bx")
    inner = when(ctx.tid >= 64, ir.evaluate(ir.call("tl.wgmma_commit")))
    loop = ir.For(turn, ir.const(0), axis, ir.ForKind.SERIAL, when(turn > 1, inner))
    for outer in (when(axis > 2, inner), loop):
        assert not marked(_Branches(ctx.tid, (axis,)).visit(outer))
    assert marked(_Branches(ctx.tid, (axis,)).visit(when(block > 2, inner)))


def marked(stmt):
    return any(ir.is_call(c, "tl.warp_uniform") for c in ir.collect(stmt, ir.Call))


def by_hand(steps):
    @T.prim_func
    def main(A: T.Tensor((128, 128), "float16"), B: T.Tensor((128, 128), "float16"), C: T.Tensor((128, 128), "float16")):
        with T.Kernel(1, threads=256):
            a, b = T.alloc_shared((2, 128, 32), "float16"), T.alloc_shared((2, 32, 128), "float16")
            c = T.alloc_fragment((128, 128), "float32")
            full, empty = T.alloc_barrier([128] * 2), T.alloc_barrier([128] * 2)
            with T.ws(1):
                for k in T.serial(steps):
                    T.barrier_wait(empty[k % 2], (k // 2) % 2 ^ 1)
                    T.copy(A[0, k * 32], a[k % 2, :, :])
                    T.copy(B[k * 32, 0], b[k % 2, :, :])
                    T.barrier_arrive(full[k % 2])
            with T.ws(0):
                T.clear(c)
                for k in T.serial(steps):
                    T.barrier_wait(full[k % 2], (k // 2) % 2)
                    T.gemm(a[k % 2, :, :], b[k % 2, :, :], c)
                    T.barrier_arrive(empty[k % 2])
                T.copy(c, C)

    return main


def test_ptxas_keeps_wgmma_asynchronous():
    from tilelang.toolchain.nvrtc import compile_text

    source = compile_prim_func(traced(by_hand(4)), Target("cuda", "sm_90a", False), {}).source
    assert source.count("tl::warp_uniform") == 2

    def said(text):
        return serialised(compile_text(text, "sm_90a", form="cubin", name="main", options=[], verbose=False)[1])

    assert said(source) is None
    assert said(source.replace("tl::warp_uniform", "")) == "C7520"  # what this is for: if it goes, so may the pass

"""T.call_intrin: names of functions without effects stay without, for this kernel and for those compiled after it."""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T
from tilelang import ir
from tilelang.ir.make import registered_effects


def by_name(n):
    @T.prim_func
    def main(A: T.Tensor((n,), "float32"), B: T.Tensor((n,), "float32")):
        with T.Kernel(T.ceildiv(n, 64), threads=64) as bx:
            for i in T.Parallel(64):
                x = A[bx * 64 + i]
                B[bx * 64 + i] = T.call_intrin("float32", "tirx.exp2", x) + T.call_intrin("float32", "tl.atan", x)

    return main


def test_mathematics_is_pure(device):
    n = 150
    a = torch.randn(n, device=device)
    b = torch.full((n,), float("nan"), device=device)
    tilelang.compile(by_name(n))(a, b)
    torch.testing.assert_close(b, torch.exp2(a) + torch.atan(a), rtol=1e-5, atol=1e-5)
    assert registered_effects()["tl.exp2"] == registered_effects()["tl.atan"] == "pure"


def test_an_effect_may_be_declared_after_the_first_call():
    """What is called by a name that nobody has described is opaque, until somebody does."""
    name = "tl.test_only_declared_late"
    kinds = [make(name, [ir.const(1)], "int32").op.get_attr("TCallEffectKind") for make in (ir.call, ir.pure_call, ir.call)]
    opaque, pure = ir.CallEffectKind.Opaque.value, ir.CallEffectKind.Pure.value
    assert kinds == [opaque, pure, pure]

"""Run in a fresh process: everything that must work without TVM and torch."""

from __future__ import annotations

import tilelang.language as T
from tilelang.frontend import EagerFunction, function_identity

m = T.dynamic("m")
blocks = T.ceildiv(m, 128) * 2 + 1


@T.prim_func
def module_level(A: T.Tensor((m, 4), "float16"), B: T.Tensor((m,), "float16")):
    with T.Kernel(blocks):
        T.copy(A[0, 0:4], B[0:4])


@EagerFunction
def eager(A, n=4):
    M = T.const("M")
    A: T.Tensor((M, m), "float16")
    C = T.empty((M, M), "float16")
    steps = T.ceildiv(M, n)
    with T.Kernel(steps):
        T.copy(A, C)
    return C


class FakeTensor:
    shape = (8, 3)

    def stride(self):
        return (3, 1)


def check() -> None:
    assert len(module_level.cache_identity()) == 64
    assert len(function_identity(check)) == 64
    assert eager.bind((FakeTensor(),), {}).constants == {"M": 8}
    assert len(eager.cache_identity()) == 64

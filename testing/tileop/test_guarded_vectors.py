"""Wide loads whose place, or whether they happen, only data says: indices from tensors, variables and expert tables."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T

from .test_tma import HOPPER

ROWS, COLUMNS, TABLE = 64, 40, 6


def gather(kind):
    @T.prim_func
    def main(B: T.Tensor((TABLE, ROWS, COLUMNS), "float16"), S: T.Tensor((8,), "int32"), C: T.Tensor((8, ROWS, 32), "float16")):
        with T.Kernel(8, threads=128) as bx:
            Bs = T.alloc_shared((ROWS, 32), "float16")
            if kind == "index":
                T.copy(B[S[bx], 0:ROWS, 8:40], Bs)
            elif kind == "variable":
                at = T.alloc_var("int32")
                at = S[bx]
                T.copy(B[at, 0:ROWS, 8:40], Bs)
            elif kind == "rows":
                for i, j in T.Parallel(ROWS, 32):
                    Bs[i, j] = B[bx % TABLE, S[i % 8], j + 8]
            elif kind == "guard":
                for i, j in T.Parallel(ROWS, 32):
                    at = S[bx]
                    Bs[i, j] = T.if_then_else(at >= 0 and j < 24, B[at, i, j + 8], 0)
            elif kind == "scaled":
                for i, j in T.Parallel(ROWS, 32):
                    Bs[i, j] = T.if_then_else(S[bx] >= 0 and i < 50, B[S[bx], i, j + 8] * T.float16(3), T.float16(-1))
            T.copy(Bs, C[bx, :, :])

    return main


def expected(kind, b, s):
    valid = (s >= 0) & (s < TABLE)
    picked = torch.where(valid[:, None, None], b[s.clamp(0, TABLE - 1).long()], torch.zeros(())).half()[:, :, 8:]
    if kind == "rows":
        inside = (s >= 0) & (s < ROWS)
        rows = [torch.where(inside[:, None], b[x % TABLE][s.clamp(0, ROWS - 1).long()], torch.zeros(())).half() for x in range(8)]
        return torch.stack([r.repeat(ROWS // 8, 1)[:, 8:] for r in rows])
    if kind == "guard":
        picked[:, :, 24:] = 0
    if kind == "scaled":
        picked = picked * 3
        picked[:, 50:] = -1
        picked[s < 0] = -1
    return picked


@pytest.mark.parametrize("kind", ["index", "variable", "rows", "guard", "scaled"])
def test_gathers(kind):
    b, s = torch.randn(TABLE, ROWS, COLUMNS).half(), torch.randint(0, TABLE, (8,), dtype=torch.int32)
    s[1], s[2] = -3, 1 << 20  # outside: zeros, and no load
    c = torch.full((8, ROWS, 32), float("nan")).half()
    kernel = tilelang.compile(gather(kind), target=HOPPER, execution_backend="simulator")
    kernel(b, s, c)
    assert any("reads B, 16 bytes" in str(r) for r in kernel.remarks)
    assert torch.equal(c, expected(kind, b, s))
    report = kernel.check(b, s, c, schedules=1)
    assert not report.findings, report

"""A second warpgroup where one cannot hold the tiles: same numbers, more threads, and only where nobody looks at threads."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T

HOPPER = {"kind": "cuda", "arch": "sm_90a"}


def gated(M, N, K, bm, bn, threads=128, kind="plain"):
    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float16"), G: T.Tensor((N, K), "float16"), U: T.Tensor((N, K), "float16"),
        C: T.Tensor((M, N), "float32"), counter: T.Tensor((1,), "int32"),
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=threads) as (bx, by):
            As, Gs = T.alloc_shared((bm, 64), "float16"), T.alloc_shared((bn, 64), "float16")
            Us = T.alloc_shared((bn, 64), "float16")
            gate, up = T.alloc_fragment((bm, bn), "float32"), T.alloc_fragment((bm, bn), "float32")
            if kind == "thread":
                own = T.alloc_local((1,), "float32")
            T.clear(gate)
            T.clear(up)
            for k in T.Pipelined(T.ceildiv(K, 64), num_stages=2):
                T.copy(A[by * bm, k * 64], As)
                T.copy(G[bx * bn, k * 64], Gs)
                T.copy(U[bx * bn, k * 64], Us)
                T.gemm(As, Gs, gate, transpose_B=True)
                T.gemm(As, Us, up, transpose_B=True)
            if kind == "thread":
                if T.get_thread_binding() == 0:
                    own[0] = 1.0
            if kind == "counter":
                T.atomic_add(counter[0], 1)
            for i, j in T.Parallel(bm, bn):
                up[i, j] = up[i, j] * T.max(gate[i, j], 0.0)
            T.copy(up, C[by * bm, bx * bn])

    return main


@pytest.mark.parametrize(
    "bm, bn, threads, kind, configs, expected",
    [
        (128, 128, 128, "plain", {}, 256),  # 256 registers of each of 128 threads
        (128, 64, 128, "plain", {}, 128),  # they fit
        (64, 256, 128, "plain", {}, 128),  # the second warpgroup would have no rows
        (128, 128, 256, "plain", {}, 256),
        (128, 128, 128, "thread", {}, 128),
        (128, 128, 128, "counter", {}, 128),  # every thread adds one
        (128, 128, 128, "plain", {"tl.enable_tile_resizing": False}, 128),
    ],
)
def test_threads(bm, bn, threads, kind, configs, expected):
    M, N, K = bm + 40, bn * 2 - 24, 64 * 3 + 8
    a, g, u = torch.randn(M, K).half(), torch.randn(N, K).half(), torch.randn(N, K).half()
    program = gated(M, N, K, bm, bn, threads, kind)
    kernel = tilelang.compile(program, target=HOPPER, execution_backend="simulator", pass_configs=configs)
    c = torch.full((M, N), float("nan"))
    counter = torch.zeros(1, dtype=torch.int32)
    kernel(a, g, u, c, counter)
    assert counter.item() == (2 * 2 * threads if kind == "counter" else 0)
    wanted = (a.float() @ u.float().T) * (a.float() @ g.float().T).clamp(min=0)
    torch.testing.assert_close(c, wanted, rtol=1e-3, atol=1e-1)
    found = [r.values["threads"] for r in kernel.remarks if r.rule == "tile"]
    assert (found or [threads]) == [expected]

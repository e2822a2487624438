"""Scalars that the producer computes for itself: groups of rows, while loops of a scheduler, conditions from private arrays."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T

from .test_tma import HOPPER

N, K = 64, 160


def run(program, *tensors):
    kernel = tilelang.compile(program, target=HOPPER, execution_backend="simulator")
    kernel(*tensors)
    report = kernel.check(*tensors, schedules=2)
    assert not report.findings, report
    return kernel


def why_not(kernel) -> str:
    return "; ".join(str(r) for r in kernel.remarks if "no producer warp" in str(r))


def operands(groups, rows):
    a, b = torch.randn(rows, K).half(), torch.randn(groups, N, K).half()
    return a, b, torch.full((rows, N), float("nan")).half()


@pytest.mark.parametrize("kind", ["var", "local"])
def test_a_group_found_by_scanning_offsets(kind):
    groups = 4
    offsets = [0, 64, 64, 192]  # the second group is empty
    rows = 256

    @T.prim_func
    def main(
        A: T.Tensor((rows, K), "float16"), B: T.Tensor((groups, N, K), "float16"), first: T.Tensor((groups,), "int32"),
        C: T.Tensor((rows, N), "float16"),
    ):  # fmt: skip
        with T.Kernel(rows // 64, threads=128) as bx:
            As, Bs = T.alloc_shared((64, 32), "float16"), T.alloc_shared((N, 32), "float16")
            Cl = T.alloc_fragment((64, N), "float32")
            if kind == "var":
                group = T.alloc_var("int32")
                group = 0
                for g in T.serial(groups):
                    if first[g] <= bx * 64:
                        group = g
            else:
                found = T.alloc_local((2,), "int32")
                found[0] = 0
                for g in T.serial(groups):
                    found[1] = g
                    if first[found[1]] <= bx * 64:
                        found[0] = found[1]
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, 32), num_stages=3):
                T.copy(A[bx * 64, k * 32], As)
                T.copy(B[group if kind == "var" else found[0], 0:N, k * 32 : (k + 1) * 32], Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            T.copy(Cl, C[bx * 64, 0])

    a, b, c = operands(groups, rows)
    kernel = run(main, a, b, torch.tensor(offsets, dtype=torch.int32), c)
    assert not why_not(kernel)
    of_row = [max(g for g in range(groups) if offsets[g] <= r // 64 * 64) for r in range(rows)]
    expected = torch.einsum("rk,rnk->rn", a.float(), b[of_row].float())
    torch.testing.assert_close(c.float(), expected, rtol=2e-2, atol=2e-2)


def test_a_scheduler_in_a_while_loop():
    groups, rows, workers = 1, 64 * 7, 3

    @T.prim_func
    def main(A: T.Tensor((rows, K), "float16"), B: T.Tensor((groups, N, K), "float16"), C: T.Tensor((rows, N), "float16")):
        with T.Kernel(workers, threads=128) as bx:
            As, Bs = T.alloc_shared((64, 32), "float16"), T.alloc_shared((N, 32), "float16")
            Cl = T.alloc_fragment((64, N), "float32")
            tile = T.alloc_var("int32")
            tile = bx
            while tile < rows // 64:
                T.clear(Cl)
                for k in T.Pipelined(T.ceildiv(K, 32), num_stages=2):
                    T.copy(A[tile * 64, k * 32], As)
                    T.copy(B[0, 0:N, k * 32 : (k + 1) * 32], Bs)
                    T.gemm(As, Bs, Cl, transpose_B=True)
                T.copy(Cl, C[tile * 64, 0])
                tile = tile + workers

    a, b, c = operands(groups, rows)
    kernel = run(main, a, b, c)
    assert not why_not(kernel)
    torch.testing.assert_close(c.float(), a.float() @ b[0].float().T, rtol=2e-2, atol=2e-2)


def test_blocks_that_a_mask_leaves_out():
    blocks, rows = 5, 64

    @T.prim_func
    def main(
        A: T.Tensor((rows, blocks * 32), "float16"), B: T.Tensor((N, blocks * 32), "float16"), mask: T.Tensor((blocks,), "int32"),
        C: T.Tensor((rows, N), "float16"),
    ):  # fmt: skip
        with T.Kernel(1, threads=128):
            As, Bs = T.alloc_shared((64, 32), "float16"), T.alloc_shared((N, 32), "float16")
            Cl = T.alloc_fragment((64, N), "float32")
            wanted = T.alloc_local((blocks,), "bool")
            for g in T.serial(blocks):
                wanted[g] = mask[g] != 0
            T.clear(Cl)
            for k in T.Pipelined(blocks, num_stages=2):
                if wanted[k]:
                    T.copy(A[0, k * 32], As)
                    T.copy(B[0, k * 32], Bs)
                    T.gemm(As, Bs, Cl, transpose_B=True)
            T.copy(Cl, C)

    mask = torch.tensor([1, 0, 1, 0, 1], dtype=torch.int32)
    a, b = torch.randn(rows, blocks * 32).half(), torch.randn(N, blocks * 32).half()
    c = torch.full((rows, N), float("nan")).half()
    kernel = run(main, a, b, mask, c)
    assert not why_not(kernel)
    keep = mask.repeat_interleave(32).float()
    torch.testing.assert_close(c.float(), (a.float() * keep) @ b.float().T, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(
    "spoil, reason",
    [
        ("thread", "group"),  # depends on the thread
        ("tensor", "group"),  # on a tensor that the launch writes
        ("bind", "group"),  # on a scalar of the thread
        ("atomic", "group"),  # on what happens once, not twice
    ],
)
def test_what_only_the_consumers_know_is_left_to_them(spoil, reason):
    groups, rows = 3, 128

    @T.prim_func
    def main(
        A: T.Tensor((rows, K), "float16"), B: T.Tensor((groups, N, K), "float16"), S: T.Tensor((rows // 64,), "int32"),
        C: T.Tensor((rows, N), "float16"),
    ):  # fmt: skip
        with T.Kernel(rows // 64, threads=128) as bx:
            As, Bs = T.alloc_shared((64, 32), "float16"), T.alloc_shared((N, 32), "float16")
            Cl = T.alloc_fragment((64, N), "float32")
            group = T.alloc_var("int32")
            group = 1
            if spoil == "thread":
                group = group + T.get_thread_binding() // 128
            if spoil == "bind":
                own = T.get_thread_binding() // 128
                group = group + own
            if spoil == "atomic":
                group = 1 + T.atomic_add(S[bx], 1, return_prev=True) // 1000
            if spoil == "tensor":
                S[bx] = 1
                group = S[bx]
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, 32), num_stages=2):
                T.copy(A[bx * 64, k * 32], As)
                T.copy(B[group, 0:N, k * 32 : (k + 1) * 32], Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            T.copy(Cl, C[bx * 64, 0])

    a, b, c = operands(groups, rows)
    s = torch.zeros(rows // 64, dtype=torch.int32)
    kernel = tilelang.compile(main, target=HOPPER, execution_backend="simulator")
    kernel(a, b, s, c)
    assert reason in why_not(kernel)
    torch.testing.assert_close(c.float(), a.float() @ b[1].float().T, rtol=2e-2, atol=2e-2)

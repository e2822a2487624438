"""T.Pipelined: how a pipeline meets conditions, loop-carried buffers, short loops and several operators."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random

STAGES = [0, 1, 2, 3, 4]


def column_blocks(M, N, bn, stages, dtype="float32"):
    """Sum over column blocks: a copy and an elementwise consumer."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, bn), "float32")):
        with T.Kernel(T.ceildiv(M, 16), threads=64) as bx:
            s = T.alloc_shared((16, bn), dtype)
            total = T.alloc_fragment((16, bn), "float32")
            T.clear(total)
            for k in T.Pipelined(T.ceildiv(N, bn), num_stages=stages):
                T.copy(A[bx * 16, k * bn], s)
                for i, j in T.Parallel(16, bn):
                    total[i, j] += s[i, j]
            T.copy(total, B[bx * 16, 0])

    return main


@pytest.mark.parametrize("stages", STAGES)
@pytest.mark.parametrize("N", [32, 64, 200], ids=["one", "two", "ragged"])
def test_loops_shorter_than_the_pipeline(stages, N, device):
    M, bn = 20, 32
    a = random((M, N), "float32", device)
    out = run(column_blocks(M, N, bn, stages), [a], ((M, bn), "float32"), device=device)
    x = torch.nn.functional.pad(a.double(), (0, -N % bn)).view(M, -1, bn)
    assert_close(out, x.sum(1), terms=x.shape[1], scale=x.abs().sum(1))


def carried(M, N, stages):
    """A shared buffer that lives across iterations: it must not be given one version for each stage."""

    @T.prim_func
    def main(A: T.Tensor((N, M), "float32"), B: T.Tensor((N, M), "float32")):
        with T.Kernel(1, threads=64) as _:
            new = T.alloc_shared((M,), "float32")
            state = T.alloc_shared((M,), "float32")
            T.clear(state)
            for k in T.Pipelined(N, num_stages=stages):
                T.copy(A[k, :], new)
                for i in T.Parallel(M):
                    state[i] = state[i] * 0.5 + new[i]
                T.copy(state, B[k, :])

    return main


@pytest.mark.parametrize("stages", STAGES)
def test_loop_carried_shared_buffer(stages, device):
    M, N = 80, 6
    a = random((N, M), "float32", device)
    state, rows = torch.zeros(M, dtype=torch.float64, device=device), []
    for row in a.double():
        state = state * 0.5 + row
        rows.append(state)
    out = run(carried(M, N, stages), [a], ((N, M), "float32"), device=device)
    assert_close(out, torch.stack(rows), terms=N, scale=4.0)


def reversed_neighbours(M, N, stages):
    """The consumer reads elements that other threads brought, and overwrites the staged buffer afterwards."""

    @T.prim_func
    def main(A: T.Tensor((N, M), "float32"), B: T.Tensor((N, M), "float32")):
        with T.Kernel(1, threads=64) as _:
            s = T.alloc_shared((M,), "float32")
            f = T.alloc_fragment((M,), "float32")
            for k in T.Pipelined(N, num_stages=stages):
                T.copy(A[k, :], s)
                for i in T.Parallel(M):
                    f[i] = s[M - 1 - i]
                for i in T.Parallel(M):
                    s[i] = f[i] * 2.0
                T.copy(s, B[k, :])

    return main


@pytest.mark.parametrize("stages", STAGES)
def test_staged_buffer_written_by_the_consumer(stages, device):
    a = random((5, 96), "float32", device)
    out = run(reversed_neighbours(96, 5, stages), [a], ((5, 96), "float32"), device=device)
    assert_close(out, a.double().flip(1) * 2, ulps=0)


def conditional_copy(M, N, bn, stages):
    """Blocks whose flag is false are neither copied nor added: copy and consumer stand under the same condition."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), flags: T.Tensor((N // bn,), "int32"), B: T.Tensor((M, bn), "float32")):
        with T.Kernel(1, threads=64) as _:
            s = T.alloc_shared((M, bn), "float32")
            total = T.alloc_fragment((M, bn), "float32")
            T.clear(total)
            for k in T.Pipelined(N // bn, num_stages=stages):
                if flags[k] != 0:
                    T.copy(A[0, k * bn], s)
                    for i, j in T.Parallel(M, bn):
                        total[i, j] += s[i, j]
            T.copy(total, B)

    return main


@pytest.mark.parametrize("stages", STAGES)
def test_condition_around_the_body(stages, device):
    M, bn, blocks = 8, 32, 7
    a, flags = random((M, blocks * bn), "float32", device), random(blocks, "int32", device, 0, 2)
    out = run(conditional_copy(M, blocks * bn, bn, stages), [a, flags], ((M, bn), "float32"), device=device)
    x = a.double().view(M, blocks, bn) * flags.double()[None, :, None]
    assert_close(out, x.sum(1), terms=blocks, scale=x.abs().sum(1))


def conditional_consumer(M, N, bn, stages):
    """Every block is copied, odd ones are subtracted: the condition depends on the loop variable."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float16"), B: T.Tensor((M, bn), "float32")):
        with T.Kernel(1, threads=64) as _:
            s = T.alloc_shared((M, bn), "float16")
            total = T.alloc_fragment((M, bn), "float32")
            T.clear(total)
            for k in T.Pipelined(N // bn, num_stages=stages):
                T.copy(A[0, k * bn], s)
                if k % 2 == 0:
                    for i, j in T.Parallel(M, bn):
                        total[i, j] += s[i, j]
                else:
                    for i, j in T.Parallel(M, bn):
                        total[i, j] -= s[i, j]
            T.copy(total, B)

    return main


@pytest.mark.parametrize("stages", [0, 2, 3])
def test_condition_on_the_loop_variable(stages, device):
    M, bn, blocks = 8, 64, 5
    a = random((M, blocks * bn), "float16", device)
    out = run(conditional_consumer(M, blocks * bn, bn, stages), [a], ((M, bn), "float32"), device=device)
    x = a.double().view(M, blocks, bn) * (1 - 2 * (torch.arange(blocks, device=device) % 2)).double()[None, :, None]
    assert_close(out, x.sum(1), terms=blocks, scale=x.abs().sum(1))


def indirect(M, W, bn, stages):
    """The address of a copy comes from a tensor: a paged read."""

    @T.prim_func
    def main(A: T.Tensor((W, M, bn), "float16"), table: T.Tensor((5,), "int32"), B: T.Tensor((M, bn), "float32")):
        with T.Kernel(1, threads=64) as _:
            s = T.alloc_shared((M, bn), "float16")
            total = T.alloc_fragment((M, bn), "float32")
            T.clear(total)
            for k in T.Pipelined(5, num_stages=stages):
                page = table[k]
                T.copy(A[page, 0, 0], s)
                for i, j in T.Parallel(M, bn):
                    total[i, j] += s[i, j]
            T.copy(total, B)

    return main


@pytest.mark.parametrize("stages", [0, 2, 3])
def test_indirect_addresses(stages, device):
    a, table = random((9, 16, 64), "float16", device), random(5, "int32", device, 0, 9)
    out = run(indirect(16, 9, 64, stages), [a, table], ((16, 64), "float32"), device=device)
    x = a.double()[table.long()]
    assert_close(out, x.sum(0), terms=5, scale=x.abs().sum(0))


def two_loops(M, N, K, stages):
    """Two pipelines after each other over the same shared buffers."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float16"),
        B: T.Tensor((K, N), "float16"),
        C: T.Tensor((M, K), "float16"),
        D: T.Tensor((K, N), "float16"),
        E: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(1, threads=128) as _:
            As = T.alloc_shared((M, 32), "float16")
            Bs = T.alloc_shared((32, N), "float16")
            Cl = T.alloc_fragment((M, N), "float32")
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, 32), num_stages=stages):
                T.copy(A[0, k * 32], As)
                T.copy(B[k * 32, 0], Bs)
                T.gemm(As, Bs, Cl)
            for k in T.Pipelined(T.ceildiv(K, 32), num_stages=stages):
                T.copy(C[0, k * 32], As)
                T.copy(D[k * 32, 0], Bs)
                T.gemm(As, Bs, Cl)
            T.copy(Cl, E)

    return main


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_two_pipelines(stages, device):
    M, N, K = 64, 48, 100
    a, b, c, d = (random(s, "float16", device) for s in [(M, K), (K, N), (M, K), (K, N)])
    out = run(two_loops(M, N, K, stages), [a, b, c, d], ((M, N), "float32"), device=device)
    x = torch.cat([a, c], 1).double()
    y = torch.cat([b, d], 0).double()
    assert_close(out, x @ y, terms=2 * K, scale=x.abs() @ y.abs())


def nested(G, M, N, K, stages):
    """A pipeline inside a serial loop that resets the accumulator."""

    @T.prim_func
    def main(A: T.Tensor((G, M, K), "float16"), B: T.Tensor((G, K, N), "float16"), C: T.Tensor((G, M, N), "float16")):
        with T.Kernel(1, threads=64) as _:
            As = T.alloc_shared((M, 32), "float16")
            Bs = T.alloc_shared((32, N), "float16")
            Cl = T.alloc_fragment((M, N), "float32")
            for g in T.serial(G):
                T.clear(Cl)
                for k in T.Pipelined(T.ceildiv(K, 32), num_stages=stages):
                    T.copy(A[g, 0:M, k * 32 : (k + 1) * 32], As)
                    T.copy(B[g, k * 32 : (k + 1) * 32, 0:N], Bs)
                    T.gemm(As, Bs, Cl)
                T.copy(Cl, C[g, 0, 0])

    return main


@pytest.mark.parametrize("stages", [0, 2, 3])
def test_pipeline_in_a_loop(stages, device):
    G, M, N, K = 3, 32, 48, 80
    a, b = random((G, M, K), "float16", device), random((G, K, N), "float16", device)
    out = run(nested(G, M, N, K, stages), [a, b], ((G, M, N), "float16"), device=device)
    x, y = a.double(), b.double()
    assert_close(out, x @ y, terms=K, scale=x.abs() @ y.abs(), arithmetic="float32")


def dequantised(M, N, K, bk, stages):
    """A staged buffer, a conversion in registers, and a second shared buffer that is produced inside of the loop."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K), "int8"), S: T.Tensor((N,), "float16"), C: T.Tensor((M, N), "float32")
    ):
        with T.Kernel(T.ceildiv(N, 32), threads=64) as bx:
            As = T.alloc_shared((M, bk), "float16")
            Qs = T.alloc_shared((32, bk), "int8")
            Bl = T.alloc_fragment((32, bk), "float16")
            Bs = T.alloc_shared((32, bk), "float16")
            scale = T.alloc_fragment((32,), "float16")
            Cl = T.alloc_fragment((M, 32), "float32")
            T.clear(Cl)
            T.copy(S[bx * 32], scale)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=stages):
                T.copy(A[0, k * bk], As)
                T.copy(B[bx * 32, k * bk], Qs)
                for i, j in T.Parallel(32, bk):
                    Bl[i, j] = T.cast(Qs[i, j], "float16") * scale[i]
                T.copy(Bl, Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            T.copy(Cl, C[0, bx * 32])

    return main


@pytest.mark.parametrize("stages", [0, 1, 2, 3])
def test_conversion_inside_the_pipeline(stages, device):
    M, N, K, bk = 48, 60, 144, 64
    a, b, s = random((M, K), "float16", device), random((N, K), "int8", device), random(N, "float16", device, 0.001, 0.01)
    out = run(dequantised(M, N, K, bk, stages), [a, b, s], ((M, N), "float32"), device=device)
    y = (b.to(torch.float16) * s[:, None]).double().T
    x = a.double()
    assert_close(out, x @ y, terms=K, scale=x.abs() @ y.abs())


def dynamic_trip_count(M, bn, stages):
    """The number of iterations is an argument, and may be zero."""

    @T.prim_func
    def main(A: T.Tensor((M, 8 * bn), "float16"), steps: T.int32, B: T.Tensor((M, bn), "float32")):
        with T.Kernel(1, threads=64) as _:
            s = T.alloc_shared((M, bn), "float16")
            total = T.alloc_fragment((M, bn), "float32")
            T.clear(total)
            for k in T.Pipelined(steps, num_stages=stages):
                T.copy(A[0, k * bn], s)
                for i, j in T.Parallel(M, bn):
                    total[i, j] += s[i, j]
            T.copy(total, B)

    return main


@pytest.mark.parametrize("stages", [0, 1, 2, 3, 4])
def test_trip_count_at_run_time(stages, device):
    import tilelang

    kernel = tilelang.compile(dynamic_trip_count(16, 32, stages))
    a = random((16, 256), "float16", device)
    for steps in (0, 1, 2, 3, 8):
        out = run(kernel, [a, steps], ((16, 32), "float32"), device=device)
        x = a.double().view(16, 8, 32)[:, :steps]
        assert_close(out, x.sum(1), terms=8, scale=x.abs().sum(1))


def scheduled(M, N, K, order, stage):
    """Copies and products in the order and the stages that the author gives."""

    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((K, N), "float16"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(1, threads=64) as _:
            As = T.alloc_shared((M, 32), "float16")
            Bs = T.alloc_shared((32, N), "float16")
            Cl = T.alloc_fragment((M, N), "float32")
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, 32), num_stages=2, order=order, stage=stage):
                T.copy(A[0, k * 32], As)
                T.copy(B[k * 32, 0], Bs)
                T.gemm(As, Bs, Cl)
            T.copy(Cl, C)

    return main


@pytest.mark.parametrize("order, stage", [([0, 1, 2], [0, 0, 1]), ([1, 0, 2], [0, 0, 2]), ([1, 2, 0], [0, 0, 1])], ids=str)
def test_schedule_by_hand(order, stage, device):
    M, N, K = 32, 48, 150
    a, b = random((M, K), "float16", device), random((K, N), "float16", device)
    out = run(scheduled(M, N, K, order, stage), [a, b], ((M, N), "float32"), device=device)
    x, y = a.double(), b.double()
    assert_close(out, x @ y, terms=K, scale=x.abs() @ y.abs())


def test_schedules_by_hand(device):
    """order, stage, group and sync arrange instructions; results never depend on them."""
    M, N, K = 64, 64, 128

    def product(**schedule):
        @T.prim_func
        def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((K, N), "float16"), C: T.Tensor((M, N), "float32")):
            with T.Kernel(1, threads=128):
                As, Bs = T.alloc_shared((M, 32), "float16"), T.alloc_shared((32, N), "float16")
                total = T.alloc_fragment((M, N), "float32")
                T.clear(total)
                for k in T.Pipelined(K // 32, num_stages=2, **schedule):
                    T.copy(A[0, k * 32], As)
                    T.copy(B[k * 32, 0], Bs)
                    T.gemm(As, Bs, total, k_pack=1)
                T.copy(total, C)

        return main

    a, b = random((M, K), "float16", device), random((K, N), "float16", device)
    schedules = [dict(order=[0, 1, 2], stage=[0, 0, 1]), dict(order=[-1, 0], stage=[-1, 1], group=[[0, 1], [2]], sync=[[0, 1]])]
    for schedule in schedules:
        out = run(product(**schedule), [a, b], ((M, N), "float32"), device=device)
        assert_close(out, a.double() @ b.double(), terms=K, scale=a.double().abs() @ b.double().abs())


def scaled_rows(n, dtype, stages):
    """A vector of `n` scales beside each tile."""

    @T.prim_func
    def main(A: T.Tensor((64, 320), "float16"), S: T.Tensor((10, n), dtype), O: T.Tensor((64, 32), "float32")):
        with T.Kernel(1, threads=128):
            A_s = T.alloc_shared((64, 32), "float16")
            scales = T.alloc_shared((n,), dtype)
            acc = T.alloc_fragment((64, 32), "float32")
            T.clear(acc)
            for k in T.Pipelined(10, num_stages=stages):
                T.copy(A[0, k * 32], A_s)
                T.copy(S[k, 0], scales)
                for i, j in T.Parallel(64, 32):
                    acc[i, j] += A_s[i, j] * T.cast(scales[i % n], "float32")
            T.copy(acc, O)

    return main


@pytest.mark.parametrize(
    "n, dtype, by_tma", [(16, "float32", True), (64, "float32", True), (8, "bfloat16", True), (12, "float16", False)]
)
def test_vectors_of_any_length_in_a_ring(n, dtype, by_tma, device):
    """Slots of short vectors lie on the 128 bytes that TMA asks for; rows between 16 bytes in memory go by cp.async."""
    kernel = tilelang.compile(scaled_rows(n, dtype, 3), target={"kind": "cuda", "arch": "sm_90a"})
    assert ("copies scales by tma load" in str(kernel.remarks)) is by_tma
    a, s = random((64, 320), "float16", device), random((10, n), dtype, device)
    out = run(kernel, [a, s], ((64, 32), "float32"), device=device)
    rows = torch.arange(64, device=device) % n
    expected = sum(a[:, k * 32 : k * 32 + 32].double() * s[k].double()[rows][:, None] for k in range(10))
    torch.testing.assert_close(out.double(), expected, rtol=1e-4, atol=1e-4)

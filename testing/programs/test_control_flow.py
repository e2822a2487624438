"""Branches, loops, breaks, mutable scalars and thread-private arrays."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def collatz(N):
    """A while loop of a different length in every thread."""

    @T.prim_func
    def main(A: T.Tensor((N,), "int32"), B: T.Tensor((N,), "int32")):
        with T.Kernel(T.ceildiv(N, 64), threads=64) as bx:
            tx = T.get_thread_binding()
            at = bx * 64 + tx
            if at < N:
                value = T.alloc_var("int32", init=A[at])
                steps = T.alloc_var("int32", init=0)
                while value != 1:
                    if value % 2 == 0:
                        value = value // 2
                    else:
                        value = value * 3 + 1
                    steps += 1
                B[at] = steps

    return main


def test_while(device):
    a = random(100, "int32", device, 1, 60)
    expected = []
    for value in a.tolist():
        steps = 0
        while value != 1:
            value, steps = (value // 2 if value % 2 == 0 else value * 3 + 1), steps + 1
        expected.append(steps)
    assert_close(run(collatz(100), [a], ((100,), "int32"), device=device), torch.tensor(expected))


def first_above(M, N):
    """break leaves the loop; the index where it did stays in the variable."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), limit: T.float32, B: T.Tensor((M,), "int32")):
        with T.Kernel(T.ceildiv(M, 32), threads=32) as bx:
            row = bx * 32 + T.get_thread_binding()
            if row < M:
                found = T.alloc_var("int32", init=-1)
                for j in T.serial(N):
                    if A[row, j] > limit:
                        found = j
                        break
                B[row] = found

    return main


def test_break(device):
    a = random((50, 20), "float32", device)
    above = (a > 1.5).long()
    expected = torch.where(above.any(1), above.argmax(1), -1)
    assert_close(run(first_above(50, 20), [a, 1.5], ((50,), "int32"), device=device), expected)


def skip_negative(M, N):
    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M,), "float32")):
        with T.Kernel(1, threads=M) as _:
            row = T.get_thread_binding()
            total = T.alloc_var("float32", init=0.0)
            for j in range(N):
                if A[row, j] < 0:
                    continue
                total += A[row, j]
            B[row] = total

    return main


def test_continue(device):
    a = random((32, 30), "float32", device)
    x = a.double().clamp(min=0)
    out = run(skip_negative(32, 30), [a], ((32,), "float32"), device=device)
    assert_close(out, x.sum(1), terms=30, scale=x.sum(1))


def nested_branches(N):
    @T.prim_func
    def main(A: T.Tensor((N,), "int32"), B: T.Tensor((N,), "int32")):
        with T.Kernel(T.ceildiv(N, 64), threads=64) as bx:
            for i in T.Parallel(64):
                at = bx * 64 + i
                if at < N:
                    if A[at] < -10:
                        B[at] = 0
                    elif -10 <= A[at] < 10:
                        if at % 2 == 0 and A[at] != 0:
                            B[at] = A[at]
                        else:
                            B[at] = -A[at]
                    else:
                        B[at] = A[at] * 2

    return main


def test_nested_branches(device):
    a = random(150, "int32", device, -30, 30)
    even = torch.arange(150, device=device) % 2 == 0
    inner = torch.where(even & (a != 0), a, -a)
    expected = torch.where(a < -10, 0, torch.where(a < 10, inner, a * 2))
    assert_close(run(nested_branches(150), [a], ((150,), "int32"), device=device), expected)


def blocks_differ(N):
    """A branch on the block index around tile operators: blocks do different work, with barriers inside."""

    @T.prim_func
    def main(A: T.Tensor((4, N), "float32"), B: T.Tensor((4, N), "float32")):
        with T.Kernel(4, threads=64) as bx:
            s = T.alloc_shared((N,), "float32")
            f = T.alloc_fragment((N,), "float32")
            T.copy(A[bx, :], s)
            if bx % 2 == 0:
                for i in T.Parallel(N):
                    f[i] = s[N - 1 - i]
            else:
                T.copy(s, f)
                for i in T.Parallel(N):
                    f[i] = f[i] + 1.0
            T.copy(f, B[bx, :])

    return main


def test_branch_around_tile_operators(device):
    a = random((4, 96), "float32", device)
    x = a.double()
    even = (torch.arange(4, device=device) % 2 == 0)[:, None]
    assert_close(
        run(blocks_differ(96), [a], ((4, 96), "float32"), device=device), torch.where(even, x.flip(1), x + 1), scale=1 + x.abs()
    )


def local_sort(M, N):
    """A thread-private array indexed by run-time values: insertion sort of each row."""

    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(M, 32), threads=32) as bx:
            row = bx * 32 + T.get_thread_binding()
            values = T.alloc_local((N,), "float32")
            if row < M:
                for j in T.serial(N):
                    values[j] = A[row, j]
                for j in T.serial(1, N):
                    key = T.alloc_var("float32", init=values[j])
                    k = T.alloc_var("int32", init=j)
                    while k > 0 and values[T.max(k - 1, 0)] > key:
                        values[k] = values[k - 1]
                        k -= 1
                    values[k] = key
                for j in T.serial(N):
                    B[row, j] = values[j]

    return main


def test_local_array(device):
    a = random((40, 12), "float32", device)
    assert_close(run(local_sort(40, 12), [a], ((40, 12), "float32"), device=device), a.double().sort(1).values, ulps=0)


def loop_kinds(N):
    @T.prim_func
    def main(A: T.Tensor((N, 8), "float16"), B: T.Tensor((N, 8), "float16")):
        with T.Kernel(T.ceildiv(N, 32), threads=32) as bx:
            row = bx * 32 + T.get_thread_binding()
            x = T.alloc_local((8,), "float16")
            y = T.alloc_local((8,), "float16")
            if row < N:
                for j in T.vectorized(8):
                    x[j] = A[row, j]
                for j in T.unroll(8):
                    y[7 - j] = x[j]
                for j in T.serial(0, 8, 2):
                    y[j] = y[j] * 2
                for j in T.vectorized(8):
                    B[row, j] = y[j]

    return main


def test_loop_kinds(device):
    a = random((70, 8), "float16", device)
    expected = a.double().flip(1)
    expected[:, 0:8:2] *= 2
    assert_close(run(loop_kinds(70), [a], ((70, 8), "float16"), device=device), expected, ulps=0)


def fibonacci(M, N):
    """A serial loop that carries two fragments: each iteration needs the one before."""

    @T.prim_func
    def main(A: T.Tensor((2, M), "int32"), B: T.Tensor((N, M), "int32")):
        with T.Kernel(1, threads=64) as _:
            a = T.alloc_fragment((M,), "int32")
            b = T.alloc_fragment((M,), "int32")
            c = T.alloc_fragment((M,), "int32")
            T.copy(A[0, :], a)
            T.copy(A[1, :], b)
            for n in T.serial(N):
                for i in T.Parallel(M):
                    c[i] = a[i] + b[i]
                T.copy(c, B[n, :])
                T.copy(b, a)
                T.copy(c, b)

    return main


def test_loop_carried_fragments(device):
    M, N = 50, 7
    a = random((2, M), "int32", device, -50, 50)
    rows = [a[0].long(), a[1].long()]
    for _ in range(N):
        rows.append(rows[-1] + rows[-2])
    assert_close(run(fibonacci(M, N), [a], ((N, M), "int32"), device=device), torch.stack(rows[2:]))


def shared_scan(N):
    """Hillis-Steele scan: every step reads what other threads wrote in the step before."""

    @T.prim_func
    def main(A: T.Tensor((N,), "int32"), B: T.Tensor((N,), "int32")):
        with T.Kernel(1, threads=128) as _:
            s = T.alloc_shared((N,), "int32")
            f = T.alloc_fragment((N,), "int32")
            T.copy(A, s)
            distance = T.alloc_var("int32", init=1)
            while distance < N:
                for i in T.Parallel(N):
                    f[i] = s[i] + T.if_then_else(i >= distance, s[T.max(i - distance, 0)], 0)
                T.copy(f, s)
                distance = distance * 2
            T.copy(s, B)

    return main


@pytest.mark.parametrize("N", [64, 100, 257])
def test_scan_in_shared_memory(N, device):
    a = random(N, "int32", device, -50, 50)
    assert_close(run(shared_scan(N), [a], ((N,), "int32"), device=device), a.cumsum(0))


def python_loops(N, factors):
    """Host values in the kernel: a loop over a tuple is traced once for each item, zip and enumerate included."""

    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((len(factors), N), "float32")):
        with T.Kernel(1, threads=32) as _:
            for row, factor in enumerate(factors):
                for i in T.Parallel(N):
                    B[row, i] = A[i] * factor

    return main


def test_loop_over_python_values(device):
    a = random(40, "float32", device)
    factors = (0.5, 2.0, -3.0)
    out = run(python_loops(40, factors), [a], ((3, 40), "float32"), device=device)
    assert_close(out, a.double() * torch.tensor(factors, device=device, dtype=torch.float64)[:, None])


@T.prim_func
def stepped(O: T.Tensor((64,), "int32"), start: T.int32, stop: T.int32, step: T.int32):
    with T.Kernel(1, threads=32):
        for k in range(start, stop, step):
            if T.get_thread_binding() == 0:
                O[k] = k


@pytest.mark.parametrize("bounds", [(0, 10, 3), (10, 0, -3), (5, 5, 1), (3, 60, 7), (60, 2, -1), (9, 3, 2)])
def test_a_step_known_at_run_time(bounds, device):
    """As Python's range counts, whichever way."""
    out = torch.full((64,), -1, dtype=torch.int32, device=device)
    tilelang.compile(stepped)(out, *bounds)
    expected = torch.full((64,), -1, dtype=torch.int32)
    for k in range(*bounds):
        expected[k] = k
    assert torch.equal(out.cpu(), expected)

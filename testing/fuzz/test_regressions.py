"""Programs that once went wrong: each is a few lines, checked exactly."""

from __future__ import annotations

import re

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import ArgumentError, SemanticError


def ragged_vector(N, dynamic):
    n = T.dynamic("n") if dynamic else N

    @T.prim_func
    def main(A: T.Tensor((n,), "float16"), B: T.Tensor((n,), "float32")):
        with T.Kernel(T.ceildiv(n, 512), threads=64) as bx:
            f = T.alloc_fragment((512,), "float32")
            T.copy(A[bx * 512 : bx * 512 + 512], f)
            for i in T.Parallel(512):
                if bx * 512 + i < n:
                    B[bx * 512 + i] = f[i] + A[bx * 512 + i]

    return main


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("N", [1, 509, 517, 1024])
def test_ragged_ends_move_wide(N, dynamic, device):
    """Full vectors are wide, the last one goes element by element, and nothing beyond the end is touched."""
    kernel = tilelang.compile(ragged_vector(N, dynamic))
    assert N == 1 or re.search(r"tl::load<(8|16)>", kernel.get_kernel_source())
    a = torch.randint(-9, 9, (N,), device=device).half()
    out = torch.full((N + 32,), 77.0, device=device)
    kernel(a, out[:N])
    assert torch.equal(out[:N], 2 * a.float()) and (out[N:] == 77).all()


def scaled(N):
    @T.prim_func
    def main(A: T.Tensor((N, 3), "float32"), B: T.Tensor((N, 3), "float32"), C: T.Tensor((N,), "float32")):
        with T.Kernel(1, threads=32):
            for i, j in T.Parallel(N, 3):
                B[i, j] = A[i, j] * 2
            for i in T.Parallel(N):
                C[i] = A[i, 0]

    return main


def test_alignment_is_what_the_accesses_need(device):
    """Rows of three floats are accessed one by one: any address will do; 16 bytes are asked for where 16 are moved."""
    kernel = tilelang.compile(scaled(64))
    data = torch.randn(64 * 3 + 1, device=device)
    a, b = data[1:].view(64, 3), torch.full((64 * 3 + 1,), 77.0, device=device)
    c = torch.zeros(64, device=device)
    kernel(a, b[1:].view(64, 3), c)
    assert torch.equal(b[1:].view(64, 3), a * 2) and torch.equal(c, a[:, 0])

    kernel = tilelang.compile(ragged_vector(512, False))
    with pytest.raises(ArgumentError, match="multiple of"):
        kernel(torch.zeros(513, device=device).half()[1:], torch.zeros(512, device=device))


def padded_pipeline(N, gap):
    """A loaded tile whose layout leaves no two elements side by side: its pipeline has nothing to copy asynchronously."""

    @T.prim_func
    def main(A: T.Tensor((4 * N, N), "float16"), B: T.Tensor((N, N), "float32")):
        with T.Kernel(1, threads=64):
            s = T.alloc_shared((N, N), "float16")
            f = T.alloc_fragment((N, N), "float32")
            T.annotate_layout({s: T.Layout((N, N), lambda i, j: i * (gap * N + 1) + j * gap)})
            T.clear(f)
            for k in T.Pipelined(4, num_stages=2):
                T.copy(A[k * N, 0], s)
                for i, j in T.Parallel(N, N):
                    f[i, j] += s[i, j]
            T.copy(f, B)

    return main


@pytest.mark.parametrize("gap", [1, 2])
def test_layouts_that_leave_no_room_for_vectors(gap, device):
    a = torch.randint(-9, 9, (64, 16), device=device).half()
    b = torch.full((16, 16), float("nan"), device=device)
    tilelang.compile(padded_pipeline(16, gap))(a, b)
    assert torch.equal(b, a.float().view(4, 16, 16).sum(0))


def unsigned(N):
    @T.prim_func
    def main(A: T.Tensor((N,), "uint8"), B: T.Tensor((N,), "uint8")):
        with T.Kernel(1, threads=32):
            for i in T.Parallel(N):
                limit = T.cast(0, "uint8") - T.cast(3, "uint8")
                B[i] = T.if_then_else(limit < A[i], A[i], T.cast(i, "uint8") - T.cast(3, "uint8"))

    return main


def test_unsigned_differences_wrap(device):
    """The simplifier of the IR refuses to fold an unsigned difference below zero."""
    a = torch.randint(240, 256, (64,), device=device).to(torch.uint8)
    b = torch.zeros(64, dtype=torch.uint8, device=device)
    tilelang.compile(unsigned(64))(a, b)
    at = torch.arange(64, device=device)
    assert torch.equal(b.long(), torch.where(a.long() > 253, a.long(), (at - 3) % 256))


def racing(case, scope):
    def tile():
        return T.alloc_shared((64,), "float32") if scope == "shared" else T.alloc_fragment((64,), "float32")

    @T.prim_func
    def main(A: T.Tensor((64,), "float32"), B: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=32):
            x = tile()
            T.copy(A, x)
            if case == "shift":
                for i in T.Parallel(63):
                    x[i] = x[i + 1]
            elif case == "guarded shift":
                for i in T.Parallel(64):
                    if i > 0:
                        x[i] = x[i - 1]
            elif case == "reversed":
                for i in T.Parallel(64):
                    x[i] = T.if_then_else(i < 32, x[63 - i], 0.0)
            elif case == "several":
                for i, j in T.Parallel(64, 4):
                    x[i] += A[j]
            elif case == "one for all":
                for i in T.Parallel(64):
                    x[i] = x[0] + 1
            elif case == "overlapping copy":
                T.copy(x[0:32], x[16:48])
            T.copy(x, B)

    return main


@pytest.mark.parametrize("scope", ["shared", "fragment"])
@pytest.mark.parametrize("case", ["shift", "guarded shift", "reversed", "several", "one for all", "overlapping copy"])
def test_iterations_that_depend_on_each_other(case, scope):
    with pytest.raises(SemanticError, match="order is not defined") as caught:
        tilelang.compile(racing(case, scope))
    assert "x[" in caught.value.message and caught.value.fix and "test_regressions" in caught.value.span.file


def independent(scope):
    @T.prim_func
    def main(A: T.Tensor((64,), "float32"), B: T.Tensor((64,), "float32"), C: T.Tensor((2, 64), "float32")):
        with T.Kernel(1, threads=32):
            x = T.alloc_shared((64,), "float32") if scope == "shared" else T.alloc_fragment((64,), "float32")
            y = T.alloc_shared((2, 64), "float32") if scope == "shared" else T.alloc_fragment((2, 64), "float32")
            T.copy(A, x)
            for i in T.Parallel(64):  # the upper half reads the lower one, which nobody writes
                if i >= 32:
                    x[i] = x[i - 32] + 1
            for i in T.Parallel(32):  # even elements read odd ones
                x[2 * i] = x[2 * i + 1] + x[2 * i]
            for i in T.Parallel(64):
                y[0, i] = x[i]
            for i in T.Parallel(64):  # another row
                y[1, i] = y[0, 63 - i]
            for i in T.Parallel(2):  # an iteration's own row, in order
                for q in T.serial(1, 64):
                    y[i, q] = y[i, q - 1] + y[i, q]
            T.copy(x[0:16], x[16:32])
            T.copy(x, B)
            T.copy(y, C)

    return main


@pytest.mark.parametrize("scope", ["shared", "fragment"])
def test_iterations_that_only_look_alike(scope, device):
    a = torch.randint(-9, 9, (64,), device=device).float()
    b, c = torch.full((64,), 77.0, device=device), torch.full((2, 64), 77.0, device=device)
    tilelang.compile(independent(scope))(a, b, c)
    x = a.clone()
    x[32:] = x[:32] + 1
    x[0::2] = x[1::2] + x[0::2]
    y = torch.stack([x, x.flip(0)]).cumsum(1)
    x[16:32] = x[0:16].clone()
    assert torch.equal(b, x) and torch.equal(c, y)


def squared(scope):
    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), B: T.Tensor((32, 32), "float32")):
        with T.Kernel(1, threads=32):
            x = T.alloc_shared((32, 32), "float32") if scope == "shared" else T.alloc_fragment((32, 32), "float32")
            y = T.alloc_shared((32, 32), "float32")
            T.copy(A, x)
            T.copy(A, y)
            T.gemm(x, y, x)
            T.copy(x, B)

    return main


@pytest.mark.parametrize("scope", ["shared", "fragment"])
def test_a_gemm_does_not_read_what_it_writes(scope):
    with pytest.raises(SemanticError, match="accumulates in x while it reads it as operand A"):
        tilelang.compile(squared(scope))


def threads_read_fragments(N):
    @T.prim_func
    def main(A: T.Tensor((2, N), "float32"), B: T.Tensor((4, N), "float32")):
        with T.Kernel(1, threads=64):
            tx = T.get_thread_binding()
            f = T.alloc_fragment((2, N), "float32")
            own = T.alloc_local((4,), "float32")
            T.copy(A, f)
            if tx < N:
                for q in T.vectorized(4):
                    own[q] = f[1, N - 1 - tx] + q
                for q in T.serial(4):
                    B[q, tx] = own[q] + f[q % 2, 0]
            while f[0, 5] > 0:
                for i, j in T.Parallel(2, N):
                    f[i, j] = f[i, j] - 1
            for j in T.vectorized(4):
                f[0, j] = 9.0
            T.copy(f[0, :], B[3, :])

    return main


def test_scalar_code_around_fragments(device):
    """Fragments that threads read for themselves are staged by all threads together, before a branch or a vector loop."""
    a = torch.randint(-9, 9, (2, 48), device=device).float()
    a[0, 5] = 3
    b = torch.full((4, 48), 77.0, device=device)
    tilelang.compile(threads_read_fragments(48))(a, b)
    expected = torch.stack([a[1].flip(0) + q + a[q % 2, 0] for q in range(4)])
    expected[3] = a[0] - 3
    expected[3, :4] = 9
    assert torch.equal(b, expected)


def private_arrays(N):
    @T.prim_func
    def main(A: T.Tensor((N, 8), "float16"), B: T.Tensor((64, 8), "float32"), C: T.Tensor((64, 2, 8), "float32")):
        with T.Kernel(1, threads=64):
            tx = T.get_thread_binding()
            s = T.alloc_shared((64, 8), "float16")
            x = T.alloc_local((8,), "float16")
            y = T.alloc_local((2, 8), "float32")
            T.copy(A[0:64, :], s)
            T.copy(A[tx, 0:8], x)
            T.fill(y, 1)
            for q in T.vectorized(8):
                y[0, q] += x[q]
            T.copy(y[0, :], B[tx, 0:8])
            if tx % 2 == 0:
                T.copy(s[63 - tx, 0:8], y[1, :])
            T.copy(y, C[tx, :, :])

    return main


def test_private_arrays_are_copied_by_their_thread(device):
    """Copies and fills of T.alloc_local arrays are each thread's own work, also in branches."""
    a = torch.randint(-9, 9, (50, 8), device=device).half()
    b, c = torch.full((64, 8), 77.0, device=device), torch.full((64, 2, 8), 77.0, device=device)
    tilelang.compile(private_arrays(50))(a, b, c)
    padded = torch.cat([a.float(), torch.zeros(14, 8, device=device)])
    even = (torch.arange(64, device=device) % 2 == 0)[:, None]
    assert torch.equal(b, padded + 1) and torch.equal(c[:, 0], b)
    assert torch.equal(c[:, 1], torch.where(even, padded.flip(0), 1.0))


def test_a_fragment_takes_nothing_from_private_arrays():
    @T.prim_func
    def main(B: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=32):
            x = T.alloc_local((8,), "float32")
            f = T.alloc_fragment((8,), "float32")
            T.fill(x, 1)
            T.copy(x, f)
            T.copy(f, B)

    with pytest.raises(SemanticError, match="every thread has its own"):
        tilelang.compile(main)


def test_private_arrays_are_not_spread_over_threads(device):
    @T.prim_func
    def main(A: T.Tensor((8,), "float32"), B: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=32):
            x = T.alloc_local((8,), "float32")
            for i in T.Parallel(8):
                x[i] = A[i]
            for q in T.serial(8):
                B[q] = x[q]

    a, b = torch.randn(8, device=device), torch.full((8,), torch.nan, device=device)
    tilelang.compile(main)(a, b)
    assert torch.equal(a, b)

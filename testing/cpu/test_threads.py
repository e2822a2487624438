"""Code that speaks of single threads, on a CPU: loops over the threads between barriers, or a refusal."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import UnsupportedError
from tilelang.runtime.errors import ExecutionError


def compiled(program, **options):
    return tilelang.compile(program, target="c", **options)


def test_threads_exchange_through_shared_memory():
    @T.prim_func
    def main(A: T.Tensor((300,), "float32"), B: T.Tensor((300,), "float32")):
        with T.Kernel(T.ceildiv(300, 128), threads=128) as bx:
            s = T.alloc_shared((128,), "float32")
            tx = T.get_thread_binding()
            s[tx] = A[bx * 128 + tx]
            T.sync_threads()
            B[bx * 128 + tx] = s[127 - tx] * 2.0

    a = torch.randn(300)
    padded = torch.nn.functional.pad(a, (0, 84)).view(3, 128)
    assert torch.equal(compiled(main, out_idx=[1])(a), (padded.flip(1) * 2).flatten()[:300])


def test_a_tree_reduction_in_shared_memory():
    @T.prim_func
    def main(A: T.Tensor((4, 128), "int32"), B: T.Tensor((4,), "int32")):
        with T.Kernel(4, threads=128) as bx:
            s = T.alloc_shared((128,), "int32")
            tx = T.get_thread_binding()
            s[tx] = A[bx, tx]
            T.sync_threads()
            for k in T.serial(7):
                if tx < (64 >> k):
                    s[tx] = s[tx] + s[tx + (64 >> k)]
                T.sync_threads()
            if tx == 0:
                B[bx] = s[0]

    # A barrier inside a loop, and a condition of single threads beside it.
    a = torch.randint(-100, 100, (4, 128), dtype=torch.int32)
    assert torch.equal(compiled(main, out_idx=[1])(a), a.sum(1).int())


def test_a_threads_variable_lives_across_barriers():
    @T.prim_func
    def main(A: T.Tensor((5, 64), "float32"), B: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=64):
            s = T.alloc_shared((64,), "float32")
            own = T.alloc_local((2,), "float32")
            total = T.alloc_var("float32")
            tx = T.get_thread_binding()
            total = 0.0
            own[0] = 0.0
            own[1] = 1.0
            for k in T.serial(5):
                s[tx] = A[k, tx]
                T.sync_threads()
                total += s[63 - tx]
                own[0] += s[tx] * own[1]
                own[1] = own[1] + 1.0
                T.sync_threads()
            B[tx] = total + own[0]

    a = torch.randn(5, 64)
    wanted = a.flip(1).sum(0) + (a * torch.arange(1, 6).unsqueeze(1)).sum(0)
    torch.testing.assert_close(compiled(main, out_idx=[1])(a), wanted)


def test_tiles_and_threads_in_one_kernel():
    @T.prim_func
    def main(A: T.Tensor((32, 32), "float32"), B: T.Tensor((32,), "float32")):
        with T.Kernel(1, threads=32):
            s = T.alloc_shared((32, 32), "float32")
            tx = T.get_thread_binding()
            T.copy(A, s)
            for _k in T.serial(3):
                for i, j in T.Parallel(32, 32):
                    s[i, j] = s[i, j] * 2.0
                s[tx, tx] = s[tx, tx] + 1.0
            B[tx] = s[tx, tx]

    a = torch.randn(32, 32)
    torch.testing.assert_close(compiled(main, out_idx=[1])(a), a.diagonal() * 8 + 7)


def test_scalar_atomics_happen_once_for_each_thread():
    @T.prim_func
    def main(count: T.Tensor((1,), "int32")):
        with T.Kernel(10, threads=(8, 4)):
            T.atomic_add(count[0], 1)

    count = torch.zeros(1, dtype=torch.int32)
    compiled(main)(count)
    assert count.item() == 320


def test_blocks_of_two_dimensions():
    @T.prim_func
    def main(A: T.Tensor((8, 16), "int32")):
        with T.Kernel(1, threads=(16, 8)):
            tx = T.get_thread_binding(0)
            ty = T.get_thread_binding(1)
            A[ty, tx] = ty * 100 + tx

    a = torch.zeros(8, 16, dtype=torch.int32)
    compiled(main)(a)
    assert torch.equal(a, (torch.arange(8).unsqueeze(1) * 100 + torch.arange(16)).int())


def test_shuffles_are_refused_with_the_users_line():
    @T.prim_func
    def main(A: T.Tensor((32,), "float32")):
        with T.Kernel(1, threads=32):
            tx = T.get_thread_binding()
            A[tx] = T.shfl_xor(A[tx], 1)

    with pytest.raises(UnsupportedError, match=r"a CPU target has no shuffle instructions[\s\S]*T\.shfl_xor"):
        compiled(main)


def test_tiles_under_a_condition_of_single_threads_are_refused():
    @T.prim_func
    def main(A: T.Tensor((32,), "float32")):
        with T.Kernel(1, threads=64):
            s = T.alloc_shared((32,), "float32")
            if T.get_thread_binding() < 32:
                T.copy(A, s)

    with pytest.raises(UnsupportedError, match="a condition differs between the threads"):
        compiled(main)


def test_a_failing_assertion_ends_the_launch():
    @T.prim_func
    def main(A: T.Tensor((100,), "int32")):
        with T.Kernel(100, threads=32) as bx:
            T.device_assert(A[bx] != 42, "no answers here")

    kernel = compiled(main)
    a = torch.arange(100, dtype=torch.int32)
    with pytest.raises(ExecutionError, match=r"block \(42, 0, 0\): no answers here"):
        kernel(a)
    kernel(torch.zeros(100, dtype=torch.int32))


def test_tiles_and_scalars_print_once(capfd):
    @T.prim_func
    def main(A: T.Tensor((3,), "float32")):
        with T.Kernel(1, threads=32):
            s = T.alloc_fragment((3,), "float32")
            T.copy(A, s)
            T.print(s, msg="tile")
            T.print(A[1], msg="one")

    compiled(main)(torch.tensor([1.0, 2.5, 4.0]))
    import ctypes

    ctypes.CDLL(None).fflush(None)
    out = capfd.readouterr().out
    assert out.count("tile") == 3 and "[1] = 2.5" in out
    assert out.count("one") == 1

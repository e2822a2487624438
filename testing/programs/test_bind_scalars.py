"""Scalars in memory: those stored once become values, all others stay what they are."""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random

SM90 = {"kind": "cuda", "arch": "sm_90a"}


@T.prim_func
def experts(
    X: T.Tensor((128, 96), "float16"), W: T.Tensor((3, 64, 96), "float16"), expert: T.Tensor((2,), "int32"),
    Y: T.Tensor((128, 64), "float32"),
):  # fmt: skip
    with T.Kernel(2, threads=128) as bx:
        X_s = T.alloc_shared((64, 32), "float16")
        W_s = T.alloc_shared((64, 32), "float16")
        acc = T.alloc_fragment((64, 64), "float32")
        chosen = T.alloc_local([1], "int32")
        first = T.alloc_var("int32")
        chosen[0] = expert[bx]
        first = bx * 64
        T.clear(acc)
        for k in T.Pipelined(3, num_stages=2):
            T.copy(X[first, k * 32], X_s)
            T.copy(W[chosen[0], 0, k * 32], W_s)
            T.gemm(X_s, W_s, acc, transpose_B=True)
        T.copy(acc, Y[first, 0])


def test_a_producer_knows_what_is_stored_once(device):
    kernel = tilelang.compile(experts, target=SM90)
    assert "copies W_s by tma load" in str(kernel.remarks) and "int chosen[1]" not in kernel.get_kernel_source()
    x, w = random((128, 96), "float16", device), random((3, 64, 96), "float16", device)
    which = torch.tensor([2, 0], dtype=torch.int32, device=device)
    out = run(kernel, [x, w, which], ((128, 64), "float32"), device=device)
    expected = torch.cat([x[:64].double() @ w[2].double().T, x[64:].double() @ w[0].double().T])
    torch.testing.assert_close(out.double(), expected, rtol=1e-3, atol=1e-2)


def test_what_a_function_may_change_stays(device):
    source = "template <class V> __device__ inline void touch(V* x) { *x += 5; }"

    @T.prim_func
    def main(A: T.Tensor((64,), "int32"), O: T.Tensor((64,), "int32")):
        with T.Kernel(1, threads=64):
            T.import_source(source)
            tx = T.get_thread_binding()
            address = T.alloc_local((1,), "int32")
            address[0] = A[tx]
            T.call_extern("void", "touch", T.address_of(address[0]))
            O[tx] = address[0]

    a = torch.randint(-9, 9, (64,), dtype=torch.int32, device=device)
    assert torch.equal(run(main, [a], ((64,), "int32"), device=device), a + 5)


@T.prim_func
def rest(A: T.Tensor((64,), "int32"), O: T.Tensor((5, 64), "int32")):
    with T.Kernel(1, threads=64):
        tx = T.get_thread_binding()
        twice, carried = T.alloc_local((1,), "int32"), T.alloc_local((1,), "int32")
        branch, own, late = T.alloc_local((1,), "int32"), T.alloc_local((1,), "int32"), T.alloc_local((1,), "int32")
        twice[0] = A[tx]
        O[0, tx] = twice[0]
        twice[0] = twice[0] + 1
        O[0, tx] += twice[0]
        O[1, tx] = 0
        for k in T.serial(3):
            if k > 0:
                O[1, tx] += carried[0]
            carried[0] = A[tx] * (k + 1)
        if A[tx] > 0:
            branch[0] = A[tx] * 2
            O[2, tx] = branch[0]
        else:
            O[2, tx] = 7
        for k in T.serial(4):
            own[0] = A[(tx + k) % 64]
            O[3, tx] = own[0] * own[0]
        late[0] = A[63 - tx]
        O[4, tx] = late[0]


def test_where_it_is_stored_and_read(device):
    a = torch.randint(-9, 9, (64,), dtype=torch.int32, device=device)
    out = run(rest, [a], ((5, 64), "int32"), device=device)
    expected = [2 * a + 1, 3 * a, torch.where(a > 0, 2 * a, 7), a.roll(-3) ** 2, a.flip(0)]
    assert torch.equal(out, torch.stack(expected).int())

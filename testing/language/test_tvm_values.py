"""TVM's names for values: let, bind, halves of vectors, questions about dtypes, threads that end early."""

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang.errors import DTypeError, FrontendError, SemanticError, SimulationError, UnsupportedError


@T.prim_func
def names(A: T.Tensor((64,), "float32"), B: T.Tensor((5, 64), "float32")):
    T.func_attr({"target": T.target("cuda"), "global_symbol": "names"})
    rows = T.meta_var(64)
    with T.Kernel(1, threads=rows):
        t = T.get_thread_binding()
        before = T.let(A[t])
        B[0, t] = before * 2
        v = T.var("v", "float32")
        T.let(v, before + 1)
        w = T.bind(before, "int32")
        B[1, t] = v
        B[2, t] = T.cast(w, "float32") + T.KernelLaunchFrame.Current().num_threads
        four = T.vectorcombine("float32x4", T.Broadcast(A[t], 2), T.Broadcast(v, 2))
        B[3, t] = T.extract_lane(T.vectorlow("float32x2", four), 1)
        u = T.var("u", "float32")
        B[4, t] = T.extract_lane(T.vectorhigh("float32x2", four), 0) + T.Let(u, A[t], u * u)


def test_values(device):
    a = random(64, "float32", device, -9, 9)
    out = run(names, [a], ((5, 64), "float32"), device=device)
    torch.testing.assert_close(out, torch.stack([a * 2, a + 1, a.trunc() + 64, a, a + 1 + a * a]))


def early(n):
    @T.prim_func
    def main(A: T.Tensor((n,), "float32"), B: T.Tensor((n,), "float32")):
        with T.Kernel(T.ceildiv(n, 64), threads=64) as bx:
            i = bx * 64 + T.get_thread_binding()
            if i >= n:
                T.thread_return()
            for k in T.serial(3):
                if A[i] < k:
                    B[i] = -k
                    T.thread_return()
            B[i] = A[i]

    return main


@pytest.mark.parametrize("n", [64, 101])
def test_threads_that_end_early(n, device):
    a = random(n, "float32", device, -1, 4)
    out = run(early(n), [a], ((n,), "float32"), device=device)
    expected = torch.where(a < 0, 0.0, torch.where(a < 1, -1.0, torch.where(a < 2, -2.0, a)))
    assert torch.equal(out, expected)


@pytest.mark.parametrize("later", ["copy", "barrier", "hazard"])
def test_nothing_together_after_some_have_ended(later):
    @T.prim_func
    def main(A: T.Tensor((64,), "float32"), B: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=64):
            t = T.get_thread_binding()
            s = T.alloc_shared((64,), "float32")
            s[t] = A[t]
            if t > 5:
                T.thread_return()
            if later == "copy":
                T.copy(A, B)
            elif later == "barrier":
                T.sync_threads()
            else:
                B[t] = s[63 - t]

    with pytest.raises(SemanticError, match="some have ended"):
        tilelang.compile(main)


def test_dtypes():
    assert T.is_float4("float4_e2m1fn") and T.is_float4_e2m1fn(T.float4_e2m1fn) and not T.is_float4(T.float16)
    assert T.is_f8f6f4_family("float8_e5m2") and not T.is_f8f6f4_family("float8_e8m0fnu")
    assert T.get_tvm_dtype(torch.float16) == "float16" and isinstance(T.get_tvm_dtype(int), T.AnyDType)
    assert isinstance(names, T.PrimFunc) and T.void == "void" and T.KernelLaunchFrame.Current() is None


@pytest.mark.parametrize(
    "statement, error, words",
    [
        (lambda A: T.let(1, 2, 3), FrontendError, "T.let"),
        (lambda A: T.bind(A[0], var=3), DTypeError, "T.var"),
        (lambda A: T.vectorlow("float32x2", A[0]), DTypeError, "half the lanes"),
        (lambda A: T.vectorcombine("float32x3", A[0], A[1]), DTypeError, "twice the lanes"),
        (lambda A: T.warpgroup_fence_operand(3), SemanticError, "accumulator"),
        (lambda A: T.CallEffectKind.Pure, UnsupportedError, "node of TVM"),
        (lambda A: T.call_packed("f", A[0]), UnsupportedError, "a device cannot call functions of the host"),
    ],
)
def test_misuse(statement, error, words):
    @T.prim_func
    def main(A: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=32):
            statement(A)

    with pytest.raises(error, match=words):
        main.get()


@T.prim_func
def reinitialised(A: T.Tensor((64,), "float32"), B: T.Tensor((64,), "float32")):
    with T.Kernel(1, threads=64):
        t = T.get_thread_binding()
        s = T.alloc_shared((64,), "float32")
        done = T.alloc_barrier(1)
        if t == 0:
            T.ptx_init_barrier_thread_count(done, 64)
            T.ptx_fence_barrier_init()
        T.sync_threads()
        T.ptx_cp_async(T.access_ptr(s[t], "w"), T.access_ptr(A[t], "r"), 1)
        T.ptx_cp_async_barrier(done)
        T.ptx_arrive_barrier(done)
        T.mbarrier_wait_parity(done, 0)
        B[t] = s[63 - t]


def test_barriers_made_by_hand(device):
    target = {"kind": "cuda", "arch": "sm_90a"}
    a = random(64, "float32", device)
    out = run(reinitialised, [a], ((64,), "float32"), device=device, target=target)
    assert torch.equal(out, a.flip(0))


@T.prim_func
def questions(A: T.buffer_var("float32"), O: T.Tensor((4,), "float32")):
    X = T.make_tensor(A, (4,), "float32")
    with T.Kernel(1, threads=32):
        v = T.bind(X[0] + 1)
        free = T.var("free", "int32")
        i = T.get_thread_binding()
        with T.Assert(T.has_let_value(v) and not T.has_let_value(free), "T.has_let_value"):
            if T.tvm_thread_invariant(X[1] > 0):
                O[0] = T.get_let_value(v) * 2
        if T.ignore_loop_partition(i < 4):
            if i > 0:
                O[i] = i


def test_questions_about_values(device):
    a = torch.tensor([3.0, 1.0, 0.0, 0.0], device=device)
    out = run(questions, [a], ((4,), "float32"), device=device)
    assert out.tolist() == [8, 1, 2, 3]


@pytest.mark.parametrize("question", [T.has_let_value, T.get_let_value])
def test_questions_about_what_is_no_variable(question):
    @T.prim_func
    def main(A: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=32):
            question(A[0] + 1)

    with pytest.raises(DTypeError, match="T.bind"):
        tilelang.compile(main)


def test_an_assertion_that_fails(device):
    if device == "cuda":
        pytest.skip("a failed assertion ends the context")

    @T.prim_func
    def main(A: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=32):
            with T.Assert(A[0] > 0, "A[0] is not positive"):
                A[1] = 1

    with pytest.raises(SimulationError, match="A.0. is not positive"):
        tilelang.compile(main)(torch.zeros(8))

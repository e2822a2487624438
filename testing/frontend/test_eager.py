# ruff: noqa: F841  (in a kernel an annotation declares)
"""Eager functions: what a call means, and what it is traced to."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import tilelang
import tilelang.language as T
from testing.frontend.interpreter import evaluate
from tilelang import ir
from tilelang.errors import FrontendError
from tilelang.frontend import EagerFunction, detect_mode


@EagerFunction
def scale(A, factor=2, dtype="int32"):
    M, N = T.const("M, N")
    A: T.Tensor((M, N), dtype)
    B = T.empty((M, N), dtype)
    with T.Kernel(M, threads=1) as b:
        for j in range(N):
            B[b, j] = A[b, j] * factor
    return B


def test_constants_come_from_the_tensors():
    a = np.arange(6, dtype="int32").reshape(2, 3)
    call = scale.bind((a,), {"factor": 5})
    assert call.constants == {"M": 2, "N": 3} and call.arguments[0] is a and call.values == {"factor": 5, "dtype": "int32"}
    func = scale.trace(call)
    assert func.attrs["global_symbol"] == "scale" and [int(i) for i in func.attrs["tl.out_idx"]] == [1]
    out = np.full((2, 3), 77, "int32")
    evaluate(func, a, out)
    assert (out == a * 5).all()


def test_keys():
    a, b = np.zeros((2, 3), "int32"), np.zeros((2, 4), "int32")
    assert scale.bind((a,), {}).key == scale.bind((a,), {"factor": 2}).key
    keys = {scale.bind((a,), {"factor": f}).key for f in (1, 1.0, True)} | {scale.bind((b,), {"factor": 1}).key}
    assert len(keys) == 4
    assert scale.bind((), {"M": 2, "N": 3}, partial=True).key == scale.bind((a,), {}).key


def test_binding_errors():
    a = np.zeros((2, 3), "int32")
    with pytest.raises(TypeError, match="too many positional arguments"):
        scale.bind((a, 1, "int32", 4), {})
    with pytest.raises(TypeError, match="multiple values"):
        scale.bind((a,), {"A": a})
    with pytest.raises(TypeError, match="missing a required argument"):
        scale.bind((), {})
    with pytest.raises(TypeError, match="unexpected keyword argument 'K'"):
        scale.bind((a,), {"K": 1})
    with pytest.raises(ValueError, match="2 expected"):
        scale.bind((np.zeros(3, "int32"),), {})
    with pytest.raises(ValueError, match="Cannot find value for constexpr variable"):
        scale.bind((), {"M": 2}, partial=True)
    with pytest.raises(TypeError, match="compile-time parameter"):
        scale.bind((a, a), {})
    with pytest.raises(TypeError, match="unhashable"):
        scale.bind((a, bytearray(b"x")), {})


def test_contradicting_shapes():
    @EagerFunction
    def add(A, B):
        N = T.const("N")
        A: T.Tensor((N,), "int32")
        B: T.Tensor((N,), "int32")
        with T.Kernel(1):
            pass

    with pytest.raises(ValueError, match=r"N is 3 by A.shape\[0\] but 4 by B.shape\[0\]"):
        add.bind((np.zeros(3, "int32"), np.zeros(4, "int32")), {})


def test_strides_python_on_constants_and_dynamic_dimensions():
    m = T.dynamic("m")

    @EagerFunction
    def f(A, block=4):
        N, S = T.const("N, S")
        A: T.StridedTensor((m, N), (S, 1), "float32")
        width = 1 << int(N).bit_length()  # Python on a constant: only possible once N is known
        with T.Kernel(T.ceildiv(m, block), threads=1) as b:
            A[b * block, 0] = width if N > 2 else 0

    a = np.zeros((5, 8), "float32")[:, :3]
    call = f.bind((a,), {})
    assert call.constants == {"N": 3, "S": 8}
    func = f.trace(call)
    assert str(func.params[0].ty.shape[0]) == "m" and int(func.params[0].ty.strides[0]) == 8
    assert f.bind((np.zeros((9, 8), "float32")[:, :3],), {}).key == call.key


def test_annotated_signature_and_order_of_outputs():
    @EagerFunction
    def f(A: T.Tensor((4,), "int32"), n: int, B: T.Tensor((4,), "int32")):
        x = T.empty(4, dtype="int32")
        y = T.empty((2, 2), "float16")
        with T.Kernel(1, threads=1):
            x[0] = A[0] + B[0] + n
        return y, x

    a = np.zeros(4, "int32")
    func = f.trace(f.bind((a, 3, a), {}))
    assert [p.name for p in func.params] == ["A", "B", "x", "y"] and [int(i) for i in func.attrs["tl.out_idx"]] == [3, 2]
    assert ir.buffer_dtype(func.params[3]) == "float16"


def test_output_errors():
    def make(body):
        return EagerFunction(body)

    def forgets(A: T.Tensor((4,), "int32")):
        x = T.empty(4, dtype="int32")
        y = T.empty(4, dtype="int32")
        return x

    def returns_input(A: T.Tensor((4,), "int32")):
        return A

    def unused(A):
        M, N = T.const("M, N")
        A: T.Tensor((M, M * N), "int32")

    def late(A):
        with T.Kernel(1):
            pass
        A: T.Tensor((4,), "int32")

    a = np.zeros(4, "int32")
    for func, kind, text in (
        (forgets, RuntimeError, "Not all tensor allocated from `T.empty` are returned: y"),
        (returns_input, RuntimeError, "T.empty did not make"),
        (unused, RuntimeError, "not directly a dimension"),
        (late, FrontendError, "before the first T.Kernel"),
    ):
        eager = make(func)
        with pytest.raises(kind, match=text):
            eager.trace(eager.bind((a if func is not unused else np.zeros((2, 2), "int32"),), {}))


def test_modes():
    def lazy(n):
        @T.prim_func
        def main(A: T.Tensor((n,), "int32")):
            with T.Kernel(1):
                pass

        return main

    def eager(A):
        with T.Kernel(1):
            pass

    calls = []

    def indirect(n):
        calls.append(n)
        return lazy(n)

    assert detect_mode(lazy).kind == "lazy" and detect_mode(eager).kind == "eager"

    def uses_numpy(n):
        np.empty(3)
        return indirect(n)

    assert detect_mode(uses_numpy, (2,)).kind == "lazy" and calls.pop() == 2
    mode = detect_mode(indirect, (3,))
    assert mode.kind == "lazy" and mode.result.prim_func.attrs["global_symbol"] == "main" and calls == [3]


def test_binding_needs_no_tvm():
    program = (
        "import sys; import testing.frontend.light as light\n"
        "light.check(); assert 'tvm' not in sys.modules and 'torch' not in sys.modules, 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_tensors_that_may_be_left_out(device):
    @tilelang.jit
    def affine(A, scale, bias=None, act: str = "none"):
        N = T.const("N")
        A: T.Tensor((N,), "float32")
        if scale is not None:
            scale: T.Tensor((N,), "float32")
        if bias is not None:
            bias: T.Tensor((N,), "float32")
        O = T.empty((N,), "float32")
        with T.Kernel(T.ceildiv(N, 64), threads=64) as b:
            for i in T.Parallel(64):
                x = A[b * 64 + i] * (scale[b * 64 + i] if scale is not None else 1.0)
                y = x + (bias[b * 64 + i] if bias is not None else 0.0)
                O[b * 64 + i] = T.max(y, 0.0) if act == "relu" else y
        return O

    a, s, b = (torch.randn(100, device=device) for _ in range(3))
    for _ in range(2):  # the second time by the shortest way
        assert torch.equal(affine(a, None), a)
        assert torch.equal(affine(a, s), a * s)
        assert torch.equal(affine(a, None, b), a + b)
        torch.testing.assert_close(affine(a, s, b, act="relu"), torch.relu(a * s + b))


def test_a_tensor_that_is_not_declared_yet():
    @tilelang.jit
    def early(A):
        n = A.shape[0]
        A: T.Tensor((n,), "float32")

    with pytest.raises(FrontendError, match=r"A is used before it is declared[\s\S]*A: T.Tensor"):
        early(torch.randn(4))

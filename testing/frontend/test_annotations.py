# ruff: noqa: UP037, F821, F841  (quoted annotations are what is tested)
"""Parameter annotations, as objects and as strings, wherever their names live."""

from __future__ import annotations

import numpy as np
import pytest

import tilelang.language as T
from testing.frontend.interpreter import evaluate
from tilelang import ir
from tilelang.errors import FrontendError

SIZE = 4


def shapes(func):
    return [tuple(ir.shape_of(p)) if ir.is_buffer_var(p) else ir.dtype_of(p) for p in func.prim_func.params]


def make(n, kind="float16"):
    width = n * 2

    @T.prim_func
    def main(A: T.Tensor((n, width), kind), B: "T.Tensor((SIZE,), kind)", s: T.float32, k: int, j: "int32"):
        with T.Kernel(1):
            pass

    return main


def test_names_of_an_enclosing_function():
    assert shapes(make(3)) == [(3, 6), (SIZE,), "float32", "int32", "int32"]


def test_names_of_two_enclosing_functions():
    def outer(m):
        def inner(n):
            @T.prim_func
            def main(A: T.Tensor((m, n), "int8"), B: T.Tensor[(n, m), "int8"]):
                with T.Kernel(1):
                    pass

            return main

        return inner(5)

    assert shapes(outer(2)) == [(2, 5), (5, 2)]


def test_defaults_are_constants_that_annotations_may_name():
    @T.prim_func
    def main(A: T.Tensor((block, 2), "int32"), block=8):  # noqa: F821
        with T.Kernel(1, threads=1):
            A[0, 0] = block

    a = np.zeros((8, 2), "int32")
    evaluate(main, a)
    assert a[0, 0] == 8 and shapes(main) == [(8, 2)]


def test_torch_and_numpy_dtypes():
    torch = pytest.importorskip("torch")

    @T.prim_func
    def main(A: T.Tensor((2,), torch.bfloat16), B: T.Tensor((2,), np.uint8), C: T.Tensor((2,), float)):
        with T.Kernel(1):
            pass

    assert [ir.buffer_dtype(p) for p in main.prim_func.params] == ["bfloat16", "uint8", "float32"]
    assert T.float16 == torch.float16 and T.dtype(torch.float8_e4m3fn).as_torch() == torch.float8_e4m3fn


def test_strides_and_symbols():
    m, s = T.dynamic("m, s")

    @T.prim_func
    def main(A: T.StridedTensor((m, 4), (s, 1), "float32"), B: T.Tensor((m * 2,), "float32"), m: T.int32):  # noqa: F841
        with T.Kernel(1):
            pass

    a, b, scalar = main.prim_func.params
    assert a.ty.shape[0].same_as(scalar), "a scalar parameter is the symbol of its name"
    assert str(b.ty.shape[0]) == "m * 2" and str(a.ty.strides[0]) == "s"


def test_missing_name():
    @T.prim_func
    def main(A: T.Tensor((nowhere,), "float32")):  # noqa: F821
        pass

    with pytest.raises(FrontendError, match="nowhere"):
        main.get()


def test_parameter_without_type():
    @T.prim_func
    def main(A):
        pass

    with pytest.raises(FrontendError, match="parameter A of main has no type"):
        main.get()


def test_macro_reference_as_a_string():
    @T.macro
    def put(x: T.Ref, v):
        x = v  # noqa: F841

    @T.prim_func
    def main(A: T.Tensor((2,), "int32")):
        with T.Kernel(1, threads=1):
            put(A[1], 5)

    a = np.zeros(2, "int32")
    evaluate(main, a)
    assert a.tolist() == [0, 5]


def test_body_annotation_names_an_enclosing_function():
    """Under the future import `kind` and `width` are in no closure of f."""
    from tilelang.frontend import EagerFunction

    def factory(kind, width):
        @EagerFunction
        def f(A, B):
            M = T.const("M")
            A: T.Tensor((M, width), kind)
            B: "T.Tensor((width,), kind)"
            with T.Kernel(1):
                x: kind = A[0, 0]

        return f

    eager = factory("int8", 3)
    func = eager.trace(eager.bind((np.zeros((2, 3), "int8"), np.zeros(3, "int8")), {}))
    assert [tuple(ir.shape_of(p)) for p in func.params] == [(2, 3), (3,)]

"""CPU kernels as extension modules that a user's builder writes."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import ArgumentError
from tilelang.jit import CpuJit, ExtensionModuleBuilderBase, LauncherModuleBuilder
from tilelang.jit.execution_backend import ExecutionBackendError


@T.prim_func
def add(A: T.Tensor((100,), "float32"), B: T.Tensor((100,), "float32"), C: T.Tensor((100,), "float32")):
    with T.Kernel(T.ceildiv(100, 32), threads=32) as bx:
        for i in T.Parallel(32):
            if bx * 32 + i < 100:
                C[bx * 32 + i] = A[bx * 32 + i] + B[bx * 32 + i]


class Counting(LauncherModuleBuilder):
    def __init__(self):
        self.answer = 42

    def render_module(self, kernel, module_name):
        return f"""#include <Python.h>
{kernel.source}
static PyObject* answer(PyObject*, PyObject*) {{ return PyLong_FromLong({self.answer}); }}
static PyMethodDef methods[] = {{{{"answer", answer, METH_NOARGS, nullptr}}, {{nullptr, nullptr, 0, nullptr}}}};
static PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{module_name}", nullptr, 0, methods}};
PyMODINIT_FUNC PyInit_{module_name}() {{ return PyModuleDef_Init(&module); }}
"""

    def get_wrapper(self, kernel, module):
        run = super().get_wrapper(kernel, module)

        def call(*args):
            call.count += 1
            return run(*args)

        call.count, self.call, self.module = 0, call, module
        return call

    def cache_identity(self):
        return {"counting": self.answer}


def test_a_builder_writes_the_module_and_wraps_its_calls():
    builder = Counting()
    kernel = tilelang.compile(add, out_idx=-1, target="c", jit=CpuJit(module_builder=builder))
    a, b = torch.randn(100), torch.randn(100)
    for _ in range(3):
        assert torch.equal(kernel(a, b), a + b)
    assert torch.equal(kernel(B=b, A=a), a + b)
    assert builder.call.count == 4 and builder.module.answer() == 42 and builder.module.__name__ == "tilelang_add"
    with pytest.raises(ArgumentError, match="2 inputs, but 1"):
        kernel(a)


def test_the_plain_builder_is_the_launcher():
    kernel = tilelang.compile(add, out_idx=-1, target="c", jit=CpuJit.create(module_builder=LauncherModuleBuilder()))
    a, b = torch.randn(100), torch.randn(100)
    assert torch.equal(kernel(a, b), a + b) and kernel.adapter.module.__doc__ == "The kernel add."


def test_modules_of_other_builders_have_other_keys():
    keys = [CpuJit().cache_identity(), CpuJit(module_builder=LauncherModuleBuilder()).cache_identity()]
    other = Counting()
    other.answer = 43
    keys += [CpuJit(module_builder=builder).cache_identity() for builder in (Counting(), other)]
    assert all(keys[i] != keys[j] for i in range(4) for j in range(i))


def test_what_a_builder_must_have():
    with pytest.raises(TypeError, match="abstract"):
        ExtensionModuleBuilderBase()
    with pytest.raises(ExecutionBackendError, match="module builder"):
        tilelang.compile(add, target="c", jit=CpuJit(module_builder=LauncherModuleBuilder()), execution_backend="cython")

"""`CupyJit` on a GPU: CuPy's arrays, CuPy's stream, and the bits of the other compilers. Row A12 of docs/jit.md.

Without a GPU, testing/runtime/test_nvrtc_launches.py compares its launches with the native launcher's.
"""

from __future__ import annotations

import importlib.util
import warnings

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.jit.test_backends import product
from tilelang.errors import ArgumentError, ArgumentTypeError
from tilelang.jit import CudaJit, CupyJit, NvrtcJit
from tilelang.target import device_arch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.row("A12"),
    pytest.mark.skipif(importlib.util.find_spec("cupy") is None or device_arch() is None, reason="needs CuPy and a GPU"),
]


def compiled(program, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental, it says once
        return tilelang.compile(program, jit=CupyJit(), **options)


def scaled():
    n = T.dynamic("n")

    @T.prim_func
    def scaled(A: T.Tensor((n,), "float32"), x: T.float32, k: T.int32, B: T.Tensor((n,), "float32")):
        with T.Kernel(T.ceildiv(n, 64), threads=64) as bx:
            for i in T.Parallel(64):
                B[bx * 64 + i] = A[bx * 64 + i] * x + k

    return scaled


@pytest.mark.parametrize("n", [0, 1, 63, 1000])
def test_arrays_and_scalars(n):
    import cupy

    kernel = compiled(scaled(), out_idx=-1)
    a = cupy.random.rand(n, dtype="float32")
    b = kernel(a, 0.5, -3)
    assert isinstance(b, cupy.ndarray)
    cupy.testing.assert_array_equal(b, a * cupy.float32(0.5) + cupy.float32(-3))


def test_the_bits_of_the_other_compilers():
    import cupy

    a, b = (torch.randn(n, 192, device="cuda").half() for n in (136, 256))
    program = product(136, 256, 192)
    found = compiled(program, out_idx=-1)(cupy.from_dlpack(a), cupy.from_dlpack(b))
    compilers = [NvrtcJit(), *([CudaJit()] if CudaJit().available() else [])]
    for backend in ("tvm_ffi", "torch", "nvrtc"):
        for compiler in compilers:
            kernel = tilelang.compile(program, out_idx=-1, jit=compiler, execution_backend=backend)
            assert torch.equal(torch.from_dlpack(found), kernel(a, b)), (backend, compiler)


def test_cupys_current_stream_and_device():
    import cupy

    kernel = compiled(scaled(), out_idx=-1)
    with cupy.cuda.Stream(non_blocking=True) as stream:
        a = cupy.zeros(1 << 20, dtype="float32")
        for _ in range(20):  # each launch waits for the one before it, on this stream alone
            a = kernel(a, 1.0, 1)
        stream.synchronize()
    assert a.device.id == cupy.cuda.Device().id and bool((a == 20).all())


def test_other_arrays_are_refused():
    import cupy

    kernel = compiled(scaled(), out_idx=-1)
    with pytest.raises((ArgumentTypeError, ArgumentError)):
        kernel(torch.zeros(4, device="cuda"), 1.0, 1)
    with pytest.raises(ArgumentTypeError, match="float32"):
        kernel(cupy.zeros(4, dtype="float64"), 1.0, 1)

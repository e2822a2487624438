"""Execution backends: every legal one gives the same bits, each takes what it promises, the others are refused by name."""

from __future__ import annotations

import importlib.util

import ml_dtypes
import numpy as np
import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import ArgumentError, ArgumentTypeError, JITUnavailableError, UnavailableError
from tilelang.jit.adapter import adapters
from tilelang.jit.execution_backend import BACKENDS, ExecutionBackendError, available_backends, choose_backend, legal_backends
from tilelang.jit.options import resolve_options
from tilelang.target import Target, device_arch

DEVICE = "cuda" if device_arch() else "cpu"
TARGET = Target("cuda", device_arch() or "sm_90a", simulated=device_arch() is None)
LEGAL = available_backends(TARGET)


def blend():
    """Symbolic size, scalars of three kinds, a strided input, an unused tensor, a written argument, two outputs."""
    n, s = T.dynamic("n"), T.dynamic("s")

    @T.prim_func
    def blend(
        A: T.StridedTensor((n, 8), (s, 1), "float16"),
        unused: T.Tensor((4,), "float32"),
        alpha: T.float32,
        beta: T.int32,
        keep: T.bool,
        seen: T.Tensor((n,), "int32"),
        B: T.Tensor((n, 8), "float32"),
        C: T.Tensor((n * 2,), "float32"),
    ):
        with T.Kernel(T.ceildiv(n, 4), threads=32) as bx:
            for i, j in T.Parallel(4, 8):
                if bx * 4 + i < n:
                    B[bx * 4 + i, j] = T.if_then_else(keep, A[bx * 4 + i, j] * alpha + beta, 0.0)
            for i in T.Parallel(4):
                if bx * 4 + i < n:
                    seen[bx * 4 + i] = seen[bx * 4 + i] + 1
                    C[bx * 4 + i] = alpha
                    C[n + bx * 4 + i] = beta

    return blend


def kernel_for(backend, target=TARGET, **options):
    return tilelang.compile(blend(), out_idx=[6, 7], target=target, execution_backend=backend, **options)


def arguments(n, device=DEVICE):
    a = torch.randn(n, 12, dtype=torch.float16, device=device)[:, :8]
    return a, None, 0.3, -7, True, torch.zeros(n, dtype=torch.int32, device=device)


@pytest.mark.gpu
@pytest.mark.row("T5")
@pytest.mark.parametrize("n", [0, 1, 5, 64])
@pytest.mark.parametrize("backend", LEGAL)
def test_every_legal_backend_gives_the_same_bits(backend, n):
    args = arguments(n)
    b, c = kernel_for(backend)(*args)
    assert b.shape == (n, 8) and c.shape == (2 * n,) and torch.equal(args[5], torch.ones_like(args[5]))
    reference = (args[0], None, 0.3, -7, True, torch.zeros_like(args[5]))
    for one, other in zip((b, c), kernel_for("auto")(*reference)):
        assert torch.equal(one, other) and type(one) is torch.Tensor
    torch.testing.assert_close(b, args[0].float() * 0.3 - 7, rtol=1e-3, atol=1e-3)


def product(M, N, K):
    """On Hopper: TMA loads and stores through tensor maps, and two launches with a workspace between them."""

    @T.prim_func
    def product(A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K), "float16"), C: T.Tensor((M, N), "float16")):
        W = T.alloc_global((M, N), "float16")
        with T.Kernel(T.ceildiv(N, 128), T.ceildiv(M, 128), threads=256) as (bx, by):
            A_s = T.alloc_shared((128, 64), "float16")
            B_s = T.alloc_shared((128, 64), "float16")
            C_f = T.alloc_fragment((128, 128), "float32")
            T.clear(C_f)
            for k in T.Pipelined(T.ceildiv(K, 64), num_stages=3):
                T.copy(A[by * 128, k * 64], A_s)
                T.copy(B[bx * 128, k * 64], B_s)
                T.gemm(A_s, B_s, C_f, transpose_B=True)
            T.copy(C_f, W[by * 128, bx * 128])
        with T.Kernel(M, threads=128) as row:
            for j in T.Parallel(N):
                C[row, j] = W[row, j] * T.float16(2)

    return product


@pytest.mark.gpu
@pytest.mark.row("T5")
@pytest.mark.parametrize("backend", LEGAL)
def test_tensor_maps_and_workspaces_through_every_backend(backend):
    target = TARGET if DEVICE == "cuda" else Target("cuda", "sm_90a", simulated=True)
    a, b = (torch.randn(n, 192, device=DEVICE).half() for n in (136, 256))
    kernel = tilelang.compile(product(136, 256, 192), out_idx=-1, target=target, execution_backend=backend)
    if target.arch.startswith("sm_90"):
        assert kernel.artifact.plan.kernels[0].tensor_maps and len(kernel.artifact.plan.kernels) == 2
    first, again = kernel(a, b), kernel(a, b)
    assert torch.equal(first, again)
    assert torch.equal(first, tilelang.compile(product(136, 256, 192), out_idx=-1, target=target)(a, b))
    torch.testing.assert_close(first, 2 * (a @ b.T), rtol=1e-2, atol=0.1)


def attributed(n):
    """Launches of every kind: clusters, one that overlaps with the one before, one whose blocks all run at once."""

    @T.prim_func
    def attributed(A: T.Tensor((n, 128), "float32"), B: T.Tensor((n, 128), "float32")):
        V = T.alloc_global((n, 128), "float32")
        W = T.alloc_global((n, 128), "float32")
        with T.Kernel(n, threads=128, cluster_dims=(2, 1, 1)) as bx:
            tx = T.get_thread_binding()
            V[bx, tx] = A[bx, tx] + T.Cast("float32", T.block_rank_in_cluster())
            T.cluster_sync()
            T.pdl_trigger()
        with T.Kernel(n, threads=128) as bx:
            T.pdl_sync()
            for i in T.Parallel(128):
                W[bx, i] = V[bx, i] * 3.0
        with T.Kernel(n, threads=128) as bx:
            tx = T.get_thread_binding()
            V[bx, tx] = W[bx, tx] * 2.0
            T.sync_grid()
            B[bx, tx] = V[n - 1 - bx, tx]

    return attributed


@pytest.mark.gpu
@pytest.mark.row("T5")
@pytest.mark.parametrize("backend", LEGAL)
def test_attributes_of_launches_through_every_backend(backend):
    target = TARGET if DEVICE == "cuda" else Target("cuda", "sm_90a", simulated=True)
    if int(target.arch.removeprefix("sm_").rstrip("af")) < 90:
        pytest.skip("clusters are of Hopper and later")
    kernel = tilelang.compile(attributed(8), out_idx=-1, target=target, execution_backend=backend)
    first, second, third = kernel.artifact.plan.kernels
    assert first.cluster == (2, 1, 1) and second.overlaps and third.cooperative
    a = torch.randn(8, 128, device=DEVICE)
    ranks = torch.arange(8, device=DEVICE)[:, None] % 2
    assert torch.equal(kernel(a), ((a + ranks) * 3 * 2).flip(0))


@pytest.mark.row("T5")
@pytest.mark.parametrize("kind", ["c", "llvm"])
def test_backends_of_the_cpu_targets_give_the_same_bits(kind):
    try:
        target = resolve_options(kind, "tvm_ffi").target
        legal = [name for name in available_backends(target) if name != "auto"]
        kernels = {name: kernel_for(name, target) for name in legal}
    except UnavailableError as error:
        pytest.skip(str(error))
    args = arguments(33, "cpu")
    results = [kernel(args[0], None, 0.3, -7, True, torch.zeros(33, dtype=torch.int32)) for kernel in kernels.values()]
    assert {"tvm_ffi", "dlpack", "torch"} <= set(legal)
    assert all(torch.equal(b, results[0][0]) and torch.equal(c, results[0][1]) for b, c in results)


def test_every_backend_serves_a_target():
    assert set(BACKENDS) == {"auto", *adapters()}
    on_gpu = {"tvm_ffi", "dlpack", "cython", "nvrtc", "torch", "cutedsl"}
    assert set(legal_backends(Target())) == on_gpu
    assert set(legal_backends(Target(simulated=True))) == on_gpu - {"nvrtc", "cutedsl"} | {"simulator"}


@pytest.mark.parametrize("backend", LEGAL)
def test_wrong_arguments_are_named(backend):
    kernel, args = kernel_for(backend), list(arguments(6))
    with pytest.raises(ArgumentError, match="expected 6 inputs"):
        kernel(*args[:4])
    args[5] = args[5][:3]
    with pytest.raises(ArgumentError, match="n = 6"):
        kernel(*args)
    args[5] = torch.zeros(6, device=DEVICE)
    with pytest.raises(ArgumentTypeError, match="expected int32.*float32"):
        kernel(*args)
    args[0] = None
    with pytest.raises((TypeError, RuntimeError), match="A"):
        kernel(*args)


@pytest.mark.parametrize("backend", [name for name in LEGAL if name != "torch"])
def test_scalars_are_checked(backend):
    kernel, args = kernel_for(backend), list(arguments(2))
    for position, value in ((2, "x"), (3, 1.5), (3, 2**31)):
        wrong = [*args[:position], value, *args[position + 1 :]]
        with pytest.raises((ArgumentError, TypeError)):
            kernel(*wrong)


def test_illegal_pairs_list_the_legal_ones():
    with pytest.raises(ExecutionBackendError, match="'nvrtc'.*Allowed: auto, simulator, tvm_ffi, dlpack, cython, torch"):
        resolve_options(Target(simulated=True), "nvrtc")
    with pytest.raises(ExecutionBackendError, match="Allowed: auto, tvm_ffi, dlpack, cython, nvrtc, torch, cutedsl"):
        choose_backend("simulator", Target())


@pytest.mark.skipif(importlib.util.find_spec("cutlass") is not None, reason="says what happens without nvidia-cutlass-dsl")
def test_a_missing_package_is_named():
    with pytest.raises(JITUnavailableError, match="(?s)'cutedsl'.*cutlass.*pip install nvidia-cutlass-dsl") as caught:
        kernel_for("cutedsl")
    assert caught.value.tool == "cutlass" and "cutedsl" in caught.value.needed_by


def test_auto_says_why():
    assert "auto: " in kernel_for(None).why_backend and kernel_for("dlpack").why_backend == "asked for"
    assert kernel_for("dlpack").adapter.name == kernel_for("dlpack").execution_backend == "dlpack"


# ---------------------------------------------------------------------- dlpack


@tilelang.jit(out_idx=[-1], execution_backend="dlpack", target=TARGET)
def doubled(N, dtype):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), C: T.Tensor((N,), dtype)):
        with T.Kernel(1, threads=32):
            for i in T.Parallel(N):
                C[i] = A[i] + A[i]

    return main


on_cpu = pytest.mark.skipif(DEVICE != "cpu", reason="NumPy's memory is the CPU's")


@on_cpu
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint64", "float64"])
def test_numpy(dtype):
    a = np.random.default_rng(0).integers(0, 20, 33).astype(dtype)
    c = doubled(33, dtype)(a)
    assert type(c) is np.ndarray and c.dtype == a.dtype
    np.testing.assert_array_equal(c, a + a)


@on_cpu
@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_numpy_with_ml_dtypes(dtype):
    a = np.random.default_rng(0).integers(0, 5, 32).astype(getattr(ml_dtypes, dtype))
    c = doubled(32, dtype)(a)
    assert type(c) is np.ndarray and c.dtype == a.dtype
    np.testing.assert_array_equal(c.astype(np.float32), a.astype(np.float32) * 2)


@on_cpu
def test_dlpack_copies_nothing():
    given = np.zeros(5, np.int32)
    a = np.asarray(np.ones((5, 8)), np.float16)
    kernel_for("dlpack")(a, None, 1.0, 0, True, given)
    assert given.sum() == 5


def test_dlpack_of_torch_and_of_tvm_ffi():
    import tvm_ffi

    a = torch.randn(16, device=DEVICE)
    assert torch.equal(doubled(16, "float32")(a.requires_grad_()), (a + a).detach())
    c = doubled(16, "float32")(tvm_ffi.from_dlpack(a.detach()))
    assert isinstance(c, tvm_ffi.Tensor) and torch.equal(torch.from_dlpack(c), (a + a).detach())


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")
def test_dlpack_of_jax():
    import jax

    a = jax.numpy.arange(16, dtype="float32")
    c = doubled(16, "float32")(a)
    assert isinstance(c, jax.Array) and bool((c == a + a).all())
    with pytest.raises(ArgumentError, match="`seen`.*immutable"):
        kernel_for("dlpack")(jax.numpy.ones((2, 8), "float16"), None, 1.0, 0, True, jax.numpy.zeros(2, "int32"))


@pytest.mark.gpu
@pytest.mark.row("T5")
@pytest.mark.skipif(importlib.util.find_spec("cupy") is None or DEVICE == "cpu", reason="needs CuPy and a GPU")
def test_dlpack_of_cupy():
    import cupy

    a = cupy.random.rand(16, dtype="float32")
    with cupy.cuda.Stream(non_blocking=True) as stream:
        c = doubled(16, "float32")(a + 1)
        stream.synchronize()
    assert isinstance(c, cupy.ndarray)
    cupy.testing.assert_array_equal(c, (a + 1) * 2)


def test_dlpack_needs_an_array():
    with pytest.raises(ArgumentError, match="without an array"):
        doubled(16, "float32")(3)


# ---------------------------------------------------------------------- torch


def test_torch_compile_fullgraph():
    kernel = kernel_for("torch")
    kernel(*arguments(3))

    def model(a, seen):
        b, c = kernel(a * 2, None, 0.5, 1, True, seen)
        return b.sum() + c.sum() + seen.sum()

    for n in (3, 10, 17):  # the second size makes it symbolic
        a, *_, seen = arguments(n)
        got = torch.compile(model, fullgraph=True, backend="aot_eager")(a.contiguous(), seen)
        assert torch.equal(seen, torch.ones_like(seen))
        torch.testing.assert_close(got, model(a.contiguous(), torch.zeros_like(seen)))


def test_torch_operator_is_registered_correctly():
    kernel = kernel_for("torch")
    a, _, *rest = arguments(6)
    torch.library.opcheck(kernel.adapter.operator, (a.contiguous(), None, *rest))


@pytest.mark.gpu
@pytest.mark.row("T5")
@pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU")
@pytest.mark.parametrize("backend", LEGAL)
def test_cuda_graphs(backend):
    kernel, args = kernel_for(backend), arguments(40)
    kernel(*args)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        b, _ = kernel(*args)
    args[0].copy_(torch.randn_like(args[0]))
    graph.replay()
    torch.testing.assert_close(b, args[0].float() * 0.3 - 7, rtol=1e-3, atol=1e-3)
    assert int(args[5][0]) == 2


def test_a_kernel_inside_an_autograd_function():
    """Row N9: derivatives are the author's; the kernels of both directions are called as any function."""

    @tilelang.jit(out_idx=-1, target="c")
    def cube(n, derivative):
        @T.prim_func
        def main(x: T.Tensor((n,), "float64"), g: T.Tensor((n,), "float64"), y: T.Tensor((n,), "float64")):
            with T.Kernel(1, threads=n):
                for i in T.Parallel(n):
                    y[i] = g[i] * 3.0 * x[i] * x[i] if derivative else x[i] * x[i] * x[i]

        return main

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return cube(x.numel(), False)(x, x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return cube(x.numel(), True)(x, g.contiguous())

    x = torch.randn(7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Cube.apply, (x,))

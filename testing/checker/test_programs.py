"""Kernels of the compiler pass every check: those of the catalogue at test sizes, and a few more."""

from __future__ import annotations

import functools

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs import catalogue
from testing.programs.reference import random
from testing.programs.test_async_scope import producer_consumer


def of_shapes(*shapes, dtypes=()):
    """Random tensors of these shapes, float16 where nothing else is said."""
    named = [*dtypes, *["float16"] * (len(shapes) - len(dtypes))]
    return lambda: [random(shape, dtype, "cpu") for shape, dtype in zip(shapes, named)]


def gemm(M, N, K, b, **options):
    return functools.partial(catalogue.gemm, M=M, N=N, K=K, **options), of_shapes((M, K), b, (M, N))


def split_k(M=64, N=64, K=256, splits=4):
    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K), "float16"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(splits, threads=128) as bz:
            As = T.alloc_shared((M, 32), "float16")
            Bs = T.alloc_shared((N, 32), "float16")
            Cl = T.alloc_fragment((M, N), "float32")
            T.clear(Cl)
            for k in T.Pipelined(K // splits // 32, num_stages=2):
                T.copy(A[0, bz * (K // splits) + k * 32], As)
                T.copy(B[0, bz * (K // splits) + k * 32], Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            for i, j in T.Parallel(M, N):
                T.atomic_add(C[i, j], Cl[i, j])

    return main


def transpose(N=128):
    @T.prim_func
    def main(A: T.Tensor((N, N), "float32"), B: T.Tensor((N, N), "float32")):
        with T.Kernel(N // 32, N // 32, threads=128) as (bx, by):
            tile = T.alloc_shared((32, 32), "float32")
            T.copy(A[by * 32, bx * 32], tile)
            for i, j in T.Parallel(32, 32):
                B[bx * 32 + i, by * 32 + j] = tile[j, i]

    return main


heads = (1, 1, 128)
PROGRAMS = {
    "add": (functools.partial(catalogue.add, N=10007), of_shapes(10007, 10007, 10007)),
    "add_int8": (
        functools.partial(catalogue.add, N=4096, dtype="int8"),
        of_shapes(4096, 4096, 4096, dtypes=("int8", "int8", "int8")),
    ),
    "add_dynamic": (lambda: catalogue.add(N=T.dynamic("n")), of_shapes(5000, 5000, 5000)),
    "gemm_nt": gemm(128, 256, 96, (256, 96)),
    "gemm_nn_ragged": gemm(200, 216, 104, (104, 216), tb=False),
    "gemm_one_stage": gemm(128, 128, 128, (128, 128), stages=1),
    "gemm_four_stages": gemm(128, 128, 256, (128, 256), stages=4, swz=False),
    "gemm_256_threads": gemm(128, 128, 96, (128, 96), threads=256),
    "gemm_dynamic": (
        lambda: catalogue.gemm(M=T.dynamic("m"), N=T.dynamic("n"), K=96),
        of_shapes((150, 96), (130, 96), (150, 130)),
    ),
    "softmax": (functools.partial(catalogue.softmax, M=6, N=1024), of_shapes((6, 1024), (6, 1024))),
    "rms_norm": (functools.partial(catalogue.rms_norm, M=6, N=1000), of_shapes((6, 1000), (6, 1000))),
    "attention": (functools.partial(catalogue.attention, D=64, causal=False, B=1, H=1, S=128), of_shapes(*[(*heads, 64)] * 4)),
    "attention_causal": (
        functools.partial(catalogue.attention, D=128, causal=True, B=1, H=1, S=128),
        of_shapes(*[(*heads, 128)] * 4),
    ),
    "dequantized_gemm": (
        functools.partial(catalogue.dequantized_gemm, M=64, N=128, K=256),
        of_shapes((64, 256), (128, 128), (64, 128), dtypes=("float16", "uint8", "float16")),
    ),
    "split_k": (split_k, of_shapes((64, 256), (64, 256), (64, 64), dtypes=("float16", "float16", "float32"))),
    "transpose": (transpose, of_shapes((128, 128), (128, 128), dtypes=("float32", "float32"))),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_is_clean(name):
    make, inputs = PROGRAMS[name]
    configs = catalogue.FAST if name.startswith(("softmax", "attention")) else {}
    kernel = tilelang.compile(make(), execution_backend="simulator", pass_configs=configs)
    report = kernel.check(*inputs(), schedules=2)
    assert report.ok, str(report)


def test_copies_that_an_mbarrier_tracks():
    """Those who copied are gone when the others, who waited, store the tile by TMA: behind a fence of their own."""
    kernel = tilelang.compile(producer_consumer(8, "float16"), execution_backend="simulator")
    rows = torch.randint(-1, 200, (64,), dtype=torch.int32)
    report = kernel.check(random((200, 64), "float16", "cpu"), rows, torch.empty(64, 64).half(), schedules=2)
    assert report.ok, str(report)


def test_memory_behind_pointers_has_no_bounds_that_are_known():
    @T.prim_func
    def main(table: T.Tensor((3,), T.ptr), O: T.Tensor((3, 64), "float32")):
        with T.Kernel(3, threads=32) as g:
            X = T.make_tensor_from_addr(table[g], (64,), "float32")
            for i in T.Parallel(64):
                O[g, i] = X[i]

    parts = [torch.randn(64) for _ in range(3)]
    table = torch.tensor([part.data_ptr() for part in parts])
    report = tilelang.compile(main, execution_backend="simulator").check(table, torch.empty(3, 64), schedules=1)
    assert report.ok, str(report)


def test_outputs_and_workspaces_are_unwritten_memory():
    kernel = tilelang.compile(transpose(), execution_backend="simulator", out_idx=[1])
    assert kernel.check(torch.zeros(128, 128)).ok


@pytest.mark.parametrize("n", [1, 47, 512])
def test_a_scalar_that_guards_an_access_is_no_buffer(n):
    """The compiler may give a load the line of its guard, where only `n` is named."""
    from testing.programs.test_dynamic import add

    kernel = tilelang.compile(add(512, "float16", "int32"), execution_backend="simulator")
    a, b = random(n, "float16", "cpu"), random(n, "float16", "cpu")
    report = kernel.check(a, b, torch.empty_like(a), schedules=1)
    assert not report.findings, report

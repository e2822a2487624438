"""par_compile: order, duplicates, errors, executors."""

from __future__ import annotations

import functools
import io
import multiprocessing
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import redirect_stderr

import pytest
import torch

import tilelang
import tilelang.language as T
import tilelang.testing
from tilelang.env import env
from tilelang.errors import ArgumentTypeError, CompilationError, ResourceError
from tilelang.jit.options import resolve_options
from tilelang.jit.parallel import WorkerTimeoutError
from tilelang.jit.parallel.batch import Batch, Program
from tilelang.layout import Layout, make_swizzled_layout

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HOPPER = {"kind": "cuda", "arch": "sm_90a"}


@tilelang.jit(out_idx=-1)
def scale(N, factor=2.0, threads=32, flags=None):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32")):
        with T.Kernel(T.ceildiv(N, 64), threads=threads) as bx:
            for i in T.Parallel(64):
                B[bx * 64 + i] = A[bx * 64 + i] * factor

    return main


@tilelang.jit
def double(A, factor: float = 2.0):
    N = T.const("N")
    A: T.Tensor((N,), "float32")
    B = T.empty((N,), "float32")
    with T.Kernel(T.ceildiv(N, 64), threads=32) as bx:
        for i in T.Parallel(64):
            B[bx * 64 + i] = A[bx * 64 + i] * factor
    return B


def program(N, broken=False):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32")):
        with T.Kernel(1, threads=32):
            for i in T.Parallel(N):
                B[i] = T.call_extern("float32", "no_such_function", A[i]) if broken else A[i] + 1

    return main


def test_order_is_kept_and_duplicates_are_compiled_once():
    sizes = [70, 10, 130, 10, 70]
    kernels = scale.par_compile([{"N": n} for n in sizes], num_workers=2)
    assert [k.params[0].shape for k in kernels] == [(n,) for n in sizes]
    assert kernels.errors == {} and kernels[1] is kernels[3] and kernels[0] is kernels[4]
    for n, kernel in zip(sizes, kernels):
        a = torch.randn(n, device=DEVICE)
        torch.testing.assert_close(kernel(a), a * 2)
    again = scale.par_compile([(n,) for n in sizes])
    assert again.cpu_seconds == 0 and [k.params[0].shape for k in again] == [(n,) for n in sizes]
    assert all(a is b for a, b in zip(again, kernels))  # remembered, however the arguments are passed
    assert scale.compile(N=130) is kernels[2] and scale.compile(130) is kernels[2]


def test_the_cache_may_be_off(monkeypatch):
    monkeypatch.setitem(env.forced, "TILELANG_DISABLE_CACHE", True)
    first, second = scale.par_compile([{"N": 33}, {"N": 33}])
    assert first is second and first.artifact.directory is None
    a = torch.randn(33, device=DEVICE)
    torch.testing.assert_close(second(a), a * 2)


def laid_out(layout):
    """A tile turned around through shared memory with a layout of the author's."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float16"), B: T.Tensor((64, 64), "float16")):
        with T.Kernel(1, threads=64):
            tile = T.alloc_shared((64, 64), "float16")
            T.annotate_layout({tile: layout(tile)})
            for i, j in T.Parallel(64, 64):
                tile[j, i] = A[i, j]
            T.copy(tile, B)

    return main


def test_layouts_of_the_author_travel(monkeypatch):
    """Python objects in a program, which TVM's own text does not hold."""
    monkeypatch.setitem(env.forced, "TILELANG_DISABLE_CACHE", True)
    layouts = (make_swizzled_layout, lambda tile: Layout(tile.shape, lambda i, j: [i, (j + i) % 64]))
    programs = [laid_out(layout) for layout in layouts]
    a = torch.randn(64, 64, device=DEVICE).half()
    for kernel, program in zip(tilelang.par_compile(programs, num_workers=2), programs):
        b = torch.full_like(a, float("nan"))
        kernel(a, b)
        assert torch.equal(b, a.t())
        assert kernel.get_kernel_source() == tilelang.compile(program).get_kernel_source()


def test_eager_functions():
    (kernel,) = double.par_compile([{"N": 90, "factor": 3.0}])
    a = torch.randn(90, device=DEVICE)
    torch.testing.assert_close(kernel(a), a * 3)


def test_a_generator_of_programs_and_per_item_errors():
    out = io.StringIO()
    with redirect_stderr(out):
        kernels = tilelang.par_compile((program(n, n == 20) for n in (16, 20, 24)), out_idx=-1, ignore_error=True)
    assert kernels[1] is None and list(kernels.errors) == [1]
    assert isinstance(kernels.errors[1], CompilationError) and "no_such_function" in kernels.errors[1].log
    assert "Compiling" not in out.getvalue()  # no bar where nobody watches
    torch.testing.assert_close(kernels[2](torch.zeros(24, device=DEVICE)), torch.ones(24, device=DEVICE))


class HeldExecutor(Executor):
    """Its jobs end when the test says so."""

    def __init__(self):
        self.jobs = []

    def submit(self, fn, /, *args, **kwargs):
        self.jobs.append(Future())
        return self.jobs[-1]


def test_programs_are_traced_ahead_of_free_workers_and_not_further(monkeypatch):
    monkeypatch.setitem(env.forced, "TILELANG_DISABLE_CACHE", True)
    options, executor, made = resolve_options(None, None, None, None, None), HeldExecutor(), []

    def make(n):
        made.append(n)
        return Program(program(n), options)

    outcomes = Batch(executor, window=2).run(functools.partial(make, n) for n in range(500, 510))
    with ThreadPoolExecutor(1) as other:
        first = other.submit(next, outcomes)
        while len(made) < 4:
            time.sleep(0.001)
        assert len(executor.jobs) == 2
        executor.jobs[0].set_exception(RuntimeError("stop"))
        assert isinstance(first.result(10).error, RuntimeError)
    assert len(executor.jobs) == 3 and len(made) == 4  # the worker had its next program before the result was looked at
    outcomes.close()
    assert executor.jobs[1].cancelled() and executor.jobs[2].cancelled()


def test_the_first_failure_is_raised_with_its_place():
    with pytest.raises(ResourceError, match="5000") as caught:
        scale.par_compile([{"N": 65}, {"N": 66, "threads": 5000}])
    assert "item 1 of 2" in str(caught.value)
    with pytest.raises(ArgumentTypeError, match="PrimFunc but got int"):
        tilelang.par_compile([3])
    with pytest.raises(ArgumentTypeError, match="configuration 0 of `scale` is a int"):
        scale.par_compile([3])
    with pytest.raises(ValueError, match="num_workers"):
        scale.par_compile([(1,)], num_workers=0)


def test_a_compilation_that_takes_too_long_is_killed():
    kernels = scale.par_compile([{"N": 801}], timeout=1e-3, ignore_error=True)
    assert kernels[0] is None and isinstance(kernels.errors[0], WorkerTimeoutError)


def test_for_a_gpu_without_a_gpu():
    (kernel,) = tilelang.par_compile([program(32)], target=HOPPER, execution_backend="tvm_ffi")
    assert kernel.artifact.kind == "cuda" and kernel.n_regs > 0


@pytest.mark.parametrize("make", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_any_executor(make, tmp_path, monkeypatch):
    monkeypatch.setitem(env.forced, "TILELANG_CACHE_DIR", tmp_path / "cache")
    how = {} if make is ThreadPoolExecutor else {"mp_context": multiprocessing.get_context("fork")}  # TVM is loaded here
    with make(2, **how) as executor:
        kernels = tilelang.par_compile([program(n) for n in (17, 18, 17)], out_idx=-1, executor=executor)
    for n, kernel in zip((17, 18, 17), kernels):
        torch.testing.assert_close(kernel(torch.zeros(n, device=DEVICE)), torch.ones(n, device=DEVICE))
    assert tilelang.par_compile([program(17)], out_idx=-1).cpu_seconds == 0  # the artifact is in this process's cache


@tilelang.testing.requires_package("distributed")
def test_a_dask_cluster(tmp_path, monkeypatch):
    from distributed import Client, LocalCluster

    monkeypatch.setitem(env.forced, "TILELANG_CACHE_DIR", tmp_path / "cache")
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        kernels = tilelang.par_compile(
            [program(n, n == 20) for n in (19, 20, 21)], ignore_error=True, executor=client.get_executor()
        )
        assert list(kernels.errors) == [1] and isinstance(kernels.errors[1], CompilationError)
        a, b = torch.zeros(21, device=DEVICE), torch.full((21,), float("nan"), device=DEVICE)
        kernels[2](a, b)
        torch.testing.assert_close(b, torch.ones(21, device=DEVICE))

"""Calling kernels: bound arguments, threads, memory, devices."""

from __future__ import annotations

import gc
import resource
import threading
import time
import warnings

import numpy as np
import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import ArgumentError, DeviceMismatchError, PerformanceWarning
from tilelang.target import Target, device_arch

TARGET = Target("cuda", device_arch() or "sm_90a", simulated=device_arch() is None)
DEVICE = "cpu" if TARGET.simulated else "cuda"


def shifted():
    n = T.dynamic("n")

    @T.prim_func
    def shifted(A: T.Tensor((n,), "float32"), alpha: T.float32, seen: T.Tensor((n,), "int32"), C: T.Tensor((n,), "float32")):
        with T.Kernel(T.ceildiv(n, 32), threads=32) as bx:
            for i in T.Parallel(32):
                C[bx * 32 + i] = A[bx * 32 + i] + alpha
                seen[bx * 32 + i] = seen[bx * 32 + i] + 1

    return shifted


@pytest.fixture(scope="module")
def kernel():
    return tilelang.compile(shifted(), out_idx=-1, target=TARGET)


def arguments(n):
    return torch.randn(n, device=DEVICE), torch.zeros(n, dtype=torch.int32, device=DEVICE)


def test_bound_arguments(kernel):
    a, seen = arguments(50)
    bound = kernel.bind(a, seen=seen, alpha=1.5)
    first, second = bound(), bound()
    assert torch.equal(first, a + 1.5) and torch.equal(first, second) and first.data_ptr() != second.data_ptr()
    a.fill_(3)  # the memory is bound, not what it held
    assert bool((bound() == 4.5).all()) and bool((seen == 3).all())


def test_bound_outputs_are_written_in_place(kernel):
    a, seen = arguments(40)
    out = torch.full((40,), torch.nan, device=DEVICE)
    bound = kernel.bind(a, 2.0, seen, C=out)
    assert bound() is out and torch.equal(out, a + 2)


def test_partly_bound(kernel):
    a, seen = arguments(40)
    bound = kernel.bind(alpha=2.0, seen=seen)
    assert torch.equal(bound(a), a + 2) and "A" in repr(bound)
    with pytest.raises(ArgumentError, match=r"misses 1 argument\(s\) \(A\), got 0"):
        bound()


def test_a_bound_kernel_keeps_its_arguments_alive(kernel):
    a, seen = arguments(1000)
    bound, expected = kernel.bind(a, 1.0, seen), a + 1
    del a, seen
    gc.collect()
    torch.randn(1000)
    assert torch.equal(bound(), expected)


def test_binding_checks(kernel):
    a, seen = arguments(40)
    with pytest.raises(ArgumentError, match="n = 40"):
        kernel.bind(a, 1.0, seen[:3])
    with pytest.raises(ArgumentError, match="`beta`.*does not exist"):
        kernel.bind(beta=1)
    with pytest.raises(ArgumentError, match="`A`.*given twice"):
        kernel.bind(a, A=a)
    with pytest.raises(TypeError):
        kernel.bind(a, "x", seen)


def test_memory_stays_flat_and_scalars_stay_apart(kernel):
    """Nothing is kept of the arguments of a call, and no scalar is taken for an earlier one."""

    def call(count, start):
        for i in range(count):
            a = torch.zeros(64, device=DEVICE)
            assert float(kernel(a, float(start + i), torch.zeros(64, dtype=torch.int32, device=DEVICE))[63]) == start + i

    call(300, 0)
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    call(10_000 if DEVICE == "cuda" else 2_000, 1000)
    gc.collect()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 4096, f"{grown} KiB more after the calls"


def test_eight_threads_on_one_kernel(kernel):
    failures = []

    def work(number):
        generator = torch.Generator(DEVICE).manual_seed(number)
        for step in range(20):
            n = 1 + (number * 37 + step * 11) % 200
            a = torch.randn(n, device=DEVICE, generator=generator)
            seen = torch.zeros(n, dtype=torch.int32, device=DEVICE)
            if not torch.equal(kernel(a, float(number), seen), a + number) or int(seen.sum()) != n:
                failures.append((number, step))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.skipif(DEVICE == "cuda", reason="a launch on a GPU returns at once")
@pytest.mark.parametrize("backend", ["tvm_ffi", "dlpack", "cython", "torch"])
def test_other_threads_run_meanwhile(backend):
    kernel = tilelang.compile(shifted(), out_idx=-1, target=TARGET, execution_backend=backend)
    a, seen = arguments(400_000)
    kernel(*(x[:32] if isinstance(x, torch.Tensor) else x for x in (a, 1.0, seen)))
    ticks, done = 0, threading.Event()

    def call():
        kernel(a, 1.0, seen)
        done.set()

    thread = threading.Thread(target=call)
    thread.start()
    while not done.is_set():
        ticks += 1
        time.sleep(0.0005)
    thread.join()
    assert ticks > 3  # with the lock held, the main thread would run once at most


# ---------------------------------------------------------------------- devices


def test_nothing_moves_on_a_cpu(kernel):
    if DEVICE == "cpu":
        kernel(torch.zeros(32), 1.0, torch.zeros(32, dtype=torch.int32))
        assert kernel.stats.h2d_bytes == kernel.stats.moved_calls == 0


@pytest.mark.gpu
@pytest.mark.row("N5")
@pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU")
def test_tensors_on_the_cpu_are_moved_and_copied_back():
    kernel = tilelang.compile(shifted(), out_idx=-1, target=TARGET)
    a, seen = torch.randn(40), torch.zeros(40, dtype=torch.int32)
    with pytest.warns(PerformanceWarning, match="`shifted`.*copied at every call"):
        c = kernel(a, 1.0, seen)
    assert c.is_cuda and torch.equal(c.cpu(), a + 1) and bool((seen == 1).all())
    assert kernel.stats.h2d_bytes == 320 and kernel.stats.d2h_bytes == 160
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = kernel(a.numpy(), 1.0, seen.numpy())
    assert isinstance(result, np.ndarray) and bool((seen == 2).all())
    strict = tilelang.compile(shifted(), out_idx=-1, target=TARGET, auto_device=False)
    with pytest.raises(DeviceMismatchError, match="`A`.*on cpu"):
        strict(a, 1.0, seen)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_tensors_on_another_gpu_are_never_moved(kernel):
    a, seen = arguments(40)
    with pytest.raises(DeviceMismatchError, match="cuda:1"):
        kernel(a, 1.0, seen.to("cuda:1"))
    assert kernel(a.to("cuda:1"), 1.0, seen.to("cuda:1")).device.index == 1

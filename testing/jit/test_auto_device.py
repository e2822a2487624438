"""What auto_device moves, counts and copies back, with memory of the CPU standing for that of a GPU."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import DeviceMismatchError, PerformanceWarning
from tilelang.jit.auto_device import call_moved

REFUSED = DeviceMismatchError("argument `A` is on cpu, but this kernel runs on CUDA")


@T.prim_func
def accumulate(A: T.Tensor((8,), "float32"), scale: T.float32, Seen: T.Tensor((8,), "int32"), C: T.Tensor((8,), "float32")):
    with T.Kernel(1, threads=32):
        for i in T.Parallel(8):
            C[i] = A[i] * scale
            Seen[i] = Seen[i] + 1


@pytest.fixture
def kernel():
    return tilelang.compile(accumulate, out_idx=-1, target={"kind": "cuda", "arch": "sm_90a"}, execution_backend="tvm_ffi")


@pytest.fixture
def gpu(monkeypatch):
    """A GPU whose tensors are those in the returned list."""
    made, empty = [], torch.empty_strided

    def on_gpu(shape, stride, *, dtype, device):
        assert device == torch.device("cuda", 0)
        made.append(empty(shape, stride, dtype=dtype))
        return made[-1]

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch, "empty_strided", on_gpu)
    return made


def on_device(made):
    """What the kernel would do, on tensors of that GPU alone."""

    def run(a, scale, seen):
        assert all(any(t is tensor for tensor in made) for t in (a, seen)), "a tensor was not moved"
        seen += 1
        return a * scale

    return run


def test_tensors_are_moved_and_what_is_written_comes_back(kernel, gpu):
    a, seen = torch.randn(8), torch.zeros(8, dtype=torch.int32)
    with pytest.warns(PerformanceWarning, match="`accumulate`.*copied at every call"):
        c = call_moved(kernel, on_device(gpu), (a, 2.0, seen), REFUSED)
    assert isinstance(c, torch.Tensor) and torch.equal(c, a * 2) and seen.tolist() == [1] * 8
    assert (kernel.stats.h2d_bytes, kernel.stats.d2h_bytes, kernel.stats.moved_calls) == (64, 32, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once for each kernel
        call_moved(kernel, on_device(gpu), (a, 2.0, seen), REFUSED)
    assert seen.tolist() == [2] * 8 and kernel.stats.moved_calls == 2


def test_strides_are_kept(kernel, gpu):
    a, seen = torch.randn(16)[::2], torch.zeros(8, dtype=torch.int32)
    with pytest.warns(PerformanceWarning):
        assert torch.equal(call_moved(kernel, on_device(gpu), (a, 3.0, seen), REFUSED), a * 3)
    assert gpu[0].stride() == (2,)


def test_who_passes_arrays_gets_arrays(kernel, gpu):
    a, seen = np.random.rand(8).astype("float32"), np.zeros(8, dtype="int32")
    with pytest.warns(PerformanceWarning):
        c = call_moved(kernel, on_device(gpu), (a, 2.0, seen), REFUSED)
    assert isinstance(c, np.ndarray) and np.array_equal(c, a * np.float32(2)) and seen.tolist() == [1] * 8
    assert kernel.stats.d2h_bytes == 64  # `Seen` and the output


def test_nothing_to_move_or_nowhere_to_move_it_is_the_error_itself(kernel, gpu, monkeypatch):
    elsewhere = torch.empty(8, device="meta"), 2.0, torch.empty(8, dtype=torch.int32, device="meta")
    with pytest.raises(DeviceMismatchError) as caught:
        call_moved(kernel, on_device(gpu), elsewhere, REFUSED)
    assert caught.value is REFUSED and not gpu
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceMismatchError):
        call_moved(kernel, on_device(gpu), (torch.randn(8), 2.0, torch.zeros(8, dtype=torch.int32)), REFUSED)
    assert kernel.stats.h2d_bytes == kernel.stats.moved_calls == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to move to")
def test_the_call_asks_for_it(kernel):
    """The launcher's refusal reaches call_moved, which finds no GPU here."""
    with pytest.raises(DeviceMismatchError, match="`A`.*is on cpu"):
        kernel(torch.randn(8), 2.0, torch.zeros(8, dtype=torch.int32))

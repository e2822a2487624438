"""tilelang.lower, and functions that edit generated text."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.reference import random
from tilelang.engine import callback
from tilelang.engine.param import CompiledArtifact, KernelParam
from tilelang.errors import ArgumentTypeError, UnsupportedError


@T.prim_func
def doubled(A: T.Tensor((64,), "float32"), B: T.Tensor((64,), "float32")):
    with T.Kernel(1, threads=64):
        for i in T.Parallel(64):
            B[i] = A[i] * 2


@pytest.fixture(autouse=True)
def no_callbacks(monkeypatch):
    monkeypatch.setattr(callback, "_REGISTERED", {})


def test_lower():
    found = tilelang.lower(doubled, target={"kind": "cuda", "arch": "sm_90a"})
    assert isinstance(found, CompiledArtifact) and found.rt_mod is None
    assert "__global__" in found.kernel_source == found.device_mod.get_source()
    assert [(p.name, p.dtype, p.shape) for p in found.params] == [("A", "float32", (64,)), ("B", "float32", (64,))]
    assert isinstance(found.params[0], KernelParam) and "doubled" in str(found.host_mod)


def test_lower_and_compile():
    a = torch.randn(64)
    out = torch.empty(64)
    kernel = tilelang.lower(doubled, target="c", enable_device_compile=True).rt_mod
    kernel(a, out)
    assert torch.equal(out, a * 2)


def test_lower_takes_programs_only():
    with pytest.raises(ArgumentTypeError, match="must be a PrimFunc"):
        tilelang.lower(lambda x: x)


def test_text_is_edited_before_it_is_compiled():
    seen = []

    @tilelang.engine.register_cuda_postproc_callback
    def triple(code, target):
        seen.append(target.kind)
        return "// edited\n" + code.replace("2.f", "3.f").replace("2.0f", "3.0f")

    kernel = tilelang.compile(doubled, out_idx=-1, target="cuda", execution_backend="simulator")
    a = random((64,), "float32", "cpu")
    assert seen == ["cuda"] and kernel.get_kernel_source().startswith("// edited") and torch.equal(kernel(a), a * 3)


def test_callbacks_misused():
    tilelang.register_c_postproc(lambda code, target: code)
    with pytest.raises(UnsupportedError, match="override=True"):
        tilelang.register_c_postproc(lambda code, target: code, override=False)
    with pytest.raises(UnsupportedError, match="HIP"):
        tilelang.register_hip_postproc(lambda code, target: code)
    with pytest.raises(ArgumentTypeError, match="cannot edit"):
        tilelang.register_cuda_postproc(3)
    tilelang.register_cuda_postproc(lambda code, target: None)
    with pytest.raises(ArgumentTypeError, match="returned None"):
        tilelang.lower(doubled, target="cuda")

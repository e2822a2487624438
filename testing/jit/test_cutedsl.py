"""Host programs of `execution_backend="cutedsl"`, without a GPU and without nvidia-cutlass-dsl.

What they ask the driver for is compared in testing/runtime/test_nvrtc_launches.py, also as the installed CuTe DSL compiles them.
On a GPU, testing/jit/test_backends.py compares results.
"""

from __future__ import annotations

import ast
import sys
import types

import pytest

import tilelang
from testing.jit.test_backends import attributed, blend, product
from testing.runtime import fake_cutlass
from tilelang.errors import CompilationError, JITUnavailableError
from tilelang.jit.adapter import cutedsl
from tilelang.jit.adapter.host_program import host_program
from tilelang.target import Target

SM90 = Target("cuda", "sm_90a")


def plan_of(program):
    return tilelang.compile(program, target=SM90, execution_backend="tvm_ffi").artifact.plan


@pytest.mark.parametrize("program", [blend(), product(136, 256, 192), attributed(8)], ids=["blend", "product", "attributed"])
def test_programs_take_what_they_say(program):
    plan = plan_of(program)
    host = host_program(plan)
    *_, entry = ast.parse(host.text).body
    taken = [(a.arg, a.annotation.id) for a in entry.args.args]
    assert entry.name == "entry" and tuple(type_ for _, type_ in taken) == host.types
    maps = sum(len(kernel.tensor_maps) for kernel in plan.kernels)
    assert len(taken) == 2 + len(host.tensors) + len(host.scalars) + 4 * len(plan.kernels) + maps
    assert host.text.count("status = launch(") == len(plan.kernels)
    assert host_program(plan_of(program)) == host  # what compiled programs are found by


def test_scalars_have_their_types():
    host = host_program(plan_of(blend()))
    assert {"float32_alpha: Float32", "int32_beta: Int32", "bool_keep: Uint8", "int32_n: Int32"} <= {
        line.strip(" ,") for line in host.text.splitlines()
    }
    assert ("alpha", "float32") in host.scalars and 1 not in host.tensors  # `unused`


def test_the_program_is_the_host_source(monkeypatch):
    monkeypatch.setitem(sys.modules, "cutlass", fake_cutlass)
    monkeypatch.setattr(fake_cutlass, "__spec__", types.SimpleNamespace(), raising=False)
    kernel = tilelang.compile(blend(), target=SM90, execution_backend="cutedsl")
    assert kernel.get_host_source() == host_program(kernel.artifact.plan).text
    assert kernel.artifact.payload == tilelang.compile(blend(), target=SM90, execution_backend="tvm_ffi").artifact.payload


@pytest.mark.parametrize("missing", ["extern", "cute"])
def test_a_package_without_what_is_needed(missing, monkeypatch):
    """The package `cutlass` of CUTLASS's older Python interface has no `cute`, and CuTe DSL before 4.5 no `extern`."""
    host = host_program(plan_of(blend()))
    package, cute = types.ModuleType("cutlass"), types.ModuleType("cutlass.cute")
    package.__path__, package.cute = [], cute
    monkeypatch.setitem(sys.modules, "cutlass", package)
    monkeypatch.delitem(sys.modules, "cutlass.cute", raising=False)
    if missing == "extern":
        monkeypatch.setitem(sys.modules, "cutlass.cute", cute)
    with pytest.raises(JITUnavailableError, match=f"(?s)4.5 or newer.*{missing}.*pip install --upgrade") as caught:
        cutedsl.compiled(host)
    assert caught.value.tool == "cutlass" and "cutedsl" in caught.value.needed_by


def test_a_refused_program(monkeypatch):
    host = host_program(plan_of(product(128, 128, 64)))

    class Refusing:
        def __getitem__(self, option):
            return self

        def __call__(self, function, *examples):
            raise TypeError("not today")

    monkeypatch.setitem(sys.modules, "cutlass", fake_cutlass)
    monkeypatch.setitem(sys.modules, "cutlass.cute", fake_cutlass.cute)
    monkeypatch.setattr(fake_cutlass.cute, "compile", Refusing())
    monkeypatch.setattr(fake_cutlass.cute, "extern", lambda **options: lambda function: function)
    monkeypatch.setattr(cutedsl, "ctypes", types.SimpleNamespace(CDLL=lambda name, mode: None, RTLD_GLOBAL=0))
    with pytest.raises(CompilationError, match="refuses a host program") as caught:
        cutedsl.compiled(host)
    assert caught.value.log == "not today" and caught.value.source == host.text

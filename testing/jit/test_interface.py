"""The interface of `tilelang.jit`: parameters have their effect, attributes and methods are there, types, documented programs."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import CompilationError
from tilelang.jit import CudaJit

ROOT = Path(__file__).parents[2]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SM80 = {"target": {"kind": "cuda", "arch": "sm_80"}, "execution_backend": "tvm_ffi"}


def double(N, block=32):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), C: T.Tensor((N,), "float32")):
        with T.Kernel(T.ceildiv(N, block), threads=32) as bx:
            for i in T.Parallel(block):
                C[bx * block + i] = T.exp(A[bx * block + i])

    return main


def eager(A):
    N = T.const("N")
    A: T.Tensor((N,), "float32")
    C = T.empty((N,), "float32")
    with T.Kernel(1, threads=32):
        for i in T.Parallel(N):
            C[i] = A[i]
    return C


class TestParametersOfCompile:
    def test_out_idx(self):
        a, c = torch.randn(40, device=DEVICE), torch.full((40,), torch.nan, device=DEVICE)
        torch.testing.assert_close(tilelang.compile(double(40), out_idx=1)(a), a.exp())
        assert tilelang.compile(double(40))(a, c) is None
        torch.testing.assert_close(c, a.exp())

    def test_execution_backend(self):
        kernel = tilelang.compile(double(40), execution_backend="simulator")
        assert kernel.execution_backend == kernel.backend == "simulator" and kernel.target.simulated

    def test_target(self, monkeypatch):
        monkeypatch.delenv("TILELANG_SIMULATE", raising=False)
        for arch in ("sm_80", "sm_90a"):
            kernel = tilelang.compile(double(40), target={"kind": "cuda", "arch": arch}, execution_backend="tvm_ffi")
            assert kernel.target.arch == arch and f".target {arch}" in kernel._get_ptx()

    def test_target_host(self):
        """Taken and without effect: launching is native code."""
        assert tilelang.compile(double(40), target_host="llvm").target_host == tilelang.compile(double(40)).target_host

    def test_verbose(self, monkeypatch):
        assert tilelang.compile(double(40), verbose=True).verbose and not tilelang.compile(double(40), verbose=False).verbose
        monkeypatch.setenv("TILELANG_VERBOSE", "yes")
        assert tilelang.compile(double(40)).verbose and not tilelang.compile(double(40), verbose=False).verbose

    def test_pass_configs(self, monkeypatch):
        monkeypatch.delenv("TILELANG_SIMULATE", raising=False)
        configs = {tilelang.PassConfigKey.TL_ENABLE_FAST_MATH: True}
        plain, fast = tilelang.compile(double(40), **SM80), tilelang.compile(double(40), pass_configs=configs, **SM80)
        assert fast.pass_configs == {"tl.enable_fast_math": True} and fast.get_kernel_source() != plain.get_kernel_source()

    def test_compile_flags(self, monkeypatch):
        monkeypatch.delenv("TILELANG_SIMULATE", raising=False)
        kernel = tilelang.compile(double(40), compile_flags="-lineinfo --maxrregcount=32", **SM80)
        assert kernel.compile_flags == ["-lineinfo", "--maxrregcount=32"] and kernel.n_regs <= 32
        with pytest.raises(CompilationError, match="--no-such-flag"):
            tilelang.compile(double(40), compile_flags=["--no-such-flag"], **SM80)

    def test_jit(self, monkeypatch):
        monkeypatch.delenv("TILELANG_SIMULATE", raising=False)
        if not CudaJit().available():
            pytest.skip("no nvcc")
        assert tilelang.compile(double(40), jit=CudaJit(), **SM80).compiler == CudaJit()


def test_attributes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {
        "out_idx": [-1],
        "execution_backend": "simulator",
        "target": "cuda",
        "target_host": "llvm",
        "verbose": False,
        "pass_configs": {"tl.disable_wgmma": True},
        "debug_root_path": "debug",  # relative to the working directory
        "compile_flags": ["-g"],
    }
    function = tilelang.jit(**given)(double)
    assert {name: getattr(function, name) for name in given} == given
    assert function.func is double and function.func_source == inspect.getsource(double)
    assert function.signature == inspect.signature(double) and function.mode == "auto"
    function(40)
    assert function.mode == "lazy" and len(list((tmp_path / "debug").iterdir())) == 2


def test_methods():
    lazy, direct = tilelang.jit(out_idx=-1)(double), tilelang.jit(eager)
    assert lazy.initialize_jit_mode(40) == "lazy" and direct.initialize_jit_mode() == "eager"
    a = torch.randn(40, device=DEVICE)
    assert "main" in lazy.get_tir(40).script() and "eager" in direct.get_tir(a).script()
    kernel = lazy.compile(40)
    assert kernel is lazy(40) and lazy.get_kernel_source(40) == kernel.get_kernel_source()
    assert lazy.par_compile([{"N": 40}])[0].get_kernel_source() == kernel.get_kernel_source()
    assert lazy.parse_cache_key(40, __tune_params={"block": 64}) == lazy.parse_cache_key(40, block=64) != lazy.parse_cache_key(40)
    torch.testing.assert_close(kernel(a), a.exp())
    torch.testing.assert_close(direct(a), a)


TYPED = """
from typing import Any
from typing_extensions import assert_type
from tilelang.jit import JITImpl, JITKernel, compile, jit

def make(n: int) -> Any: ...

assert_type(jit(make), JITImpl)
assert_type(jit(out_idx=[-1])(make), JITImpl)
assert_type(compile(make(3)), JITKernel)
jit(out_index=1)  # wrong: no such keyword
jit(make, [-1])  # wrong: keywords only
"""


def test_types(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "typed.py").write_text(TYPED)
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--no-pretty", str(tmp_path / "typed.py")]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    wrong = [number for number, line in enumerate(TYPED.splitlines(), 1) if "# wrong" in line]
    assert [int(line) for line in re.findall(r"typed\.py:(\d+): error", said)] == wrong, said


PAGE = (ROOT / "docs" / "jit.md").read_text()


@pytest.mark.parametrize("program", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL), ids=["lazy", "eager", "interpreted"])
def test_programs_of_the_page(program, tmp_path):
    (tmp_path / "program.py").write_text(program)  # a file: the function's text is read from it
    exec(compile(program, str(tmp_path / "program.py"), "exec"), {"__name__": "program"})


def test_program_of_the_readme(tmp_path):
    program = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0]
    (tmp_path / "program.py").write_text(program)
    given = {"a": torch.randn(1024, 1024, device=DEVICE).half(), "b": torch.randn(1024, 1024, device=DEVICE).half()}
    namespace = {"__name__": "program", **given}
    exec(compile(program, str(tmp_path / "program.py"), "exec"), namespace)
    torch.testing.assert_close(namespace["c"], given["a"] @ given["b"], rtol=1e-2, atol=0.1)


def test_tests_of_the_table_exist():
    for row in re.findall(r"^\| \w+ \|.*", PAGE, re.MULTILINE):
        file = ""
        for named in re.findall(r"`([\w/.:]+)`", row.rsplit("|", 2)[1]):
            path, _, test = named.rpartition("::") if "::" in named or named.startswith("test_") else (named, "", "")
            file = path or file
            assert (ROOT / "testing" / file).exists(), row
            assert not test or re.search(rf"(def|class) {test}\b", (ROOT / "testing" / file).read_text()), row

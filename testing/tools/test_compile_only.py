"""Compiling for a GPU that is not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import tilelang.language as T
from testing.subprocesses import ROOT, module_path
from tilelang.errors import ArgumentError
from tilelang.tools.compile_only import compile_only

PROGRAM = """
import tilelang.language as T

@T.prim_func
def fill(A: T.Tensor((32,), "float32")):
    with T.Kernel(1, threads=32):
        for i in T.Parallel(32):
            A[i] = 1.0
"""


@T.prim_func
def fill(A: T.Tensor((32,), "float32")):
    with T.Kernel(1, threads=32):
        for i in T.Parallel(32):
            A[i] = 1.0


@pytest.fixture(autouse=True)
def compiled_for_gpus(monkeypatch):
    """TILELANG_SIMULATE would make simulated kernels of these, which have no cubin."""
    monkeypatch.delenv("TILELANG_SIMULATE", raising=False)


def test_forms(tmp_path):
    outputs = [tmp_path / "new" / f"fill.{end}" for end in ("cubin", "cu", "ptx", "json")]
    kernel = compile_only(fill, "sm_90a", output=outputs)
    cubin, text, ptx, plan = (path.read_bytes() for path in outputs)
    assert cubin == kernel.artifact.payload and cubin[:4] == b"\x7fELF" and b"__global__" in text and b".target sm_90a" in ptx
    assert "fill" in json.dumps(json.loads(plan))
    with pytest.raises(ArgumentError, match=r"\.exe"):
        compile_only(fill, "sm_90a", output=tmp_path / "fill.exe")


def test_cpu(tmp_path):
    compile_only(fill, "c", output=tmp_path / "fill.so")
    assert (tmp_path / "fill.so").read_bytes()[:4] == b"\x7fELF"


def test_module(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "tilelang.tools.compile_only", f"{tmp_path}/program.py:fill", "--target", "sm_80"]
    environment = {**os.environ, "PYTHONPATH": module_path(ROOT), "TILELANG_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([*command, "-o", f"{tmp_path}/fill.cubin"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "fill.cubin").read_bytes()[:4] == b"\x7fELF"

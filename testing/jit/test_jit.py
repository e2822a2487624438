"""@tilelang.jit and tilelang.compile: modes, memo, disk cache, errors."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import ArgumentError, ArgumentTypeError, TileLangError
from tilelang.jit import compiler as jit_compiler

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
FACTOR = 2.0


@tilelang.jit(out_idx=[-1])
def scaled_add(N, block=128, dtype="float32"):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype), C: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, block), threads=64) as bx:
            for i in T.Parallel(block):
                C[bx * block + i] = A[bx * block + i] + B[bx * block + i] * FACTOR

    return main


@tilelang.jit
def eager_add(A, B, block: int = 64):
    N = T.const("N")
    A: T.Tensor((N,), "float32")
    B: T.Tensor((N,), "float32")
    C = T.empty((N,), "float32")
    with T.Kernel(T.ceildiv(N, block), threads=64) as bx:
        for i in T.Parallel(block):
            C[bx * block + i] = A[bx * block + i] + B[bx * block + i]
    return C


def make_dynamic():
    n = T.dynamic("n")

    @T.prim_func
    def dynamic_add(A: T.Tensor((n,), "float32"), C: T.Tensor((n,), "float32")):
        with T.Kernel(T.ceildiv(n, 64), threads=64) as bx:
            for i in T.Parallel(64):
                C[bx * 64 + i] = A[bx * 64 + i] + 1.0

    return dynamic_add


@pytest.fixture
def builds(monkeypatch, tmp_path):
    """A cache of the test's own, and the names of the kernels that were really compiled."""
    monkeypatch.setenv("TILELANG_CACHE_DIR", str(tmp_path / "cache"))
    names = []
    real = jit_compiler._build
    monkeypatch.setattr(jit_compiler, "_build", lambda program: names.append(program.plan.name) or real(program))
    return names


def test_lazy(builds):
    kernel = scaled_add(1000)
    assert isinstance(kernel, tilelang.JITKernel) and scaled_add.mode == "lazy"
    a, b = torch.randn(1000, device=DEVICE), torch.randn(1000, device=DEVICE)
    torch.testing.assert_close(kernel(a, b), a + 2 * b)
    assert scaled_add(1000) is kernel
    assert scaled_add(1000, block=64) is not kernel


def test_eager(builds):
    for n in (1000, 1000, 77):
        a, b = torch.randn(n, device=DEVICE), torch.randn(n, device=DEVICE)
        torch.testing.assert_close(eager_add(a, b), a + b)
    assert eager_add.mode == "eager" and len(builds) <= 2


def test_compile_of_a_prim_func(builds):
    kernel = tilelang.compile(make_dynamic(), out_idx=-1)
    for n in (0, 1, 64, 1001):
        a = torch.randn(n, device=DEVICE)
        torch.testing.assert_close(kernel(a), a + 1)
    for kind in (ArgumentTypeError, AssertionError):
        with pytest.raises(kind, match="must be a PrimFunc but got int"):
            tilelang.compile(3)
    with pytest.raises(ArgumentTypeError, match="scaled_add"):
        tilelang.compile(scaled_add)


def test_jit_over_prim_func(builds):
    kernel = tilelang.jit(out_idx=[1])(make_dynamic())
    a = torch.randn(10, device=DEVICE)
    torch.testing.assert_close(kernel(a), a + 1)


def test_given_outputs(builds):
    kernel = tilelang.compile(make_dynamic())
    a, c = torch.randn(70, device=DEVICE), torch.full((70,), torch.nan, device=DEVICE)
    assert kernel(a, c) is None
    torch.testing.assert_close(c, a + 1)


def test_the_disk_cache_serves_a_second_kernel_object(builds):
    first = tilelang.compile(make_dynamic(), out_idx=-1)
    second = tilelang.compile(make_dynamic(), out_idx=-1)
    assert builds == ["dynamic_add"] and second.get_kernel_source() == first.get_kernel_source()
    a = torch.randn(10, device=DEVICE)
    torch.testing.assert_close(second(a), a + 1)
    assert "dynamic_add" in second.prim_func.script()


def test_disabled_cache(builds, monkeypatch, tmp_path):
    monkeypatch.setenv("TILELANG_DISABLE_CACHE", "1")
    for _ in range(2):
        kernel = tilelang.compile(make_dynamic(), out_idx=-1)
        a = torch.randn(10, device=DEVICE)
        torch.testing.assert_close(kernel(a), a + 1)
    assert len(builds) == 2 and not (tmp_path / "cache" / "entries").exists()


def test_a_changed_global_is_seen(builds, monkeypatch):
    a, b = torch.randn(33, device=DEVICE), torch.randn(33, device=DEVICE)
    torch.testing.assert_close(scaled_add(33)(a, b), a + 2 * b)
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    torch.testing.assert_close(scaled_add(33)(a, b), a + 3 * b)


def test_out_idx_conflict(builds):
    @T.prim_func
    def returns(A: T.Tensor((8,), "float32")):
        C = T.empty((8,), "float32")
        with T.Kernel(1, threads=32):
            for i in T.Parallel(8):
                C[i] = A[i]
        return C

    a = torch.randn(8, device=DEVICE)
    torch.testing.assert_close(tilelang.compile(returns)(a), a)
    with pytest.raises(ValueError, match="Out index conflict"):
        tilelang.compile(returns, out_idx=0)


@pytest.mark.parametrize("out_idx", [2, -3, [0, 0], ["C"]])
def test_wrong_out_idx(builds, out_idx):
    with pytest.raises(ArgumentError):
        tilelang.compile(make_dynamic(), out_idx=out_idx)


def test_not_a_prim_func():
    @tilelang.jit
    def wrong(x):
        return x

    with pytest.raises((TileLangError, TypeError)):
        wrong(3)


def test_inspection(builds, tmp_path, capsys):
    kernel = tilelang.compile(make_dynamic(), out_idx=-1)
    kernel.show_passes()
    assert "====" in capsys.readouterr().out
    assert "__global__" in kernel.get_kernel_source()
    decorated = tilelang.jit(out_idx=[-1], debug_root_path=str(tmp_path / "debug"))(scaled_add.func)
    decorated(50)
    assert {p.name for p in (tmp_path / "debug").iterdir()} == {"tilelang_jit_kernel_main.c", "tilelang_jit_program_main.py"}


def test_a_hit_in_a_fresh_process_loads_no_tvm(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "import sys\n"
        "class Refuse:\n"  # whoever imports it is in the traceback
        "    def find_spec(self, name, path=None, target=None):\n"
        "        assert name not in refused, f'a warm process imports {name}'\n"
        "refused = ['tvm', 'torch'] if sys.argv[1] == 'warm' else []\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import tilelang, tilelang.language as T\n"
        "@tilelang.jit(out_idx=[-1])\n"
        "def make(N):\n"
        "    @T.prim_func\n"
        "    def main(A: T.Tensor((N,), 'float32'), C: T.Tensor((N,), 'float32')):\n"
        "        with T.Kernel(1, threads=32):\n"
        "            for i in T.Parallel(N):\n"
        "                C[i] = A[i]\n"
        "    return main\n"
        "kernel = make(16)\n"
        "print('tvm' in sys.modules, 'torch' in sys.modules, len(kernel.get_kernel_source()) > 0)\n"
        "refused = refused[:1]\n"
        "import torch\n"
        "a = torch.randn(16, device='cuda' if torch.cuda.is_available() else 'cpu')\n"
        "assert torch.equal(kernel(a), a)\n"
        "assert ('tvm' in sys.modules) == (sys.argv[1] == 'cold')\n"
    )
    environment = {
        **os.environ,
        "TILELANG_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    outputs = []
    for phase in ("cold", "warm"):
        done = subprocess.run([sys.executable, str(script), phase], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout.split())
    assert outputs == [["True", outputs[0][1], "True"], ["False", "False", "True"]], done.stderr


def test_run_once():
    assert scaled_add(100).run_once(lambda a, b: (a.shape, b.shape)) == ((100,), (100,))
    assert scaled_add(100).run_once().shape == (100,)


def test_resources_are_kept_in_the_cache(builds, monkeypatch):
    """Registers are known without ptxas once a kernel was compiled for a GPU."""
    monkeypatch.delenv("TILELANG_SIMULATE", raising=False)
    target = {"kind": "cuda", "arch": "sm_90a"}
    kernels = [tilelang.compile(make_dynamic(), target=target, execution_backend="tvm_ffi") for _ in range(2)]
    assert len(builds) == 1 and kernels[0].artifact.resources == kernels[1].artifact.resources != ()
    assert kernels[1].n_regs > 0 and kernels[1].n_spills == 0 and set(kernels[1].resource_usage) == {"dynamic_add_kernel"}

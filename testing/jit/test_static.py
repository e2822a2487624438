"""Static and dynamic functions, inferred modes, graphs as text."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import SpecializationError
from tilelang.jit import ShapeDtype
from tilelang.target import Target, device_arch

TARGET = Target("cuda", device_arch() or "sm_90a", simulated=device_arch() is None)
DEVICE = "cpu" if TARGET.simulated else "cuda"
SLOPE = 2.0


def make(N, negate=False):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), C: T.Tensor((N,), "float32")):
        with T.Kernel(1, threads=32):
            for i in T.Parallel(N):
                C[i] = A[i] * (-SLOPE if negate else SLOPE)

    return main


def scale(A, negate: bool = False):
    N = T.const("N")
    A: T.Tensor((N,), "float32")
    C = T.empty((N,), "float32")
    with T.Kernel(1, threads=32):
        for i in T.Parallel(N):
            C[i] = A[i] * (-SLOPE if negate else SLOPE)
    return C


def tensor(n):
    return torch.randn(n, device=DEVICE)


def test_both_forms_keep_the_name():
    for decorated in (tilelang.jit(make), tilelang.jit(out_idx=-1)(make), tilelang.djit(make), tilelang.djit(out_idx=-1)(make)):
        assert (
            decorated.__name__ == "make"
            and decorated.__wrapped__ is make
            and list(decorated.signature.parameters) == ["N", "negate"]
        )


def test_static_pins_the_first_specialization():
    lazy = tilelang.jit(out_idx=-1, static=True, target=TARGET)(make)
    kernel, a = lazy(32), tensor(32)
    assert torch.equal(kernel(a), a * 2) and lazy(32) is kernel
    with pytest.raises(SpecializationError, match="argument 0: pinned 32, got 64"):
        lazy(64)
    eager = tilelang.jit(static=True, target=TARGET)(scale)
    assert torch.equal(eager(a), a * 2)
    with pytest.raises(SpecializationError, match="N: pinned 32, got 40"):
        eager(tensor(40))
    with pytest.raises(SpecializationError, match="negate"):
        eager(a, negate=True)


def test_dynamic_functions_follow_globals_and_branches(monkeypatch):
    lazy, eager, a = tilelang.djit(out_idx=-1, target=TARGET)(make), tilelang.djit(target=TARGET)(scale), tensor(32)
    for slope in (2.0, 3.0, 2.0):
        monkeypatch.setitem(globals(), "SLOPE", slope)
        assert torch.equal(lazy(32)(a), a * slope) and torch.equal(eager(a), a * slope)
    assert (lazy.stats.misses, lazy.stats.hits) == (2, 1) == (eager.stats.misses, eager.stats.hits)
    assert torch.equal(eager(a, negate=True), a * -2)  # the second branch
    assert lazy.stats.hit_rate == 1 / 3 and lazy.stats.compile_s > 0
    lazy.clear_cache()
    assert lazy.stats.misses == 0 and not tilelang.is_jitted(lazy)


def test_the_value_of_a_tensor_is_never_baked_in():
    def branches(A, flag):
        N = T.const("N")
        A: T.Tensor((N,), "float32")
        C = T.empty((N,), "float32")
        with T.Kernel(1, threads=32):
            if A > 0:
                for i in T.Parallel(N):
                    C[i] = A[i]
        return C

    with pytest.raises((tilelang.errors.TileLangError, TypeError)):
        tilelang.jit(target=TARGET)(branches)(tensor(32), True)


def test_inference_runs_a_body_once():
    calls = []

    @tilelang.jit(out_idx=-1, target=TARGET)
    def through_a_helper(n):
        calls.append(n)
        return make(n)

    a = tensor(32)
    assert torch.equal(through_a_helper(32)(a), a * 2) and through_a_helper.mode == "lazy" and calls == [32]
    through_a_helper(40)
    assert calls == [32, 40]


def test_signatures():
    lazy = tilelang.jit(out_idx=-1, target=TARGET)(make)
    assert lazy.signatures == {} and not tilelang.is_jitted(lazy)
    kernel = lazy(32)
    (found,) = lazy.signatures.values()
    assert tilelang.is_jitted(lazy) and tilelang.is_jitted(kernel) and found.digest == kernel.signatures[0].digest
    assert found.args == (("A", "float32", (32,), "in"), ("C", "float32", (32,), "out"))
    lazy(40)
    assert len(lazy.signatures) == 2 and lazy.parse_cache_key(32) != lazy.parse_cache_key(40)


def test_wrong_keywords():
    lazy, eager = tilelang.jit(target=TARGET)(make), tilelang.jit(target=TARGET)(scale)
    with pytest.raises(TypeError, match="negated"):
        lazy(32, negated=True)
    with pytest.raises(TypeError, match="negated"):
        eager(tensor(32), negated=True)


XPR = """\
main(A: float32[64, 32], B: float32[32, 64], C: float32[64, 64])
  launch grid=(1) threads=128
    A_s = alloc shared float32[64, 32]
    B_s = alloc shared float32[32, 64]
    C_f = alloc fragment float32[64, 64]
    fill C_f[64, 64], T.float32(0.0)
    pipelined[2] k in 1
      copy A[by * 64 : +64, k * 32 : +32], A_s[64, 32]
      copy B[k * 32 : +32, bx * 64 : +64], B_s[32, 64]
      gemm A_s[64, 32], B_s[32, 64], C_f[64, 64], T.bool(False)
    copy C_f[64, 64], C[by * 64 : +64, bx * 64 : +64]"""


def matmul(M, N, K):
    @T.prim_func
    def main(A: T.Tensor((M, K), "float32"), B: T.Tensor((K, N), "float32"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, 64), T.ceildiv(M, 64), threads=128) as (bx, by):
            A_s = T.alloc_shared((64, 32), "float32")
            B_s = T.alloc_shared((32, 64), "float32")
            C_f = T.alloc_fragment((64, 64), "float32")
            T.clear(C_f)
            for k in T.Pipelined(T.ceildiv(K, 32), num_stages=2):
                T.copy(A[by * 64, k * 32], A_s)
                T.copy(B[k * 32, bx * 64], B_s)
                T.gemm(A_s, B_s, C_f)
            T.copy(C_f, C[by * 64, bx * 64])

    return main


def test_xpr():
    function = tilelang.jit(matmul)
    text = tilelang.xpr(function, 64, 64, 32)
    assert text == XPR
    assert tilelang.xpr(matmul(64, 64, 32)) == text and "\x1b" not in text
    assert tilelang.xpr(function, [64, {"n": 64}], (32,)) == text and "\x1b[1m" in tilelang.xpr(function, 64, 64, 32, color=True)


def test_xpr_takes_shapes_for_tensors():
    eager = tilelang.jit(scale)
    assert tilelang.xpr(eager, ShapeDtype((32,), "float32")) == tilelang.xpr(eager, torch.zeros(32))
    assert "-> C" in tilelang.xpr(eager, ShapeDtype((32,)))
    with pytest.raises(TypeError):
        tilelang.xpr(3)


def test_xpr_starts_no_process(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **kwargs: pytest.fail("a process was started"))
    tilelang.xpr(tilelang.jit(matmul), 128, 128, 64)


def test_show_graph(capsys):
    shown = tilelang.jit(out_idx=-1, show_graph=True, target=TARGET)(make)
    shown(32), shown(32)
    assert capsys.readouterr().out.count("main(A: float32[32]") == 1
    texts = []
    tilelang.djit(out_idx=-1, show_graph=texts.append, target=TARGET)(make)(32)
    file = io.StringIO()
    tilelang.jit(out_idx=-1, show_graph=file, target=TARGET)(make)(32)  # also where the kernel comes from the disk cache
    assert file.getvalue() == texts[0] + "\n"


def test_submodules_and_names():
    code = (
        "import importlib, tilelang\n"
        "for name in ('adapter', 'env', 'exceptions', 'execution_backend', 'kernel', 'param'):\n"
        "    importlib.import_module(f'tilelang.jit.{name}')\n"
        "from tilelang.jit import ExecutionBackend, JITImpl, compile, jit, logger, par_compile\n"
        "assert tilelang.jit.jit is jit and callable(tilelang.jit)\n"
        "import pickle; assert pickle.loads(pickle.dumps(tilelang.jit)) is tilelang.jit\n"
        "assert tilelang.jit.JITImpl is JITImpl and tilelang.jit.no_jit.name == 'no_jit'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

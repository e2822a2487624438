"""JITKernel over hand-written text: the simulator and the launcher without the compiler."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.cache import Artifact
from tilelang.codegen.launch_plan import KernelArgument, KernelLaunch, LaunchPlan, Parameter
from tilelang.errors import ArgumentError, CompilationError, ShapeError, SimulationError, TileLangError, UnavailableError
from tilelang.jit import JITKernel
from tilelang.jit.options import resolve_options
from tilelang.profiler import TensorSupplyType, do_bench
from tilelang.remarks import Remark, Remarks
from tilelang.simulator import compile_kernel
from tilelang.target import device_arch
from tilelang.toolchain import compile_cubin
from tilelang.toolchain.disassemble import disassemble

TEXT = """#include <tl/core.h>
extern "C" __global__ void __launch_bounds__(128)
add_kernel(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C, int32_t n, int32_t s) {
  int32_t i = blockIdx.x * 128 + threadIdx.x;
  if (i < n) C[i] = A[i * s] + B[i];
}
TL_ENTRY(add_kernel)
"""

PLAN = LaunchPlan(
    "add",
    (
        Parameter("A", "tensor", "float32", ("n",), strides=("s",), alignment=4),
        Parameter("B", "tensor", "float32", ("n",)),
        Parameter("C", "tensor", "float32", ("n",), output=True),
    ),
    (
        KernelLaunch(
            "add_kernel",
            (["ceildiv", "n", 128], 1, 1),
            (128, 1, 1),
            0,
            (*(KernelArgument("tensor", i, "float32") for i in range(3)), *(KernelArgument("symbol", s, "int32") for s in "ns")),
        ),
    ),
    {"n": "int32", "s": "int32"},
    (2,),
)


@pytest.fixture(scope="module")
def kernel():
    artifact = Artifact("simulator", PLAN, TEXT, compile_kernel(TEXT, ["add_kernel"]), Remarks([Remark("missed", "a remark")]))
    return JITKernel(artifact, resolve_options("cuda", "simulator"), lambda: "the program")


@pytest.mark.parametrize("n", [0, 1, 127, 128, 1000])
def test_call(kernel, n):
    a, b = torch.randn(2 * n + 1), torch.randn(n)
    torch.testing.assert_close(kernel(a[1::2], b), a[1::2] + b)


def test_arguments_by_name(kernel):
    a, b = torch.randn(9), torch.randn(9)
    torch.testing.assert_close(kernel(B=b, A=a), a + b)
    torch.testing.assert_close(kernel(a, B=b), a + b)
    for args, kwargs, words in (
        ((a,), {}, "expected 2 inputs"),
        ((a,), {"A": a}, "given twice"),
        ((a,), {"D": b}, "no argument `D`"),
        ((), {"A": a}, "misses argument `B`"),
        ((a, b, a), {"A": a}, "expected 2 inputs"),
    ):
        with pytest.raises(ArgumentError, match=words):
            kernel(*args, **kwargs)


def test_inspection(kernel, tmp_path, capsys):
    assert kernel.get_kernel_source() == TEXT and str(kernel.remarks) == "a remark"
    assert kernel.out_idx == [2] and [p.name for p in kernel.params] == ["A", "B", "C"]
    assert kernel.params[0].torch_dtype() == torch.float32 and kernel.params[0].is_symbolic()
    assert kernel.prim_func == "the program" and kernel.target.simulated
    assert LaunchPlan.from_json(kernel.get_host_source()).name == "add"
    kernel.show_source("both")
    assert "add_kernel" in capsys.readouterr().out
    kernel.export_sources(tmp_path / "new" / "k.cu")
    assert (tmp_path / "new" / "k.cu").read_text() == TEXT


def test_machine_code(kernel, tmp_path, capsys):
    """Also of a simulated kernel: the same text is compiled for its architecture."""
    kernel.show_ptx()
    kernel.export_ptx(tmp_path / "new" / "k.ptx")
    text = (tmp_path / "new" / "k.ptx").read_text()
    assert ".entry add_kernel" in text and text in capsys.readouterr().out
    used = kernel.resource_usage["add_kernel"]
    assert kernel.n_regs == used.registers > 0 and kernel.n_spills == used.stack_bytes == 0


def test_sass_comes_from_the_toolkit(kernel, tmp_path, capsys, monkeypatch):
    fake = tmp_path / "bin" / "nvdisasm"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nhead -c 4 "$2" | tail -c 3; echo " /*0000*/ EXIT"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    kernel.export_sass(tmp_path / "k.sass")
    kernel.show_sass()
    assert (tmp_path / "k.sass").read_text() == capsys.readouterr().out.removesuffix("\n") == "ELF /*0000*/ EXIT\n"


def test_sass_without_the_toolkit(monkeypatch):
    monkeypatch.setattr("tilelang.toolchain.disassemble.find_tool", lambda name: None)
    with pytest.raises(UnavailableError, match="(?s)`add` needs nvdisasm or cuobjdump.*Fix: pip install nvidia-cuda-nvdisasm"):
        disassemble(b"", "add")


def test_a_disassembler_that_fails(tmp_path, monkeypatch):
    fake = tmp_path / "nvdisasm"
    fake.write_text("#!/bin/sh\necho 'unknown architecture' >&2; exit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr("tilelang.toolchain.disassemble.find_tool", lambda name: fake)
    with pytest.raises(CompilationError, match="could not read the cubin of `add`") as caught:
        disassemble(b"", "add")
    assert "unknown architecture" in caught.value.log and "unknown architecture" not in str(caught.value)


def test_tuner_result(kernel):
    with pytest.raises(ValueError, match="`add` has no tuner result"):
        kernel.get_tuner_result()
    try:
        assert kernel.update_tuner_result(0.5, {"bm": 64}, 1.0) is kernel
        assert kernel.get_tuner_result() == {"latency": 0.5, "config": {"bm": 64}, "ref_latency": 1.0}
    finally:
        kernel.update_tuner_result(None, None)


def test_functions_behind_the_call(kernel):
    a, b = torch.randn(9), torch.randn(9)
    torch.testing.assert_close(kernel.torch_function(a, b), a + b)
    with pytest.raises(ShapeError, match="symbolic"):
        kernel.run_once()


def test_profiler(kernel):
    profiler = kernel.get_profiler(TensorSupplyType.Randn)
    with pytest.raises(ShapeError, match="symbolic"):
        profiler.run_once()
    inputs = [torch.randn(50), torch.randn(50)]
    profiler.assert_allclose(torch.add, inputs)
    with pytest.raises(AssertionError, match="elements differ"):
        profiler.assert_allclose(torch.sub, inputs)
    assert profiler.do_bench(dynamic_symbolic_constraints={"n": 64}, n_repeat=2) > 0
    assert len(profiler.do_bench(input_tensors=inputs, n_repeat=3, quantiles=[0.2, 0.5, 0.8])) == 3


def test_do_bench_counts():
    calls = []
    assert do_bench(lambda: calls.append(1), backend="wall", _n_repeat=7, return_mode="min") >= 0
    assert len(calls) >= 7


def test_a_fault_is_reported_with_its_place():
    text = TEXT.replace("C[i] =", "C[i + (int64_t(1) << 44)] =")
    artifact = Artifact("simulator", PLAN, text, compile_kernel(text, ["add_kernel"]))
    with pytest.raises(SimulationError):
        JITKernel(artifact, resolve_options("cuda", "simulator"), lambda: None)(torch.randn(4), torch.randn(4))


@pytest.mark.skipif(device_arch() is not None, reason="says what happens without a GPU")
def test_native_kernel_without_a_gpu(monkeypatch):
    monkeypatch.delenv("TILELANG_SIMULATE", raising=False)
    options = resolve_options({"kind": "cuda", "arch": "sm_90a"}, "tvm_ffi")
    native = JITKernel(Artifact("cuda", PLAN, TEXT, compile_cubin(TEXT, "sm_90a", name="add")), options, lambda: None)
    with pytest.raises(ArgumentError, match="is on cpu.*runs on CUDA"):
        native(torch.randn(4), torch.randn(4))
    scalar_only = LaunchPlan("nothing", (), (KernelLaunch("add_kernel", (1, 1, 1), (1, 1, 1), 0, ()),))
    with pytest.raises((UnavailableError, RuntimeError, AssertionError)):
        JITKernel(Artifact("cuda", scalar_only, TEXT, b"\x7fELF"), options, lambda: None)()


@pytest.mark.gpu
@pytest.mark.skipif(device_arch() is None, reason="needs a GPU")
@pytest.mark.parametrize("n", [0, 1, 127, 128, 100_000])
def test_native_kernel_on_a_gpu(n):
    options = resolve_options("cuda", "tvm_ffi")
    cubin = compile_cubin(TEXT, options.target.arch, name="add")
    native = JITKernel(Artifact("cuda", PLAN, TEXT, cubin), options, lambda: None)
    a, b = torch.randn(2 * n + 1, device="cuda"), torch.randn(n, device="cuda")
    torch.testing.assert_close(native(a[1::2], b), a[1::2] + b)
    with torch.cuda.stream(torch.cuda.Stream()) as stream:
        c = native(a[1::2], b)
    torch.cuda.synchronize(stream)
    torch.testing.assert_close(c, a[1::2] + b)


def test_kernels_as_files(tmp_path):
    """Sources whose build.sh makes a binary again, and an exported kernel that runs without being compiled."""
    options = resolve_options("cuda", "simulator")
    kernel = JITKernel(Artifact("simulator", PLAN, TEXT, compile_kernel(TEXT, ["add_kernel"])), options, lambda: Program())
    files = kernel.export_sources(tmp_path / "all")
    assert {"tir.py", "kernel.cu", "host.json", "launch.json", "kernel_info.txt", "build.sh", "kernel.ptx"} <= set(files)
    subprocess.run([str(files["build.sh"])], check=True)
    assert b"add_kernel__sim\0" in (tmp_path / "all" / "kernel.so").read_bytes()
    assert set(kernel.export_sources(tmp_path / "k.cu", tmp_path / "plan.json")) == {"k.cu", "plan.json"}

    assert kernel.export_library(tmp_path / "k.so").read_bytes() == kernel.artifact.payload
    kernel.export_library(tmp_path / "k.zip")
    loaded = JITKernel.from_database(tmp_path / "k.zip")
    a, b = torch.randn(9), torch.randn(9)
    torch.testing.assert_close(loaded(a, b), a + b)
    with pytest.raises(NotImplementedError, match="loaded from a file"):
        loaded.prim_func  # noqa: B018
    with pytest.raises(NotImplementedError, match=r"k.dll.*\n.*\n.*\.so.*\.zip"):
        kernel.export_library(tmp_path / "k.dll")
    (tmp_path / "bad.zip").write_bytes((tmp_path / "k.zip").read_bytes()[:200])
    with pytest.raises(TileLangError, match="bad.zip is no exported kernel"):
        JITKernel.from_database(tmp_path / "bad.zip")


def test_a_cpu_kernel_as_a_module_of_its_own(tmp_path):
    """Row A6: it is imported where this package is not, checks its arguments, and works on NumPy arrays."""
    n = T.dynamic("n")

    @T.prim_func
    def scale(A: T.Tensor((n, 8), "float32"), factor: T.float32, B: T.Tensor((n, 8), "float32"), C: T.Tensor((n,), "int64")):
        with T.Kernel(T.ceildiv(n, 4), threads=32) as bx:
            for i, j in T.Parallel(4, 8):
                B[bx * 4 + i, j] = A[bx * 4 + i, j] * factor
            for i in T.Parallel(4):
                C[bx * 4 + i] = bx * 4 + i

    kernel = tilelang.compile(scale, out_idx=[2, 3], target="c")
    assert kernel.export_library(tmp_path / "own.py") == tmp_path / "own.py"
    (tmp_path / "use.py").write_text(
        "import sys; sys.modules['tilelang'] = sys.modules['torch'] = None\n"
        "import numpy, own\n"
        "a = numpy.arange(72, dtype=numpy.float32).reshape(9, 8)\n"
        "b, c = own.scale(a, 2.5)\n"
        "assert numpy.array_equal(b, a * 2.5) and numpy.array_equal(c, numpy.arange(9)) and c.dtype == numpy.int64\n"
        "assert own.scale(a[:0], 1.0)[0].shape == (0, 8)\n"
        "for wrong in [(a,), (a.astype('f8'), 1.0), (a[:, :4].copy(), 1.0), (a.T, 1.0), (a[0], 1.0)]:\n"
        "    try:\n        own.scale(*wrong)\n"
        "    except (TypeError, ValueError) as error:\n        print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run([sys.executable, "use.py"], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    words = ["takes A, factor", "array of float32", "shape (9, 8)", "contiguous", "2 dimensions"]
    said = done.stdout.splitlines()
    assert len(said) == len(words) and all(word in line for word, line in zip(words, said)), said


class Program:
    def script(self):
        return "the program"

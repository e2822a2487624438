"""The CUDA back end against a driver that writes down what it is asked: contexts, modules, streams, attributes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from testing.runtime.fake_cuda import DRIVER
from testing.subprocesses import ROOT, module_path

PROGRAM = """
import ctypes
import sys

from testing.runtime.fake_cuda import CudaTensor, ExchangedTensor
from tilelang.codegen.launch_plan import KernelArgument, KernelLaunch, LaunchPlan, Parameter
from tilelang.errors import TileLangError
from tilelang.runtime import Binary, Launcher


def plan(**launch):
    kernel = dict(grid=(["ceildiv", "n", 64], 1, 1), block=(64, 1, 1), shared_bytes=0)
    arguments = (KernelArgument("tensor", 0, "float32"), KernelArgument("symbol", "n", "int32"))
    return LaunchPlan(
        "k",
        (Parameter("A", "tensor", "float32", ("n",)), Parameter("B", "tensor", "float32", ("n",), used=False)),
        (KernelLaunch(name="k", arguments=arguments, **{**kernel, **launch}),),
        {"n": "int32"},
    )


def attempt(call, *args):
    try:
        call(*args)
    except TileLangError as error:
        print(type(error).__name__, str(error).splitlines()[0])


"""


@pytest.fixture(scope="module")
def fake_driver(tmp_path_factory):
    directory = tmp_path_factory.mktemp("driver")
    (directory / "driver.cc").write_text(DRIVER)
    command = ["g++", "-shared", "-fPIC", "-o", str(directory / "libcuda.so.1"), str(directory / "driver.cc")]
    subprocess.run(command, check=True)
    return directory


@pytest.fixture
def run(fake_driver, tmp_path):
    """Runs lines of a program on the fake driver; returns what they printed and what the driver was asked."""

    def execute(lines: str) -> tuple[list[str], list[str]]:
        log = tmp_path / "log"
        # An empty entry would mean the current directory.
        path = os.pathsep.join(filter(None, [str(fake_driver), os.environ.get("LD_LIBRARY_PATH")]))
        environment = {**os.environ, "LD_LIBRARY_PATH": path, "FAKE_CUDA_LOG": str(log), "PYTHONPATH": module_path(ROOT)}
        done = subprocess.run([sys.executable, "-c", PROGRAM + lines], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines(), log.read_text().splitlines() if log.exists() else []

    return execute


def test_launches(run):
    printed, asked = run(
        "import tvm_ffi\n"
        "kernel = Launcher(plan(), Binary.cuda(b'cubin'))\n"
        "kernel(CudaTensor(100), None)\n"
        "kernel(CudaTensor(0), None)\n"
        "kernel(CudaTensor(65, address=8192, byte_offset=32), None)\n"
        "with tvm_ffi.use_raw_stream(tvm_ffi.device('cuda', 0), 42):\n"
        "    kernel(CudaTensor(1), None)\n"
        "kernel(CudaTensor(1, device=1), None)\n"
    )
    assert not printed
    assert asked == [
        *("push 100", "load", "pop"),
        *("push 100", "launch grid 2 1 1 block 64 shared 0 stream 0 cluster 1 of 0: address 4096 n 100", "pop"),
        *("push 100", "pop"),
        *("push 100", "launch grid 2 1 1 block 64 shared 0 stream 0 cluster 1 of 0: address 8224 n 65", "pop"),
        *("push 100", "launch grid 1 1 1 block 64 shared 0 stream 42 cluster 1 of 0: address 4096 n 1", "pop"),
        *("push 101", "load", "pop"),
        *("push 101", "launch grid 1 1 1 block 64 shared 0 stream 0 cluster 1 of 0: address 4096 n 1", "pop"),
    ]


def test_shared_memory_and_clusters(run):
    _, asked = run(
        "Launcher(plan(shared_bytes=48 << 10), Binary.cuda(b'cubin'))(CudaTensor(1), None)\n"
        "Launcher(plan(shared_bytes=200 << 10), Binary.cuda(b'cubin'))(CudaTensor(1), None)\n"
        "Launcher(plan(cluster=(2, 1, 1), grid=(4, 1, 1)), Binary.cuda(b'cubin'))(CudaTensor(1), None)\n"
        "Launcher(plan(cluster=(16, 1, 1), grid=(16, 1, 1)), Binary.cuda(b'cubin'))(CudaTensor(1), None)\n"
    )
    assert [line for line in asked if line.startswith("set")] == [f"set 8 = {200 << 10}", "set 14 = 1"]
    assert any("grid 4 1 1" in line and "cluster 2 of 4:" in line for line in asked)


def test_cooperative_and_overlapping_launches(run):
    printed, asked = run(
        "Launcher(plan(cooperative=True), Binary.cuda(b'cubin'))(CudaTensor(1), None)\n"
        "Launcher(plan(overlaps=True, cluster=(2, 1, 1), grid=(4, 1, 1)), Binary.cuda(b'cubin'))(CudaTensor(1), None)\n"
        "attempt(Launcher(plan(cooperative=True, block=(17, 1, 1)), Binary.cuda(b'cubin')), CudaTensor(4), None)\n"
    )
    assert [line for line in asked if line.startswith("attribute")] == ["attribute 2 = 1", "attribute 6 = 1", "attribute 2 = 1"]
    assert printed[0].startswith("ResourceError") and "T.sync_grid" in printed[0]


def test_errors(run):
    printed, _ = run(
        "kernel = Launcher(plan(), Binary.cuda(b'cubin'))\n"
        "attempt(kernel, CudaTensor(4), CudaTensor(4, device=1))\n"
        "attempt(kernel, CudaTensor(4, byte_offset=4), None)\n"
        "attempt(Launcher(plan(), Binary.cuda(b'X')), CudaTensor(4), None)\n"
        "attempt(Launcher(plan(block=(13, 1, 1)), Binary.cuda(b'cubin')), CudaTensor(4), None)\n"
        "attempt(Launcher(plan(shared_bytes=300 << 10), Binary.cuda(b'cubin')), CudaTensor(4), None)\n"
        "attempt(Launcher(plan(cluster=(2, 1, 1), grid=(3, 1, 1)), Binary.cuda(b'cubin')), CudaTensor(4), None)\n"
    )
    assert [line.split()[0] for line in printed] == [
        "DeviceMismatchError",
        "ArgumentError",
        "UnavailableError",
        "LaunchError",
        "ResourceError",
        "ArgumentError",
    ]
    for line, words in zip(
        printed, ["cuda:1", "multiple of 16", "not compiled for", "illegal memory access", "307200 bytes", "not a multiple"]
    ):
        assert words in line


def test_a_context_that_is_current_is_left_alone(run):
    _, asked = run(
        "kernel = Launcher(plan(), Binary.cuda(b'cubin'))\n"
        "kernel(CudaTensor(1), None)\n"
        "ctypes.CDLL('libcuda.so.1').cuCtxSetCurrent(ctypes.c_void_p(100))\n"
        "kernel(CudaTensor(1), None)\n"
        "kernel(CudaTensor(0, device=1), None)\n"
    )
    launch = "launch grid 1 1 1 block 64 shared 0 stream 0 cluster 1 of 0: address 4096 n 1"
    assert asked == ["push 100", "load", "pop", "push 100", launch, "pop", launch, "push 101", "load", "pop", "push 101", "pop"]


def test_workspaces_without_a_framework_are_the_drivers(run):
    """In stream order, so that the memory may be given back while the launch is still queued."""
    printed, asked = run(
        "from tilelang.codegen.launch_plan import Workspace\n"
        "made = plan()._replace(workspaces=(Workspace('W', 'float32', ('n',), True),))\n"
        "Launcher(made, Binary.cuda(b'cubin'))(CudaTensor(100), None)\n"
        "large = plan()._replace(workspaces=(Workspace('W', 'float32', (1 << 29,)),))\n"
        "attempt(Launcher(large, Binary.cuda(b'cubin')), CudaTensor(4), None)\n"
    )
    launch = "launch grid 2 1 1 block 64 shared 0 stream 0 cluster 1 of 0: address 4096 n 100"
    borrowed = ["borrow 400 stream 0", "clear 400 bytes to 0 stream 0", launch, "give back 36864 stream 0"]
    assert asked[:8] == ["push 100", "load", "pop", "push 100", *borrowed]
    assert asked[8:] == ["pop", "push 100", "load", "pop", "push 100", f"borrow {1 << 31} stream 0", "pop"]
    assert printed == [f"ResourceError TL0400: no memory on the GPU for `W` of {1 << 31} bytes"]


def test_tensors_that_are_read_in_c(run):
    """Frameworks with DLPack's table of functions: its stream, its allocator; nothing of tvm-ffi's Python is imported."""
    printed, asked = run(
        "a, b = plan().parameters\n"
        "made = plan()._replace(parameters=(a, b._replace(output=True)), outputs=(1,))\n"
        "kernel = Launcher(made, Binary.cuda(b'cubin'))\n"
        "out = kernel(ExchangedTensor(100, device=1))\n"
        "print(type(out).__name__, out._managed.tensor.device_id, out._shape[0], out._managed.tensor.data)\n"
        "attempt(kernel, ExchangedTensor(1001))\n"
        "attempt(kernel, ExchangedTensor(4, byte_offset=4))\n"
        "Launcher(plan(), Binary.cuda(b'cubin')).bind(ExchangedTensor(5), None, result='bound')()\n"
        "print('tvm_ffi' in sys.modules)\n"
    )
    assert printed[0] == "ExchangedTensor 1 100 65536"
    assert printed[1].startswith("ResourceError") and "out of made-up memory" in printed[1]
    assert printed[2].startswith("ArgumentError") and "multiple of 16" in printed[2]
    assert printed[3] == "False"
    launches = [line for line in asked if line.startswith("launch")]
    assert launches == [
        "launch grid 2 1 1 block 64 shared 0 stream 7 cluster 1 of 0: address 4096 n 100",
        "launch grid 1 1 1 block 64 shared 0 stream 7 cluster 1 of 0: address 4096 n 5",
    ]


def test_a_missing_driver_is_named(tmp_path):
    """Row C3: the error names the tool and the remedy."""
    lines = (
        "try:\n    Launcher(plan(), Binary.cuda(b'cubin'))(CudaTensor(1), None)\n"
        "except TileLangError as error:\n    print(type(error).__name__, error.tool, '|', error.fix)\n"
    )
    (tmp_path / "libcuda.so.1").write_text("no library")  # found first, and refused
    environment = {**os.environ, "PYTHONPATH": module_path(ROOT), "LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM + lines], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("UnavailableError CUDA driver | install an NVIDIA driver")

"""Adapters that launch from Python ask the driver for what the native launcher asks for: maps, attributes, every argument.

What stands for CuPy here has the names of CuPy 14 that the adapter uses, and no others; what stands for CuTe DSL, where it is
not installed, those of 4.8.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from testing.runtime.fake_cuda import DRIVER
from testing.subprocesses import ROOT, module_path

pytest.importorskip("cuda.bindings")

PROGRAM = """
import contextlib
import sys
import types

from testing.runtime.fake_cuda import ExchangedTensor
from tilelang.codegen.launch_plan import KernelArgument, KernelLaunch, LaunchPlan, Parameter, TensorMap, Workspace
from tilelang.jit.adapter.cupy import CupyAdapter
from tilelang.jit.adapter.cutedsl import CuteDslAdapter
from tilelang.jit.adapter.nvrtc import NvrtcAdapter, checked
from tilelang.runtime import Binary, Launcher
from tilelang.runtime.arguments import TensorView
from tilelang.runtime.errors import LaunchError

rows = ["floordiv", "n", 64]
maps = (
    TensorMap(1, "float16", (64, rows), (64,), (64, 8), 128),
    TensorMap(0, "float8_e4m3fn", (16, 4, rows), (64, 256), (16, 4, 2), 32),
    TensorMap(0, "float32", ("n",), (), (32,), 0),
)
arguments = (
    KernelArgument("tensor", 0, "float32"), KernelArgument("symbol", "n", "int32"), KernelArgument("symbol", "x", "float32"),
    KernelArgument("symbol", "h", "float16"), KernelArgument("symbol", "b", "bfloat16"), KernelArgument("symbol", "k", "int64"),
    KernelArgument("symbol", "d", "float64"), KernelArgument("symbol", "q", "bool"), KernelArgument("symbol", "u", "uint64"),
    *(KernelArgument("tensor_map", i, "uint64") for i in range(3)),
)
scalars = [(argument.value, argument.dtype) for argument in arguments[2:9]]
vector = dict(kind="tensor", dtype="float32", shape=("n",))
plan = LaunchPlan(
    "k",
    (Parameter("A", **vector), Parameter("B", **vector), *(Parameter(n, "scalar", d) for n, d in scalars)),
    (
        KernelLaunch("k", (["ceildiv", "n", 64], 2, 1), (128, 1, 1), 100_000, arguments, (2, 1, 1), maps, cooperative=True),
        KernelLaunch("k", (["floordiv", "n", 4096], 1, 1), (32, 1, 1), 0, arguments, (1, 1, 1), maps),
        KernelLaunch("k", (4, 1, 1), (64, 1, 1), 0, arguments, (1, 1, 1), maps, overlaps=True),
    ),
    {"n": "int32", **dict(scalars)},
)


class FakeArrays:
    def _view(self, value):
        if not isinstance(value, ExchangedTensor):
            return None
        tensor = value._managed.tensor
        return TensorView(tensor.data, "float32", (tensor.shape[0],), (1,), ("cuda", 0))

    def _entered(self, device):
        return contextlib.nullcontext()

    def _stream(self, device):
        return 7


class FakeCupy(types.ModuleType):
    class ndarray:
        itemsize, dtype = 4, types.SimpleNamespace(name="float32")

        def __init__(self, n, address):
            self.shape, self.strides, self.data = (n,), (4,), types.SimpleNamespace(ptr=address)
            self.device = types.SimpleNamespace(id=0)

    class RawModule:
        def __init__(self, *, path):
            with open(path, "rb") as file:
                self.handle = checked(driver.cuModuleLoadData(file.read()), "load")

        def get_function(self, name):
            function = checked(driver.cuModuleGetFunction(self.handle, name.encode()), "find")
            return types.SimpleNamespace(kernel=types.SimpleNamespace(ptr=int(function)))

    class cuda:
        @staticmethod
        def Device(number=0):
            return contextlib.nullcontext(types.SimpleNamespace(id=0))

        @staticmethod
        def get_current_stream():
            return types.SimpleNamespace(ptr=7)


# The second of these launches fails, so that the third is not made.
last = plan.kernels[2]
third = last._replace(arguments=arguments[:-3], tensor_maps=())
broken = plan._replace(kernels=(last, last._replace(name="late", block=(13, 1, 1)), third))


def artifact(plan):
    return types.SimpleNamespace(plan=plan, payload=b"cubin")


tensor, side = ExchangedTensor, sys.argv[1]
if side == "native":
    make = lambda plan: Launcher(plan, Binary.cuda(b"cubin"))
elif side.startswith("cupy"):
    from cuda.bindings import driver

    sys.modules["cupy"], tensor = FakeCupy("cupy"), FakeCupy.ndarray
    make = lambda plan: CupyAdapter(artifact(plan), None)
else:
    if side == "cutedsl (stand-in)":
        from testing.runtime import fake_cutlass

        sys.modules["cutlass"], sys.modules["cutlass.cute"] = fake_cutlass, fake_cutlass.cute
    adapter = NvrtcAdapter if side == "python" else CuteDslAdapter
    make = lambda plan: type("OfFakeArrays", (FakeArrays, adapter), {})(artifact(plan), None)


def run(call, n, address):
    call(tensor(n, address=address), tensor(n, address=address * 4), 0.3, 1 / 3, 2 / 3, 2**40 + n, 0.1, True, 2**63 - n)


call = make(plan)
for n, address in ((256, 4096), (256, 4096), (512, 8192)):
    run(call, n, address)
try:
    run(make(broken), 256, 4096)
except LaunchError as error:
    print(error)
"""


def test_launches_are_those_of_the_native_launcher(tmp_path):
    (tmp_path / "driver.cc").write_text(DRIVER)
    library = ["-o", str(tmp_path / "libcuda.so.1"), str(tmp_path / "driver.cc"), "-ldl"]
    subprocess.run(["g++", "-shared", "-fPIC", *library], check=True)
    sides = ["native", "python", "cupy", "cutedsl (stand-in)"]
    if importlib.util.find_spec("cutlass") is not None:
        sides.append("cutedsl")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("LD_LIBRARY_PATH")]))
    own = {"LD_LIBRARY_PATH": path, "FAKE_CUDA_SIZES": "8,4,4,2,2,8,8,1,8,128,128,128", "PYTHONPATH": module_path(ROOT)}
    running = {}
    for side in sides:
        environment = {**os.environ, **own, "FAKE_CUDA_LOG": str(tmp_path / side)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running[side] = subprocess.Popen([sys.executable, "-c", PROGRAM, side], env=environment, **pipes)
    asked = {}
    for side, process in running.items():
        said, error = process.communicate()
        assert process.returncode == 0 and "`late`" in said, error
        # Whose context is current is the framework's business there, and the launcher's here.
        lines = (tmp_path / side).read_text().splitlines()
        asked[side] = [line for line in lines if line.partition(" ")[0] not in ("push", "pop")]
    assert asked["python"] == asked["native"] == asked["cupy"]
    for side in sides[3:]:  # a host program is given the encoded maps of all launches
        assert by_kind(asked[side]) == by_kind(asked["native"])
    text = "\n".join(asked["python"])
    assert text.count("launch grid") == 8 and text.count("map type 6") == 6 and "type 0" in text and "type 7" in text
    assert "stream 7" in text and "set 8 = 100000" in text and "attribute 2 = 1" in text and "attribute 6 = 1" in text


def by_kind(lines: list[str]) -> tuple[list[str], list[str]]:
    """The encodings of maps, and everything else, each in order."""
    maps = [line for line in lines if line.startswith(("map", "  "))]
    return maps, [line for line in lines if line not in maps]

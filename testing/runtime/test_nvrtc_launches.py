"""Adapters that launch from Python ask the driver for what the native launcher asks for: maps, attributes, every argument.

What stands for CuPy here has the names of CuPy 14 that the adapter uses, and no others.
"""

from __future__ import annotations

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
from tilelang.jit.adapter.nvrtc import NvrtcAdapter, checked
from tilelang.runtime import Binary, Launcher
from tilelang.runtime.arguments import TensorView

rows = ["floordiv", "n", 64]
maps = (
    TensorMap(1, "float16", (64, rows), (64,), (64, 8), 128),
    TensorMap(0, "float8_e4m3fn", (16, 4, rows), (64, 256), (16, 4, 2), 32),
    TensorMap(0, "float32", ("n",), (), (32,), 0),
)
arguments = (
    KernelArgument("tensor", 0, "float32"), KernelArgument("symbol", "n", "int32"), KernelArgument("symbol", "x", "float32"),
    KernelArgument("symbol", "h", "float16"), KernelArgument("symbol", "b", "bfloat16"), KernelArgument("symbol", "k", "int64"),
    *(KernelArgument("tensor_map", i, "uint64") for i in range(3)),
)
scalars = [("x", "float32"), ("h", "float16"), ("b", "bfloat16"), ("k", "int64")]
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


class Artifact:
    plan, payload = plan, b"cubin"


class FakeArrays(NvrtcAdapter):
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


tensor, side = ExchangedTensor, sys.argv[1]
if side == "native":
    call = Launcher(plan, Binary.cuda(b"cubin"))
elif side == "python":
    call = FakeArrays(Artifact, None)
else:
    from cuda.bindings import driver

    sys.modules["cupy"], tensor = FakeCupy("cupy"), FakeCupy.ndarray
    call = CupyAdapter(Artifact, None)
for n, address in ((256, 4096), (256, 4096), (512, 8192)):
    call(tensor(n, address=address), tensor(n, address=address * 4), 0.3, 1 / 3, 2 / 3, 2**40 + n)
"""


def test_launches_are_those_of_the_native_launcher(tmp_path):
    (tmp_path / "driver.cc").write_text(DRIVER)
    library = ["-o", str(tmp_path / "libcuda.so.1"), str(tmp_path / "driver.cc"), "-ldl"]
    subprocess.run(["g++", "-shared", "-fPIC", *library], check=True)
    asked = {}
    for side in ("native", "python", "cupy"):
        log = tmp_path / side
        path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("LD_LIBRARY_PATH")]))
        own = {"LD_LIBRARY_PATH": path, "FAKE_CUDA_LOG": str(log), "FAKE_CUDA_SIZES": "8,4,4,2,2,8,128,128,128"}
        environment = {**os.environ, **own, "PYTHONPATH": module_path(ROOT)}
        done = subprocess.run([sys.executable, "-c", PROGRAM, side], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        # Whose context is current is the framework's business there, and the launcher's here.
        asked[side] = [line for line in log.read_text().splitlines() if line.partition(" ")[0] not in ("push", "pop")]
    assert asked["python"] == asked["native"] == asked["cupy"]
    text = "\n".join(asked["python"])
    assert text.count("launch grid") == 6 and text.count("map type 6") == 4 and "type 0" in text and "type 7" in text
    assert "stream 7" in text and "set 8 = 100000" in text and "attribute 2 = 1" in text and "attribute 6 = 1" in text

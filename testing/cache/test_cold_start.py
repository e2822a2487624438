"""A fresh process with a warm cache: no compiler runs, TVM stays unloaded, the result is right. Many cold ones: one compiler."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from testing.subprocesses import ROOT, module_path

PROGRAM = '''
import json, sys
started = []
def hook(event, args):  # every way to start a process
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.system", "os.spawn"):
        if "ldconfig" not in str(args):  # ctypes.util.find_library of a package that we import looks for a library so
            started.append(f"{event} {args[:2]}")
sys.addaudithook(hook)

import tilelang
import tilelang.language as T

@tilelang.jit(out_idx=[-1], execution_backend="simulator")
def scale(N, factor):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32")):
        with T.Kernel(T.ceildiv(N, 64), threads=64) as bx:
            for i in T.Parallel(64):
                B[bx * 64 + i] = A[bx * 64 + i] * factor
    return main

kernel = scale(100, 3.0)
before_torch = [name for name in ("tvm", "torch") if name in sys.modules]
import numpy
a = numpy.arange(100, dtype=numpy.float32)
result = {"source": kernel.get_kernel_source(), "heavy": before_torch}
if sys.argv[1] == "torch":
    import torch
    result["right"] = torch.equal(kernel(torch.from_numpy(a)), torch.from_numpy(a) * 3)
result |= {"tvm": bool({"tvm", "tvm_ffi"} & {*sys.modules}), "started": started, "builds": tilelang.cache.stats.builds}
print(json.dumps(result))
'''


def test_cold_and_warm(tmp_path):
    """Three cold processes at once run the compiler for the kernel once; a warm one runs nothing."""
    (tmp_path / "program.py").write_text(PROGRAM)
    log, compiler = tmp_path / "log", tmp_path / "logged-g++"
    compiler.write_text(f'#!/bin/sh\necho "$*" >> {log}\nexec g++ "$@"\n')
    compiler.chmod(0o755)
    environment = {
        **os.environ,
        "CXX": str(compiler),
        "TILELANG_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": module_path(ROOT),
    }

    def start(how: str) -> subprocess.Popen:
        command = [sys.executable, str(tmp_path / "program.py"), how]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(process: subprocess.Popen) -> dict:
        out, err = process.communicate()
        assert process.returncode == 0, err
        return json.loads(out.splitlines()[-1])

    cold = [result(process) for process in [start("torch") for _ in range(3)]]
    assert all(one["right"] for one in cold) and sum(one["builds"] for one in cold) == 1
    assert log.read_text().count("kernel.cc") == 1
    log.unlink()
    warm = result(start("torch"))
    assert warm["right"] and warm["started"] == [] and not warm["tvm"] and warm["heavy"] == [] and warm["builds"] == 0
    assert not log.exists() and warm["source"] == cold[0]["source"]

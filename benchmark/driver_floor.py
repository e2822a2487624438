"""The driver's own cost of a launch: a loop in C around it, arguments prepared, with nothing of Python or of ours on the way."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The declarations are those of cuda.h; kernelParams (`pointers`) and extra (`packed`) are the two ways to pass arguments.
_SOURCE = r"""
#include <dlfcn.h>
#include <stddef.h>
typedef struct {
  unsigned grid[3], block[3], shared_bytes;
  void *stream, *attributes;
  unsigned attribute_count;
} Config;
typedef int (*Launch)(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**);
typedef int (*LaunchEx)(const Config*, void*, void**, void**);
static Launch launch;
static LaunchEx launch_ex;
static void* function;
int prepare(const void* cubin, const char* name) {
  void* library = dlopen("libcuda.so.1", RTLD_LAZY);
  void* module = NULL;
  if (!library) return -1;
  launch = (Launch)dlsym(library, "cuLaunchKernel");
  launch_ex = (LaunchEx)dlsym(library, "cuLaunchKernelEx");
  int (*load)(void**, const void*) = (int (*)(void**, const void*))dlsym(library, "cuModuleLoadData");
  int (*find)(void**, void*, const char*) = (int (*)(void**, void*, const char*))dlsym(library, "cuModuleGetFunction");
  if (!launch || !launch_ex || !load || !find) return -1;
  int status = load(&module, cubin);
  return status ? status : find(&function, module, name);
}
int plain(int calls, unsigned blocks, unsigned threads, void** pointers) {
  int status = 0;
  for (int i = 0; i < calls && !status; ++i) status = launch(function, blocks, 1, 1, threads, 1, 1, 0, NULL, pointers, NULL);
  return status;
}
int extended(int calls, unsigned blocks, unsigned threads, void** pointers) {
  int status = 0;
  for (int i = 0; i < calls && !status; ++i) {
    Config config = {{blocks, 1, 1}, {threads, 1, 1}, 0, NULL, NULL, 0};
    status = launch_ex(&config, function, pointers, NULL);
  }
  return status;
}
int packed(int calls, unsigned blocks, unsigned threads, void* buffer, size_t bytes) {
  void* extra[] = {(void*)1, buffer, (void*)2, &bytes, NULL};
  int status = 0;
  for (int i = 0; i < calls && !status; ++i) status = launch(function, blocks, 1, 1, threads, 1, 1, 0, NULL, NULL, extra);
  return status;
}
"""
_CTYPES = {"int32": ctypes.c_int32, "int64": ctypes.c_int64}


def driver_launches(kernel: Any, tensors: dict[str, Any], symbols: dict[str, int]) -> dict[str, Callable[[int], None]]:
    """For each way to launch: a function of how many launches to queue on the default stream.

    Parameters
    ----------
    kernel : JITKernel
        With one launch of a one-dimensional grid, whose arguments are tensors and integers.
    tensors, symbols
        By parameter; by symbolic dimension.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "floor.c"), Path(folder, "floor.so")
        source.write_text(_SOURCE)
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        loop = ctypes.CDLL(str(library))
    plan, binary = kernel.artifact.plan, kernel.artifact.binary()
    (launch,) = plan.kernels
    _check(loop.prepare(binary.cubin, launch.name.encode()))
    values: list[Any] = []
    for argument in launch.arguments:
        if argument.kind == "tensor":
            values.append(ctypes.c_void_p(tensors[plan.parameters[int(argument.value)].name].data_ptr()))
        else:
            values.append(_CTYPES[argument.dtype](symbols[str(argument.value)]))
    pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))

    class Buffer(ctypes.Structure):
        _fields_ = [(f"a{i}", type(value)) for i, value in enumerate(values)]  # noqa: RUF012 - as ctypes wants it

    buffer = Buffer(*values)
    bytes_ = getattr(Buffer, f"a{len(values) - 1}").offset + ctypes.sizeof(values[-1])
    shape = kernel.launch_config.evaluate(**symbols)
    blocks, threads = shape.num_blocks, shape.num_threads

    def keep(call: Callable[[int], int]) -> Callable[[int], None]:
        return lambda calls, held=(values, tensors): _check(call(calls))  # type: ignore[misc]

    return {
        "cuLaunchKernel": keep(lambda calls: loop.plain(calls, blocks, threads, pointers)),
        "cuLaunchKernelEx": keep(lambda calls: loop.extended(calls, blocks, threads, pointers)),
        "cuLaunchKernel, packed arguments": keep(
            lambda calls: loop.packed(calls, blocks, threads, ctypes.byref(buffer), ctypes.c_size_t(bytes_))
        ),
    }


def _check(status: int) -> None:
    if status:
        raise RuntimeError(f"the CUDA driver returned {status}")

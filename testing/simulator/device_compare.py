"""Replay small device programs on a GPU (through cuda-bindings) and in the simulator's hardware numerics; print a table.

Run on a machine with an sm_90 GPU, from the repository's root: `python -m testing.simulator.device_compare`.
Every wgmma case of test_wgmma.py, every mma of test_mma.py, the GEMM and the attention of programs/, and probes of TMA.
"""

# ruff: noqa: E501 - lines of kernel text
from __future__ import annotations

import numpy as np

from testing.simulator import test_mma, test_wgmma
from testing.simulator.programs import program
from tilelang.simulator import SimulatedModule, TensorMap, compile_kernel, source_root

_DTYPES = {"float16": "FLOAT16", "float32": "FLOAT32"}


def _check(result):
    status, *values = result
    assert int(status) == 0, status
    return values[0] if values else None


class Device:
    """Compiles with NVRTC and launches; arrays are copied to the GPU and back."""

    def __init__(self) -> None:
        from cuda.bindings import driver, nvrtc

        self.driver, self.nvrtc = driver, nvrtc
        _check(driver.cuInit(0))
        context = _check(driver.cuDevicePrimaryCtxRetain(_check(driver.cuDeviceGet(0))))
        _check(driver.cuCtxSetCurrent(context))

    def build(self, text: str):
        nvrtc = self.nvrtc
        handle = _check(nvrtc.nvrtcCreateProgram(text.encode(), b"kernel.cu", 0, [], []))
        options = [b"--gpu-architecture=sm_90a", f"--include-path={source_root() / 'device'}".encode()]
        (status,) = nvrtc.nvrtcCompileProgram(handle, len(options), options)
        if int(status):
            log = bytearray(_check(nvrtc.nvrtcGetProgramLogSize(handle)))
            nvrtc.nvrtcGetProgramLog(handle, log)
            raise RuntimeError(log.decode())
        cubin = bytearray(_check(nvrtc.nvrtcGetCUBINSize(handle)))
        nvrtc.nvrtcGetCUBIN(handle, cubin)
        return _check(self.driver.cuModuleLoadData(bytes(cubin)))

    def tensor_map(self, pointer: int, array: np.ndarray, box, swizzle: int, fill_nan: bool = False):
        d = self.driver
        strides = [d.cuuint64_t(s) for s in array.strides[::-1][1:]]
        extents = [d.cuuint64_t(n) for n in array.shape[::-1]]
        boxes = [d.cuuint32_t(n) for n in box[::-1]]
        steps = [d.cuuint32_t(1)] * array.ndim
        kind = getattr(d.CUtensorMapDataType, "CU_TENSOR_MAP_DATA_TYPE_" + _DTYPES[array.dtype.name])
        mode = [d.CUtensorMapSwizzle.CU_TENSOR_MAP_SWIZZLE_NONE, d.CUtensorMapSwizzle.CU_TENSOR_MAP_SWIZZLE_32B,
                d.CUtensorMapSwizzle.CU_TENSOR_MAP_SWIZZLE_64B, d.CUtensorMapSwizzle.CU_TENSOR_MAP_SWIZZLE_128B][(0, 32, 64, 128).index(swizzle)]  # fmt: skip
        fills = d.CUtensorMapFloatOOBfill
        fill = fills.CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA if fill_nan else fills.CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE
        return _check(d.cuTensorMapEncodeTiled(
            kind, array.ndim, pointer, extents, strides, boxes, steps, d.CUtensorMapInterleave.CU_TENSOR_MAP_INTERLEAVE_NONE, mode,
            d.CUtensorMapL2promotion.CU_TENSOR_MAP_L2_PROMOTION_NONE, fill,
        ))  # fmt: skip

    def launch(self, module, name, grid, block, arguments, shared_bytes) -> None:
        """`arguments`: arrays (copied back), ints, floats, or ("map", array, box, swizzle, fill_nan)."""
        import ctypes

        d = self.driver
        function = _check(d.cuModuleGetFunction(module, name.encode()))
        _check(
            d.cuFuncSetAttribute(function, d.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shared_bytes)
        )
        memory: dict[int, tuple[object, np.ndarray]] = {}

        def pointer_of(array):
            if id(array) not in memory:
                pointer = _check(d.cuMemAlloc(array.nbytes))
                _check(d.cuMemcpyHtoD(pointer, array.ctypes.data, array.nbytes))
                memory[id(array)] = (pointer, array)
            return int(memory[id(array)][0])

        values, kinds = [], []
        for argument in arguments:
            if isinstance(argument, tuple):
                _, array, box, swizzle, *rest = argument
                values.append(self.tensor_map(pointer_of(array), array, box, swizzle, *rest))
                kinds.append(None)
            elif isinstance(argument, np.ndarray):
                values.append(pointer_of(argument))
                kinds.append(ctypes.c_void_p)
            else:
                values.append(argument)
                kinds.append(ctypes.c_int32 if isinstance(argument, int) else ctypes.c_float)
        extents = [*(*grid, 1, 1)[:3], *(*block, 1, 1)[:3]]
        _check(d.cuLaunchKernel(function, *extents, shared_bytes, 0, (tuple(values), tuple(kinds)), 0))
        _check(d.cuCtxSynchronize())
        for pointer, array in memory.values():
            _check(d.cuMemcpyDtoH(array.ctypes.data, pointer, array.nbytes))
            _check(d.cuMemFree(pointer))


def _simulated(arguments):
    def one(argument):
        if isinstance(argument, tuple):
            _, array, box, swizzle, *rest = argument
            return TensorMap.of(array, box, swizzle=swizzle, fill_nan=bool(rest and rest[0]))
        return argument

    return [one(a) for a in arguments]


class _OnDevice:
    """Stands where the tests pass a SimulatedModule."""

    def __init__(self, device: Device, text: str) -> None:
        self.device, self.module = device, device.build(text)

    def launch(self, name, grid, block, arguments, *, shared_bytes=0, **_):
        self.device.launch(self.module, name, grid, block, arguments, shared_bytes)


def _row(name: str, ours: np.ndarray, theirs: np.ndarray) -> int:
    a, b = (np.ascontiguousarray(x).view(f"u{x.itemsize}") for x in (ours, theirs))
    nan = np.isnan(ours.astype(np.float64)) & np.isnan(theirs.astype(np.float64))
    different = int(((a != b) & ~nan).sum())
    note = ""
    if different:
        i = np.flatnonzero(((a != b) & ~nan).reshape(-1))[0]
        note = f"first {i}: simulator {ours.reshape(-1)[i]!r}, device {theirs.reshape(-1)[i]!r}"
    print(f"{name:56s} {different:8d} of {ours.size:8d} differ  {note}", flush=True)
    return different


def _compare_wgmma(device: Device, rng) -> int:
    total = 0
    for case in test_wgmma.CASES:
        text = f"#include <tl/core.h>\n#include <tl/wgmma/m64n{case.n}.h>\n" + case.text()
        modules = SimulatedModule(compile_kernel(text, [case.name])), _OnDevice(device, text)
        for spread in (0, 3):
            a = test_wgmma._random(rng, case.a, (64, case.k), spread)
            b = test_wgmma._random(rng, case.b, (case.n, case.k), spread)
            c = test_wgmma._random(rng, case.c, (64, case.n), spread)
            results = [test_wgmma._run(m, case, a, b, c, numerics="hardware") for m in modules]
            total += _row(f"{case.name} spread {spread}", *results)
    return total


def _compare_mma(device: Device, rng) -> int:
    total = 0
    for op in test_mma.OPS:
        text = "#include <tl/core.h>\n#include <tl/mma.h>\n" + op.text()
        modules = SimulatedModule(compile_kernel(text, [op.name])), _OnDevice(device, text)
        for repeat in (1, 5):
            fragments = [
                np.stack([test_mma._to_fragments(op, test_mma._random(rng, t, s), f) for _ in range(repeat)])
                for t, s, f in ((op.a, (op.m, op.k), test_mma._a_index), (op.b, (op.k, 8), test_mma._b_index))
            ]
            start = (
                test_mma._random(rng, op.c, (op.m, 8)) if op.c is not np.int32 else rng.integers(-9, 9, (op.m, 8), dtype=np.int32)
            )
            results = []
            for m in modules:
                c = test_mma._to_fragments(op, start, test_mma._c_index)
                m.launch(op.name, (1,), (32,), [*fragments, c, repeat], numerics="hardware")
                results.append(c)
            total += _row(f"{op.name} x{repeat}", *results)
    return total


def _compare_program(device: Device, name, entry, grid, arguments, output, shared_bytes) -> int:
    text = program(name)
    simulated = SimulatedModule(compile_kernel(text, [entry]))
    simulated.launch(entry, grid, (384,), _simulated(arguments), shared_bytes=shared_bytes, numerics="hardware")
    ours = output.copy()
    output.fill(np.nan)
    device.launch(device.build(text), entry, grid, (384,), arguments, shared_bytes)
    return _row(name, ours, output)


def main() -> None:
    device, rng = Device(), np.random.default_rng(0)
    total = _compare_wgmma(device, rng) + _compare_mma(device, rng)
    m, n, k = 200, 264, 136
    a, b = (rng.standard_normal((rows, k)).astype(np.float16) for rows in (m, n))
    c = np.full((m, n), np.nan, np.float16)
    maps = [("map", a, (128, 64), 128), ("map", b, (128, 64), 128), ("map", c, (64, 64), 128)]
    total += _compare_program(device, "gemm_ws", "gemm", (4,), [*maps, 3, 3, 6], c, 163840 + 64)
    q, key, v = (rng.standard_normal((2, 200, 64)).astype(np.float16) for _ in range(3))
    o = np.full_like(q, np.nan)
    maps = [("map", x, (1, 64, 64), 128) for x in (q, key, v)]
    total += _compare_program(device, "attention", "attention", (2, 2), [*maps, o, 200, 4, 0.18], o, 16384 + 4 * 8192 + 72)
    print(f"{total} elements differ (attention may: exp2 of the device is approximate)")


if __name__ == "__main__":
    main()

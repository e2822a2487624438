"""Run small device programs on a GPU and in the simulator's hardware numerics, and compare their results bit for bit.

On a machine with an sm_90 GPU, g++, numpy, ml_dtypes, pytest and cuda-bindings with NVRTC (no TVM), from the repository's root:

    python -m testing.simulator.device_compare > device_compare.jsonl

One line of JSON a program: name, whether the results are identical, how many of how many outputs differ, and where the first
one does. Functions that GPU and CPU compute by different approximations say so, with their largest distance in units of the
last place. `--simulator` runs the simulator's half alone (also without a GPU); further arguments are regular expressions that
choose programs. The last line is a summary.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from testing.simulator.gpu import Device
from testing.simulator.probes import PROBES, Probe, Tile, copied
from testing.simulator.programs import program
from tilelang.simulator import SimulatedModule, TensorMap, compile_kernel, load_library

_PER_TEXT = 24  # programs in one compilation: few, so that many run at once


def _programs() -> list[Probe]:
    """The warp-specialised programs, as probes."""

    def gemm(rng):
        a, b = (rng.standard_normal((rows, 136)).astype(np.float16) for rows in (200, 264))
        c = np.full((200, 264), np.nan, np.float16)
        tiles = [Tile(a, (128, 64), 128), Tile(b, (128, 64), 128), Tile(c, (64, 64), 128)]
        return [*tiles, 3, 3, 6, c]

    def cluster(rng):
        a, b = (rng.standard_normal((128, 320)).astype(np.float16) for _ in range(2))
        return [Tile(a, (64, 64), 128), Tile(b, (64, 64), 128), np.full((128, 128), np.nan, np.float16), 128, 5]

    ws = program("gemm_ws").replace("int32_t tiles) {", "int32_t tiles, tl::half_t*) {")
    pair = program("gemm_cluster")

    def named(text: str, name: str) -> str:
        return text.replace("\ngemm(", f"\n{name}(").replace("(gemm)", f"({name})")

    return [
        Probe("gemm_ws", named(ws, "gemm_ws"), (), gemm, (6,), grid=4, block=384, shared=163840 + 64),
        Probe("gemm_cluster", named(pair, "gemm_cluster"), (), cluster, (2,), 2, 256, 6 * 8192 + 32, 2),
    ]


class Batch:
    """Programs that are compiled together."""

    def __init__(self, probes: list[Probe]) -> None:
        self.probes = probes
        headers = dict.fromkeys(name for probe in probes for name in ("core", *probe.headers))
        self.text = "".join(f"#include <tl/{name}.h>\n" for name in headers) + "\n".join(probe.text for probe in probes)

    def simulated(self) -> SimulatedModule:
        return SimulatedModule(compile_kernel(self.text, [probe.name for probe in self.probes]))


def batches(probes: Iterable[Probe]) -> list[Batch]:
    """Programs with equal headers together; whole programs alone."""
    groups: dict[Any, list[Probe]] = {}
    for probe in probes:
        groups.setdefault(probe.headers or probe.name, []).append(probe)
    return [Batch(group[i : i + _PER_TEXT]) for group in groups.values() for i in range(0, len(group), _PER_TEXT)]


def simulate(module: SimulatedModule, probe: Probe) -> list[np.ndarray]:
    """The program's results in the simulator."""
    arguments = copied(probe.arguments())

    def argument(value: Any) -> Any:
        if not isinstance(value, Tile):
            return value
        options = {"swizzle": value.swizzle, "fill_nan": value.fill_nan, "element_strides": value.element_strides}
        if value.element_strides:
            options["element_strides"] = value.element_strides[::-1]  # innermost first
        if value.im2col:
            array = value.array
            strides = [int(s) for s in array.strides[::-1]][1:]
            return TensorMap(array.ctypes.data, array.dtype.name, array.shape[::-1], strides, value.box, im2col=value.im2col)
        return TensorMap.of(value.array, value.box, **options)

    grid = (1, probe.grid) if probe.name == "gemm_cluster" else (probe.grid,)
    cluster = (1, probe.cluster) if probe.name == "gemm_cluster" else (probe.cluster,)
    module.launch(
        probe.name, grid, (probe.block,), [argument(v) for v in arguments],
        shared_bytes=probe.shared, cluster=cluster, numerics="hardware",
    )  # fmt: skip
    return [arguments[i] for i in probe.outputs]


def on_device(device: Device, module: Any, probe: Probe) -> list[np.ndarray]:
    """The program's results on the GPU."""
    arguments = copied(probe.arguments())
    grid = (1, probe.grid) if probe.name == "gemm_cluster" else (probe.grid,)
    device.launch(module, probe.name, grid, (probe.block,), arguments, probe.shared)
    return [arguments[i] for i in probe.outputs]


def compare(probe: Probe, ours: list[np.ndarray], theirs: list[np.ndarray]) -> dict[str, Any]:
    """One line of the report. NaNs are equal to NaNs: their payloads are not specified."""
    row: dict[str, Any] = {"name": probe.name, "identical": True, "differing": 0, "outputs": 0}
    for a, b in zip(ours, theirs, strict=True):
        a, b = a.reshape(-1), b.reshape(-1)
        different = a.view(f"u{a.itemsize}") != b.view(f"u{b.itemsize}")
        if a.dtype.kind not in "iub":
            different &= ~(np.isnan(a.astype(np.float64)) & np.isnan(b.astype(np.float64)))
        row["outputs"] += a.size
        row["differing"] += int(different.sum())
        if different.any() and "first" not in row:
            i = int(np.flatnonzero(different)[0])
            row["first"] = {"index": i, "simulator": str(a[i]), "device": str(b[i])}
        if probe.approximate:
            bits = [x.view(np.int32).astype(np.int64) for x in (a, b)]
            row["ulp"] = int(np.abs(bits[0] - bits[1]).max())
    row["identical"] = row["differing"] == 0
    if probe.approximate:
        row["approximate"] = True
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("patterns", nargs="*", help="regular expressions; a program runs if its name matches one")
    parser.add_argument("--simulator", action="store_true", help="run the simulator's half alone")
    options = parser.parse_args()
    chosen = [p for p in [*_programs(), *PROBES] if not options.patterns or any(re.search(x, p.name) for x in options.patterns)]
    start = time.perf_counter()
    load_library()  # builds it where there is none
    device = None if options.simulator else Device()
    work = batches(chosen)
    same = total = failed = 0
    with ThreadPoolExecutor() as pool:
        cubins = [pool.submit(device.compile, batch.text) if device else None for batch in work]
        modules = [pool.submit(batch.simulated) for batch in work]
        for batch, cubin, module in zip(work, cubins, modules):
            error, on_gpu = "", None
            try:
                simulated = module.result()
                on_gpu = device.load(cubin.result()) if device and cubin else None
            except Exception as failure:  # a text that does not compile: its programs are reported, the others go on
                error = str(failure).strip().splitlines()[0][:200] if str(failure).strip() else type(failure).__name__
            for probe in batch.probes:
                total += 1
                try:
                    if error:
                        raise RuntimeError(error)
                    ours = simulate(simulated, probe)
                    if device is None:
                        row = {"name": probe.name, "simulated": True, "outputs": sum(x.size for x in ours)}
                    else:
                        row = compare(probe, ours, on_device(device, on_gpu, probe))
                        same += row["identical"]
                except Exception as failure:
                    failed += 1
                    row = {"name": probe.name, "identical": False, "error": str(failure).splitlines()[0][:300]}
                print(json.dumps(row), flush=True)
    seconds = round(time.perf_counter() - start, 1)
    print(json.dumps({"programs": total, "identical": same, "failed": failed, "seconds": seconds}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Run small device programs on a GPU and in the simulator's hardware numerics, and compare their results bit for bit.

On a machine with an sm_90 GPU, g++, numpy, ml_dtypes, pytest and cuda-bindings with NVRTC (no TVM), from the repository's root:

    python -m testing.simulator.device_compare > device_compare.jsonl

One line of JSON a program: name, whether the results are identical, how many of how many outputs differ, and where the first
one does. Functions that GPU and CPU compute by different approximations say so, with their largest distance in units of the
last place. Programs run in processes of their own, some at a time: one that ends its process or the GPU's context costs itself
alone. `--simulator` runs the simulator's half alone (also without a GPU); further arguments are regular expressions that
choose programs. The last line is a summary.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from testing.simulator.gpu import CudaError, Device
from testing.simulator.isolation import isolated
from testing.simulator.probes import PROBES, Probe, Tile, copied
from tilelang.errors import SimulationError
from tilelang.simulator import SimulatedModule, TensorMap, compile_kernel, load_library

_PER_TEXT = 24  # programs in one compilation and one process: few, so that many run at once
_BY_NAME = {probe.name: probe for probe in PROBES}


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

    module.launch(
        probe.name, probe.grid, (probe.block,), [argument(v) for v in arguments],
        shared_bytes=probe.shared, cluster=probe.cluster, numerics="hardware",
    )  # fmt: skip
    return [arguments[i] for i in probe.outputs]


def on_device(device: Device, module: Any, probe: Probe) -> list[np.ndarray]:
    """The program's results on the GPU."""
    arguments = copied(probe.arguments())
    device.launch(module, probe.name, probe.grid, (probe.block,), arguments, probe.shared)
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


def failure(name: str, error: object) -> dict[str, Any]:
    """The line of a program without a result."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return {"name": name, "identical": False, "error": lines[0][:300]}


def rows(names: list[str], *, gpu: bool) -> Iterator[dict[str, Any]]:
    """A line for each program, compiled together; ends after the first that the GPU fails, for its context is then lost."""
    batch = Batch([_BY_NAME[name] for name in names])
    device = Device() if gpu else None
    try:
        with ThreadPoolExecutor() as pool:
            cubin = pool.submit(device.compile, batch.text) if device else None
            simulated = batch.simulated()
            on_gpu = device.load(cubin.result()) if device and cubin else None
    except Exception as error:  # a text that does not compile: its programs are reported, other texts go on
        yield from (failure(name, error) for name in names)
        return
    for probe in batch.probes:
        try:
            ours = simulate(simulated, probe)
        except SimulationError as error:
            yield failure(probe.name, error)
            continue
        if device is None:
            yield {"name": probe.name, "simulated": True, "outputs": sum(x.size for x in ours)}
            continue
        try:
            theirs = on_device(device, on_gpu, probe)
        except CudaError as error:
            yield failure(probe.name, error)
            return
        yield compare(probe, ours, theirs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("patterns", nargs="*", help="regular expressions; a program runs if its name matches one")
    parser.add_argument("--simulator", action="store_true", help="run the simulator's half alone")
    parser.add_argument("--jobs", type=int, default=min(8, os.cpu_count() or 1), help="processes at once")
    options = parser.parse_args()
    chosen = [p for p in PROBES if not options.patterns or any(re.search(x, p.name) for x in options.patterns)]
    start = time.perf_counter()
    load_library()  # builds it where there is none
    groups = [[probe.name for probe in batch.probes] for batch in batches(chosen)]
    run = functools.partial(rows, gpu=not options.simulator)
    results = isolated(run, groups, failure, jobs=options.jobs, report=lambda row: print(json.dumps(row), flush=True))
    summary = {
        "programs": len(results),
        "identical": sum(bool(row.get("identical")) for row in results),
        "failed": sum("error" in row for row in results),
        "seconds": round(time.perf_counter() - start, 1),
    }
    print(json.dumps(summary), flush=True)
    return 1 if summary["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())

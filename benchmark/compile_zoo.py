"""Compile 126 distinct kernels of real model shapes from nothing, in parallel: processor time a kernel, wall clock, speed-up.

Usage: `python benchmark/compile_zoo.py [--workers N] [--only gemm] [--limit 16] [--serial 4] [--json FILE]`. Needs no GPU.

GEMM (48), attention with grouped queries (24), RMSNorm (18), SwiGLU (18) and softmax (18) over the shapes of Llama 3,
Qwen 2.5, Mistral and DeepSeek models. Nothing is read from a cache: it is switched off, and NVRTC's own as well. Workers
start and import TVM before the clock runs, as they do in a process that compiles for the second time; what starting took is
printed beside it.

The speed-up is against one worker of the same pool: all kernels again, or with `--serial N` every N-th, scaled up (0: not at
all). What the machine has to give is printed beside it: one kernel again and again in all workers at once, which nobody traces,
over the same in one. Two logical cores of a physical one, or a clock that falls under load, show there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

TARGET = {"kind": "cuda", "arch": "sm_90a"}
BACKEND = "tvm_ffi"
REPEATS = 4  # of the one kernel, in each worker


def compile_all(programs: list, workers: int) -> Any:
    import tilelang

    return tilelang.par_compile(programs, target=TARGET, execution_backend=BACKEND, num_workers=workers, ignore_error=True)


def machine_speed_up(pool: Any, program: Any, workers: int) -> float:
    """How many times faster `workers` processes do independent compilations than one does."""
    from tilelang.jit.options import resolve_options
    from tilelang.jit.parallel.surroundings import Surroundings
    from tilelang.jit.parallel.task import CompileTask, compile_task, compiler_identity, dump_program

    options = resolve_options(TARGET, BACKEND, None, None, None)
    traced = getattr(program, "prim_func", program)
    task = CompileTask(dump_program(traced), options, None, None, Surroundings.here(), compiler_identity(options))

    def seconds(count: int, at_a_time: int) -> float:
        started = time.perf_counter()
        for first in range(0, count, at_a_time):
            for future in [pool.submit(compile_task, task) for _ in range(first, min(count, first + at_a_time))]:
                future.result()
        return (time.perf_counter() - started) / count

    many = seconds(REPEATS * workers, REPEATS * workers)
    return seconds(REPEATS, 1) / many


def physical_cores() -> int:
    """Cores that this process may use, counting two threads of one core once."""
    siblings = set()
    for cpu in os.sched_getaffinity(0):
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        siblings.add(path.read_text().strip() if path.exists() else str(cpu))
    return len(siblings)


def main() -> None:
    """Print the figures; write them with `--json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", help="a family: gemm, attention, rms_norm, swiglu, softmax")
    parser.add_argument("--limit", type=int, help="only so many kernels, evenly spread")
    parser.add_argument("--serial", type=int, default=1, help="compile every N-th kernel with one worker; 0: none")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["TILELANG_DISABLE_CACHE"] = "1"
    os.environ["TILELANG_PRINT_ON_COMPILATION"] = "0"

    from zoo.kernels import zoo

    from tilelang.jit.parallel.pool import shared_pool

    cases = [case for case in zoo() if options.only in (None, case.family)]
    if options.limit:
        cases = cases[:: max(1, len(cases) // options.limit)][: options.limit]
    started = time.perf_counter()
    pool = shared_pool(options.workers)
    for future in [pool.submit(time.sleep, 0.05) for _ in range(options.workers)]:
        future.result()
    compile_all([cases[0].program()], 1)  # this process imports TVM
    startup = time.perf_counter() - started

    used = time.process_time()
    kernels = compile_all([case.program() for case in cases], options.workers)
    traced = time.process_time() - used  # tracing and sending programs, loading what comes back
    count = len(cases) - len(kernels.errors)
    figures = {
        "kernels": count,
        "failed": {cases[i].name: str(error).splitlines()[0] for i, error in kernels.errors.items()},
        "workers": options.workers,
        "wall_s": kernels.seconds,
        "cpu_s_per_kernel": (kernels.cpu_seconds + traced) / max(1, count),
        "of_it_this_process": traced / max(1, count),
        "startup_s": startup,
        "host": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "physical_cores": physical_cores(),
    }
    if options.serial:
        sample = compile_all([case.program() for case in cases[:: options.serial]], 1)
        done = len(sample) - len(sample.errors)
        figures["wall_s_one_worker"] = sample.seconds / max(1, done) * count
        figures["cpu_s_per_kernel_one_worker"] = sample.cpu_seconds / max(1, done)
        figures["speed_up"] = figures["wall_s_one_worker"] / kernels.seconds
        figures["machine_speed_up"] = machine_speed_up(pool, cases[0].program(), options.workers)
    for name, value in figures.items():
        print(f"{name:<28} {value:.3f}" if isinstance(value, float) else f"{name:<28} {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

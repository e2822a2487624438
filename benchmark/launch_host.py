"""What a call costs before the driver: kernels that do nothing, on the CPU, in microseconds beside torch's own functions.

    python benchmark/launch_host.py [--rounds 40]

The launch plans are those of `benchmark/launch.py`; the "kernels" are empty functions of a shared object, so that what is left
is reading and checking arguments, allocating outputs and finding the stream. On a GPU, the driver's launch comes on top, for
torch.add as well. Every figure is the minimum over many short rounds in turn: the machine's other work must not count.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from tilelang.codegen.launch_plan import KernelArgument, KernelLaunch, LaunchPlan, Parameter
from tilelang.runtime import Binary, Launcher

CALLS = 2000


def plan(name: str, tensors: int, scalars: int, output: bool = True) -> LaunchPlan:
    """`tensors` vectors of one symbolic length, scalars, and a result."""
    parameters = [Parameter(f"A{i}", "tensor", "float32", ("n",)) for i in range(tensors)]
    parameters += [Parameter(f"s{i}", "scalar", "float32") for i in range(scalars)]
    parameters.append(Parameter("C", "tensor", "float32", ("n",), output=output))
    arguments = [KernelArgument(p.kind if p.kind == "tensor" else "symbol", i if p.kind == "tensor" else p.name, p.dtype)
                 for i, p in enumerate(parameters)]  # fmt: skip
    arguments.append(KernelArgument("symbol", "n", "int32"))
    kernel = KernelLaunch(name, (["ceildiv", "n", 128], 1, 1), (128, 1, 1), 0, tuple(arguments))
    symbols = {"n": "int32", **{f"s{i}": "float32" for i in range(scalars)}}
    return LaunchPlan(name, tuple(parameters), (kernel,), symbols, (len(parameters) - 1,) if output else ())


def empty_kernels(folder: str, *names: str) -> Binary:
    """A shared object in which every kernel returns at once."""
    source, library = Path(folder, "empty.cc"), Path(folder, "empty.so")
    entry = 'extern "C" int {}__cpu(void**, const unsigned*, char*, unsigned long) {{ return 0; }}\n'
    source.write_text("".join(entry.format(name) for name in names))
    subprocess.run(["g++", "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return Binary.cpu(str(library))


def minima(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            started = time.perf_counter()
            for _ in range(CALLS):
                call()
            best[name] = min(best[name], (time.perf_counter() - started) / CALLS * 1e6)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        binary = empty_kernels(folder, "add", "many")
        add, given, many = (
            Launcher(p, binary) for p in (plan("add", 2, 0), plan("add", 2, 0, output=False), plan("many", 16, 2))
        )
        a, b, c = (torch.randn(32) for _ in range(3))
        rest = [torch.randn(32) for _ in range(16)]
        add3, given3, many19 = add.entry(), given.entry(), many.entry()
        figures = minima(
            {
                "3 tensors, output allocated": lambda: add3(a, b),
                "3 tensors, output passed": lambda: given3(a, b, c),
                "19 arguments, output allocated": lambda: many19(*rest, 1.0, 2.0),
                "bound, output bound too": given.bind(a, b, c, result=c),
                "bound, output allocated": add.bind(a, b),
                "3 tensors through tvm-ffi (output allocated)": lambda f=add.function: f(a, b),
                "torch.add (with its arithmetic)": lambda: torch.add(a, b),
                "torch.empty_like": lambda: torch.empty_like(a),
            },
            options.rounds,
        )
    for name, value in figures.items():
        print(f"{name:46s} {value:7.2f} us")


if __name__ == "__main__":
    main()

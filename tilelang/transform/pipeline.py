"""The passes, in order. Each line is a module of this package with a function of the same name.

A pass takes and returns a `KernelProgram`; modules are imported at the first compilation.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from .kernel_program import KernelProgram

Pass = Callable[[KernelProgram], KernelProgram]

CUDA = (
    # what the program says
    "check_semantics",
    # how its work is arranged
    "plan_pipelines",
    "lower_pipelines",
    "infer_layouts",
    "plan_shared_memory",
    "insert_barriers",
    # what each operator becomes
    "lower_tile_operators",
    "vectorize_loops",
    # plain device code
    "simplify",
    "widen_indices",
    "flatten_buffers",
)


def find_pass(name: str | Pass) -> Pass:
    """The pass called `name`; functions pass."""
    return getattr(importlib.import_module(f".{name}", __package__), name) if isinstance(name, str) else name


def run_passes(
    program: KernelProgram, passes: Sequence[str | Pass] = CUDA, record: Callable[[str, KernelProgram], None] | None = None
) -> KernelProgram:
    """Run passes over one launch; `record` is told the program after each."""
    for name in passes:
        step = find_pass(name)
        program = step(program)
        if record is not None:
            record(step.__name__, program)
    return program

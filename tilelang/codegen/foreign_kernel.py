"""A kernel that the author wrote: its text as it is, its arguments in the order of the function's signature."""

from __future__ import annotations

from .. import ir
from ..errors import UnsupportedError
from ..target import Target
from ..transform.kernel_program import KernelProgram
from .kernel import KernelText, ordered_symbols


def print_foreign_kernel(program: KernelProgram, target: Target) -> KernelText:
    """The text of a launch of T.CUDASourceCodeKernel."""
    if target.is_cpu:
        raise UnsupportedError(
            f"T.CUDASourceCodeKernel for the target {target.kind}", fix="CUDA C++ runs on a GPU, or in the simulator"
        )
    own = tuple(program.params[: program.declared])
    buffers = tuple(p for p in own if ir.is_buffer_var(p))
    text = f"{(program.source or '').strip()}\nTL_ENTRY({program.name})"
    return KernelText(text, frozenset(("tl/core.h", "tl/user_text.h")), buffers, tuple(ordered_symbols(program)), order=own)

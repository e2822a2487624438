"""Loops over arrays that no thread's registers can hold are not unrolled.

A thread has at most 255 registers (CUDA C++ Programming Guide, "Compute Capabilities"), and most of an array of more lies in
local memory however its elements are addressed. Unrolling its loops gains nothing then, and costs ptxas seconds to minutes.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from .. import ir
from ..tileop.base import dtype_bits
from .kernel_program import KernelProgram
from .register_file import MOST

LARGE = MOST * 5 // 4  # registers; what is only a little too large is spilled in part
SHORT = 32  # iterations that stay unrolled


def roll_spilled_loops(program: KernelProgram) -> KernelProgram:
    """Unrolled loops over such arrays become plain ones, the innermost iterations excepted."""
    large = {b for b in program.ctx.registers.values() if _words(b) > LARGE}
    large |= {b for b in ir.declared_buffers(program.body) if ir.scope_of(b) == "local" and _words(b) > LARGE}
    for buf in sorted(large, key=lambda b: str(b.name)):
        text = f"{buf.name} needs {_words(buf)} registers of a thread's {MOST} and lies in local memory"
        program.ctx.remark(program.span, f"{text}: more threads or a smaller tile would keep it in registers")
    return replace(program, body=_Roll(large).body(program.body)) if large else program


def _words(buf: ir.Var) -> int:
    return prod(ir.const_int(e) or 1 for e in ir.shape_of(buf)) * dtype_bits(ir.buffer_dtype(buf)) // 32


class _Roll(ir.Mutator):
    def __init__(self, large: set[ir.Var]) -> None:
        super().__init__()
        self.large = large
        self.unrolled = 1  # iterations of the unrolled loops inside what was visited last

    def visit_For(self, node: ir.For) -> Any:
        before, self.unrolled = self.unrolled, 1
        new = self.descend(node)
        inside, self.unrolled = self.unrolled, before
        if node.kind != ir.ForKind.UNROLLED or not self._touches(node):
            return new
        count = (ir.const_int(node.extent) or 1) * inside
        if count <= SHORT:
            self.unrolled = max(before, count)
            return new
        parts = new.loop_var, new.min, new.extent, ir.ForKind.SERIAL, new.body
        return ir.For(*parts, new.thread_binding, new.annotations, new.step, new.span)

    def _touches(self, loop: ir.For) -> bool:
        nodes = ir.collect(loop.body, (ir.BufferLoad, ir.BufferStore))
        return any((n.buffer if isinstance(n, ir.BufferStore) else n.source) in self.large for n in nodes)

"""Shared memory written by ordinary stores or cp.async is read by wgmma through another proxy: fence it before the barrier.

PTX ISA, "Async proxy": each writing thread executes fence.proxy.async, then the barrier lets the readers see its writes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..tileop.base import LoweringContext, as_tile_op
from .effects import is_block_barrier
from .kernel_program import KernelProgram
from .units import units_of


def fence_async_proxy(program: KernelProgram) -> KernelProgram:
    """A `tl.fence_proxy_async` before every block barrier of a launch whose operators read through the async proxy."""
    if not any(_reads_async(unit, program.ctx) for unit in units_of(program.body)):
        return program
    return replace(program, body=_Fence().body(program.body))


def _reads_async(unit: Any, ctx: LoweringContext) -> bool:
    op = as_tile_op(unit.stmt)
    if op is None:
        return False
    with unit.within(ctx):
        return op.reads_async_proxy(ctx)


class _Fence(ir.Mutator):
    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if not is_block_barrier(node):
            return node
        return ir.seq([ir.evaluate(ir.call("tl.fence_proxy_async", span=node.span), node.span), node])

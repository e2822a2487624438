"""Shared memory written by ordinary stores or cp.async is read by wgmma and TMA through another proxy: fence it before barriers.

PTX ISA, "Async proxy": each writing thread executes fence.proxy.async, then the barrier lets the readers see its writes. TMA
reads a tile that it stores while the block goes on: before a barrier, after which the tile may be written again, the thread
that issues the stores waits for their reads ("cp.async.bulk.wait_group.read"); and before the kernel ends.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..tileop.base import LoweringContext, as_tile_op
from ..tileop.copy import Copy
from .effects import is_block_barrier, is_wider_barrier
from .kernel_program import KernelProgram
from .units import units_of


def fence_async_proxy(program: KernelProgram) -> KernelProgram:
    """A `tl.fence_proxy_async` before every barrier of block, cluster or grid, if operators read through the async proxy."""
    units = units_of(program.body)
    if not any(_reads_async(unit, program.ctx) for unit in units):
        return program
    stores = [unit.stmt for unit in units if isinstance(unit.op, Copy) and _reads_async(unit, program.ctx)]
    wait = _wait_for_reads(program)
    body = _Fence(stores, wait).body(program.body)
    return replace(program, body=ir.seq([body, wait]) if stores else body)


def _reads_async(unit: Any, ctx: LoweringContext) -> bool:
    op = as_tile_op(unit.stmt)
    if op is None:
        return False
    with unit.within(ctx):
        return op.reads_async_proxy(ctx)


def _wait_for_reads(program: KernelProgram) -> ir.Stmt:
    """The issuing thread of the stores waits until they have read their tiles."""
    wait = ir.evaluate(ir.call("tl.bulk_wait_read", attrs={"template": ["0"]}, span=program.span), program.span)
    return ir.IfThenElse(ir.as_expr(program.tid) == 0, wait, None, program.span)


class _Fence(ir.Mutator):
    """`storing`: a store may be under way, since it was passed or stands in a loop around."""

    def __init__(self, stores: list[ir.Stmt], wait: ir.Stmt) -> None:
        super().__init__()
        self.stores, self.wait, self.storing = stores, wait, False

    def _is_store(self, node: ir.Stmt) -> bool:
        return any(node.same_as(s) for s in self.stores)

    def visit_For(self, node: ir.For | ir.While) -> Any:
        self.storing = self.storing or any(self._is_store(s) for s in ir.collect(node.body, ir.Evaluate))
        return self.descend(node)

    visit_While = visit_For

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        self.storing = self.storing or self._is_store(node)
        publishes = is_block_barrier(node) or is_wider_barrier(node) or ir.is_call(node.value, "tl.cluster_arrive")
        if not publishes:
            return node
        wait = self.wait if self.storing else None
        return ir.seq([wait, ir.evaluate(ir.call("tl.fence_proxy_async", span=node.span), node.span), node])

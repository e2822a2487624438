"""Tensor copies out of shared memory: one thread issues them, and they read the tile while the block goes on.

The tile must not be written before the issuing thread has waited for the reads (`bulk_wait_read`): `fence_async_proxy` puts that
before every barrier of the block, and at the end of the kernel.
"""

from __future__ import annotations

from typing import Any

from ... import ir
from ..base import LoweringContext
from .box import BoxCopy, below_zero
from .cache_hint import hinted

DISABLE = "tl.disable_tma_lower"


def tensor_store(src: ir.BufferRegion, dst: ir.BufferRegion, ctx: LoweringContext) -> BoxCopy | str:
    """The boxes of a copy from shared to global memory, or why TMA does not do it."""
    if ir.scope_of(dst.source) != "global" or ir.scope_of(src.source) not in ("shared", "shared.dyn"):
        return "it does not go from shared to global memory"
    if not ctx.target.limits.has_tma or ctx.pass_configs.get(DISABLE):
        return "TMA is not there, or switched off"
    if dst.source not in ctx.stored_once:
        return f"{dst.source.name} is read, or stored elsewhere too"
    if ctx.first_thread:
        return "it is the work of threads that do not start the block"
    return below_zero(dst, ctx) or BoxCopy.of(dst, src, ctx.shared_layout(src.source), ctx)


def lower_tensor_store(boxes: BoxCopy, ctx: LoweringContext, span: Any, policy: str | None = None, leader: Any = None) -> ir.Stmt:
    """Thread 0 or the `leader` issues the boxes as one group; where it may store a place again, after its earlier ones."""
    tensor_map = ir.address_of(ir.load(ctx.tensor_map(boxes.spec), [0]))

    def call(name: str, *args: Any, **attrs: Any) -> ir.Stmt:
        return ir.evaluate(ir.call(name, list(args), attrs=attrs or None, span=span), span)

    name, hint = hinted("tl.tma_store", policy)
    issue = boxes.each_box(lambda address, at: call(name, tensor_map, address, *hint, *at), span)
    order = None if boxes.spec.tensor in ctx.stored_apart else call("tl.bulk_wait", template=["0"])
    body = ir.seq([order, issue, call("tl.bulk_commit")])
    return ir.IfThenElse(ir.as_expr(ctx.tid) == 0 if leader is None else leader, body, None, span)

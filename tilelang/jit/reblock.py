"""A tile program for blocks of another size: tiles are spread over as many threads as there are."""

from __future__ import annotations

import math
from typing import Any

from tilelang import ir
from tilelang.errors import LaunchConfigError

WARP = 32


def with_threads(prim_func: Any, threads: int | str) -> Any:
    """The program with `threads` threads a block; see `JITKernel.with_block`."""
    return prim_func.with_body(_Rewrite(threads).body(prim_func.body))


class _Rewrite(ir.Mutator):
    def __init__(self, threads: int | str) -> None:
        super().__init__()
        self.threads = threads

    def visit_AttrStmt(self, node: ir.AttrStmt) -> Any:
        tag = str(node.node.thread_tag) if node.attr_key == "thread_extent" else ""
        if not tag.startswith("threadIdx"):
            return self.descend(node)
        now = ir.const_int(node.value) or 1
        if tag != "threadIdx.x":
            if now != 1:
                raise LaunchConfigError(f"a block with {now} threads along {tag[-1]}", fix="write another threads= in T.Kernel")
            return self.descend(node)
        wanted = ir.const(_count(self.threads, now, node.body), "int32")
        axis = ir.IterVar(ir.Range.from_min_extent(ir.const(0, "int32"), wanted), node.node.var, 1, tag)
        return ir.AttrStmt(axis, "thread_extent", wanted, node.body, node.span)


def _count(threads: int | str, now: int, body: Any) -> int:
    if isinstance(threads, int) and not isinstance(threads, bool) and threads > 0:
        return threads
    if threads == "fit":
        return -(-now // WARP) * WARP
    if threads == "trim":
        return min(now, -(-max(_largest(body), 1) // WARP) * WARP)
    raise LaunchConfigError(f"threads={threads!r}", fix='give a positive number, "fit" or "trim"')


def _largest(body: Any) -> int:
    """Elements of the largest nest or tile; those of unknown extent count as large."""
    sizes = [math.prod(ir.const_int(s) or 1 << 20 for s in a.buffer.ty.shape) for a in ir.collect(body, ir.AllocBuffer)]
    for nest in ir.collect(body, ir.For):
        size = 1
        while isinstance(nest, ir.For) and int(nest.kind) == int(ir.ForKind.PARALLEL):
            size *= ir.const_int(nest.extent) or 1 << 20
            nest = nest.body
        sizes.append(size)
    return max(sizes, default=1)

"""Barriers that the author handles: mbarriers of T.alloc_barrier and named barriers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..errors import UnsupportedError
from .effects import unit_accesses
from .kernel_program import KernelProgram
from .thread_group import group_of
from .units import units_of

INIT = "tl.init_barriers"
_NAMED = ("tl.bar_arrive", "tl.bar_sync")


def has_manual_barriers(body: ir.Stmt) -> bool:
    """True if the author orders threads by barriers of their own."""
    return any(_is_manual(call) for call in ir.collect(body, ir.Call))


def _is_manual(call: ir.Call) -> bool:
    name = ir.call_name(call)
    by_author = call.attrs is not None and "by_author" in call.attrs.keys()
    return name == INIT or by_author or name in _NAMED or (name == "tl.sync_threads" and len(call.args) > 0)


def initialise_barriers(program: KernelProgram) -> KernelProgram:
    """The barriers of T.alloc_barrier are initialised by one thread before anything else runs.

    Ordinary writes that an arrival publishes are fenced before it where TMA or wgmma may read them (PTX ISA, "Async proxy"), and
    behind the wait where they are those of cp.async, which are done only then.
    """
    moved = _Take()
    body = moved.body(program.body)
    if not moved.calls:
        return program
    limits = program.ctx.target.limits
    if not limits.has_tma:
        raise UnsupportedError(
            f"T.alloc_barrier needs sm_90 or newer; the target is {program.ctx.target.arch}",
            fix="use T.copy and T.Pipelined, which run everywhere",
            span=ir.span_to_source(moved.calls[0].span),
        )
    inits = []
    for call in moved.calls:
        barrier = call.args[0].source
        for slot, count in enumerate(call.attrs["counts"]):
            at = ir.address_of(ir.load(barrier, [slot]))
            inits.append(ir.evaluate(ir.call("tl.mbarrier_init", [at, ir.const(int(str(count)))], span=call.span), call.span))
    fence = ir.evaluate(ir.call("tl.fence_mbarrier_init"))
    first = ir.IfThenElse(ir.as_expr(program.tid) == 0, ir.seq([*inits, fence]), None, moved.calls[0].span)
    # Other blocks of the cluster may arrive at these barriers, or send copies that count there.
    meet = ir.evaluate(ir.call("tl.cluster_sync" if moved.in_cluster else "tl.sync_threads"))
    body = _FenceArrivals(body).body(body)
    return replace(program, body=ir.seq([*moved.allocations, first, meet, body]))


def _writes_shared(body: ir.Stmt) -> bool:
    units = [u for u in units_of(body) if u.op is None or not u.op.is_counted]
    return any(a.write and a.scope in ("shared", "shared.dyn") for u in units for a in unit_accesses(u.stmt))


class _Take(ir.Mutator):
    """Takes allocations of barriers and their initialisation out of a body."""

    def __init__(self) -> None:
        super().__init__()
        self.allocations: list[ir.Stmt] = []
        self.calls: list[ir.Call] = []
        self.in_cluster = False

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        if ir.scope_of(node.buffer) != "shared.barrier":
            return node
        self.allocations.append(node)
        return None

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if ir.is_call(node.value, "tl.cluster_barriers"):
            self.in_cluster = True
            return None
        if not ir.is_call(node.value, INIT):
            return node
        self.calls.append(node.value)
        return None


def _barriers_of(call: ir.Call) -> list[ir.Var]:
    return [load.source for load in ir.collect(call, ir.BufferLoad) if ir.scope_of(load.source) == "shared.barrier"]


class _FenceArrivals(ir.Mutator):
    """Fences before the arrivals of threads that may have written shared memory: of a group that does, or of the block.

    Where copies by cp.async arrive themselves, when they are done, those who waited for them fence.
    """

    def __init__(self, body: ir.Stmt) -> None:
        super().__init__()
        self.writing = _writes_shared(body)
        arrivals = [c for c in ir.collect(body, ir.Call) if ir.call_name(c).startswith("tl.cp_async_mbarrier_arrive")]
        self.of_copies = [barrier for call in arrivals for barrier in _barriers_of(call)]

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        if group_of(node) is None:
            return self.descend(node)
        outer, self.writing = self.writing, _writes_shared(node.then_case)
        new = self.descend(node)
        self.writing = outer
        return new

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        fence = ir.evaluate(ir.call("tl.fence_proxy_async", span=node.span), node.span)
        if self.writing and ir.is_call(node.value, "tl.mbarrier_arrive"):
            return ir.seq([fence, node])
        if ir.is_call(node.value, "tl.mbarrier_wait") and any(b in self.of_copies for b in _barriers_of(node.value)):
            return ir.seq([node, fence])
        return node

"""Each tile operator and each parallel nest becomes loops, or a call of the CPU library; barriers go.

An operator whose meaning is a nest (copy, fill, tile atomics) is lowered as one. Others register here: one file each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from ... import ir
from ...errors import UnsupportedError
from ...tileop.base import LoweringContext, TileOp, as_tile_op
from ...tileop.elementwise import ElementwiseOp
from ..guards import GuardMemory
from ..kernel_program import KernelProgram
from ..parallel_nest import ParallelNest
from ..units import is_parallel, is_pure_condition, loop_span
from .vector_loops import lower_nest

Lowering = Callable[[Any, LoweringContext], ir.Stmt]
_LOWERINGS: dict[type[TileOp], Lowering] = {}
_F = TypeVar("_F", bound=Callable[..., ir.Stmt])

# With one thread a block there is nobody to wait for.
BARRIERS = frozenset(("tl.sync_threads", "tl.sync_warp", "tl.fence_block"))


def lowers(kind: type[TileOp]) -> Callable[[_F], _F]:
    """Register how an operator is done on a CPU."""

    def register(function: _F) -> _F:
        _LOWERINGS[kind] = function
        return function

    return register


def lower_tiles(program: KernelProgram) -> KernelProgram:
    """Plain TIR; tiles keep their shapes and become arrays of the thread (`localize_tiles`)."""
    return replace(program, body=_Lower(program.ctx).body(program.body))


def _lower_operator(op: TileOp, ctx: LoweringContext) -> ir.Stmt:
    lowering = _LOWERINGS.get(type(op))
    if lowering is not None:
        return lowering(op, ctx)
    if isinstance(op, ElementwiseOp):
        return lower_nest(op.nest(), ctx)
    raise UnsupportedError(
        f"{op.name.replace('tl.', 'T.')} has no meaning on a CPU target", fix='use target="cuda"', span=op.source
    )


class _Lower(ir.Mutator):
    def __init__(self, ctx: LoweringContext) -> None:
        super().__init__()
        self.ctx = ctx

    def visit_For(self, node: ir.For) -> Any:
        if is_parallel(node):
            return lower_nest(ParallelNest.of(node), self.ctx)
        saved = self.ctx.ranges
        self.ctx.ranges = {**saved, node.loop_var: (node.min, loop_span(node))}
        new = self.descend(node)
        self.ctx.ranges = saved
        return new

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        condition = self._guarded(node.condition)
        saved = self.ctx.constraints
        pure = is_pure_condition(node.condition)
        self.ctx.constraints = [*saved, node.condition] if pure else saved
        then = self.body(node.then_case)
        self.ctx.constraints = [*saved, ir.Not(node.condition)] if pure else saved
        other = None if node.else_case is None else self.body(node.else_case)
        self.ctx.constraints = saved
        return ir.IfThenElse(condition, then, other, node.span)

    def visit_While(self, node: ir.While) -> Any:
        return ir.While(self._guarded(node.condition), self.body(node.body), node.span)

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if isinstance(node.value, ir.Call) and ir.call_name(node.value) in BARRIERS:
            return None
        op = as_tile_op(node)
        return _lower_operator(op, self.ctx) if op is not None else self._guarded(node)

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        return self._guarded(node)

    def visit_Bind(self, node: ir.Bind) -> Any:
        return self._guarded(node)

    def _guarded(self, node: Any) -> Any:
        if isinstance(node, (ir.IntImm, ir.Var)):
            return node
        return GuardMemory(self.ctx.analyzer).visit(node)

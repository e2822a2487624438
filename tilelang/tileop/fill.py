"""T.fill, T.clear: set every element of a tile to one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import ir
from ..errors import SemanticError
from ..target import Target
from ..transform.parallel_nest import ParallelNest
from .base import Effects, LoweringContext, tile_op
from .elementwise import ElementwiseOp


@tile_op("tl.fill")
@dataclass(frozen=True, eq=False)
class Fill(ElementwiseOp):
    """`dst[...] = value` over a region of any scope."""

    dst: ir.BufferRegion
    value: Any
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> Fill:
        return cls(call.args[0], call.args[1], span)

    def to_call(self) -> ir.Call:
        return ir.call("tl.fill", [self.dst, self.value], span=self.span)

    def check(self, target: Target) -> None:
        if any(ir.const_int(ir.simplify(r.extent)) is None for r in self.dst.region):
            raise SemanticError(
                f"fill of {self.dst} has an extent that is not a constant", fix="fill a constant tile", span=self.source
            )

    def effects(self) -> Effects:
        loads = ir.collect(self.value, ir.BufferLoad)
        reads = tuple(ir.region(x.source, [(i, 1) for i in x.indices]) for x in loads)
        return Effects(reads=reads, writes=(self.dst,))

    def nest(self) -> ParallelNest:
        extents = tuple(ir.const_int(ir.simplify(r.extent)) or 0 for r in self.dst.region)
        variables = tuple(ir.var(f"i{d}") for d in range(len(extents)))
        indices = [v if ir.const_int(r.min) == 0 else r.min + v for v, r in zip(variables, self.dst.region)]
        dtype = ir.buffer_dtype(self.dst.source)
        value = self.value if ir.dtype_of(self.value) == dtype else ir.Cast(dtype, self.value)
        return ParallelNest(variables, extents, ir.BufferStore(self.dst.source, value, indices, self.span), {}, self.span)

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        dst = self.dst.source
        whole = all(ir.const_int(r.min) == 0 and ir.const_int(r.extent) == n for r, n in zip(self.dst.region, ir.shape_of(dst)))
        if ir.scope_of(dst) != "local.fragment" or not whole or ir.contains(self.value, ir.BufferLoad):
            return super().lower(ctx)
        # A whole register tile needs no indices: every thread sets all its registers, padding included.
        registers = ctx.registers_of(dst)
        value = self.nest().body.value
        index = ir.var("i")
        store = ir.BufferStore(registers, value, [index], self.span)
        return ir.For(index, ir.const(0), ir.const(int(registers.ty.shape[0])), ir.ForKind.UNROLLED, store, span=self.span)

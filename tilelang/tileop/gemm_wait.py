"""Wait for matrix products that a gemm left under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import ir
from .base import Effects, LoweringContext, TileOp, attribute, tile_op
from .digits import loop


@dataclass(frozen=True)
class Accumulator:
    """A tile that products were written to, and the columns of one instruction."""

    region: ir.BufferRegion
    columns: int


@tile_op("tl.gemm_wait")
@dataclass(frozen=True, eq=False)
class GemmWait(TileOp):
    """At most `pending` groups of products stay under way (each gemm is one); the accumulators named here are complete then.

    PTX ISA, "wgmma.wait_group": accumulator registers, and A where it is in registers, must not be touched before it. Until then
    the products may also read their tiles in shared memory, which `reads` names where other barriers may stand between: whoever
    writes them then must meet the other warpgroups behind their waits.
    """

    pending: int
    accumulators: tuple[Accumulator, ...] = ()
    span: Any = None
    reads: tuple[ir.BufferRegion, ...] = ()

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> GemmWait:
        columns = [int(n) for n in attribute(call, "columns", ())]
        accumulators = tuple(map(Accumulator, call.args, columns))
        return cls(int(attribute(call, "pending")), accumulators, span, tuple(ir.items(call.args)[len(columns) :]))

    def to_call(self) -> ir.Call:
        attrs = {"pending": self.pending, "columns": [a.columns for a in self.accumulators]}
        return ir.call("tl.gemm_wait", [*(a.region for a in self.accumulators), *self.reads], attrs=attrs, span=self.span)

    def effects(self) -> Effects:
        return Effects(reads=self.reads)

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        wait = ir.evaluate(ir.call("tl.wgmma_wait", attrs={"template": [str(self.pending)]}, span=self.span), self.span)
        return ir.seq([wait, *(self._pin(a, ctx) for a in self.accumulators)])

    def _pin(self, accumulator: Accumulator, ctx: LoweringContext) -> ir.Stmt:
        """Nothing may read the registers before the wait: the compiler does not know that it changes them."""
        buf, size = accumulator.region.source, accumulator.columns // 2
        registers = buf if ir.scope_of(buf) == "local" else ctx.registers_of(buf)
        template = {"template": [str(accumulator.columns)]}

        def pin(i: Any) -> ir.Stmt:
            start = ir.address_of(ir.load(registers, [i * size]))
            return ir.evaluate(ir.call("tl.wgmma_pin", [start], attrs=template, span=self.span), self.span)

        return loop("tile", int(registers.ty.shape[0]) // size, pin, self.span)

"""Sums of a product that several blocks share: one leaves its part in global memory, another adds it to its own.

Source: M. Osama, D. Merrill, C. Cecka, M. Garland, J. D. Owens, "Stream-K: Work-Centric Parallel Decomposition for Dense
Matrix-Matrix Multiplication on the GPU" (PPoPP 2023), section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import ir
from .base import Effects, LoweringContext, TileOp, tile_op


@dataclass(frozen=True, eq=False)
class PartialSums(TileOp):
    """A fragment `sums`, and row `slot` of two tensors: `slots` holds a block's part, `flags` a word for each of its warps.

    Parts lie in the order in which threads hold them. Flags order all accesses to both tensors, so that no barrier has to.
    """

    sums: ir.BufferRegion
    slots: ir.BufferRegion
    flags: ir.BufferRegion
    slot: Any
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> PartialSums:
        return cls(call.args[0], call.args[1], call.args[2], call.args[3], span)

    def to_call(self) -> ir.Call:
        return ir.call(self.name, [self.sums, self.slots, self.flags, ir.as_expr(self.slot)], span=self.span)

    @property
    def own_buffers(self) -> tuple[ir.Var, ...]:
        return self.slots.source, self.flags.source

    def fits(self, ctx: LoweringContext) -> bool:
        """True if a slot holds what the threads do, 16 bytes at a time; asked once layouts are known: they may pad the sums."""
        registers = ctx.fragments[self.sums.source].local_size
        return registers % 4 == 0 and registers * ctx.num_threads <= ir.static_shape(self.slots.source)[-1]

    def _operands(self, ctx: LoweringContext) -> tuple[Any, Any, Any, list[str]]:
        """(address of the registers, of the slot, of the flags, template arguments)."""
        assert self.fits(ctx), "else the launch started over"
        layout, registers = ctx.fragments[self.sums.source], ctx.registers_of(self.sums.source)
        first = ir.const(0)
        return (
            ir.address_of(ir.load(registers, [first])),
            ir.address_of(ir.load(self.slots.source, [self.slot, first])),
            ir.address_of(ir.load(self.flags.source, [self.slot, first])),
            [str(layout.local_size), str(ctx.num_threads)],
        )


@tile_op("tl.give_partial_sums")
@dataclass(frozen=True, eq=False)
class GiveSums(PartialSums):
    """slots[slot] = sums, for the block that finishes the tile."""

    def effects(self) -> Effects:
        return Effects(reads=(self.sums,), writes=(self.slots, self.flags))

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        sums, slot, flags, template = self._operands(ctx)
        call = ir.call("tl.give_sums", [slot, flags, sums, ctx.tid], attrs={"template": template}, span=self.span)
        return ir.evaluate(call, self.span)


@tile_op("tl.take_partial_sums")
@dataclass(frozen=True, eq=False)
class TakeSums(PartialSums):
    """sums += slots[slot], as soon as another block has given it."""

    def effects(self) -> Effects:
        return Effects(reads=(self.sums, self.slots, self.flags), writes=(self.sums,))

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        sums, slot, flags, template = self._operands(ctx)
        call = ir.call("tl.take_sums", [sums, slot, flags, ctx.tid], attrs={"template": template}, span=self.span)
        return ir.evaluate(call, self.span)

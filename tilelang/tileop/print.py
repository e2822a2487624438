"""T.print of a tile: each element once, with its index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import ir
from ..errors import ShapeError
from ..target import Target
from ..transform.guards import GuardMemory
from .base import Effects, LoweringContext, TileOp, attribute, tile_op

_WARP = 32
_GROUP = 128


@tile_op("tl.print")
@dataclass(frozen=True, eq=False)
class Print(TileOp):
    """Print the elements of a region in logical order, once by each block.

    Parameters
    ----------
    src : TensorRegion
        Fragments go through shared memory on their way to the thread that prints.
    message : str
        Goes before every line.
    leader : int
        The thread that prints: the first of the block, or of the warp that the author asks for.
    label : str
        What the author calls the buffer.
    """

    src: ir.BufferRegion
    message: str = ""
    leader: int = 0
    label: str = ""
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> Any:
        """The operator; None for scalars and plain messages (see `transform/print_once.py`)."""
        if not len(call.args) or not isinstance(call.args[0], ir.BufferRegion):
            return None
        leader = int(attribute(call, "warp_group_id", 0)) * _GROUP + int(attribute(call, "warp_id", 0)) * _WARP
        label = str(attribute(call, "label", call.args[0].source.name))
        return cls(call.args[0], str(attribute(call, "msg", "")), leader, label, span)

    def to_call(self) -> ir.Call:
        group, warp = self.leader // _GROUP, self.leader % _GROUP // _WARP
        attrs = {"msg": self.message, "warp_group_id": group, "warp_id": warp, "label": self.label}
        return ir.call("tl.print", [self.src], attrs=attrs, span=self.span)

    def check(self, target: Target) -> None:
        if any(ir.const_int(ir.simplify(r.extent)) is None for r in self.src.region):
            raise ShapeError(
                f"print of {self.src} has an extent that is not a constant", fix="print a constant slice", span=self.source
            )

    def effects(self) -> Effects:
        return Effects(reads=(self.src,))

    def staged_operands(self, ctx: LoweringContext) -> tuple[ir.Var, ...]:
        """One thread prints all elements, so it must see all of them."""
        return (self.src.source,) if ir.scope_of(self.src.source) == "local.fragment" else ()

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        return ir.IfThenElse(ir.EQ(ctx.tid, ir.const(self.leader)), self.lines(ctx), None, self.span)

    def lines(self, ctx: LoweringContext) -> ir.Stmt:
        """The loops of the thread that prints."""
        buf = self.src.source
        variables = [ir.var(f"i{d}") for d in range(len(self.src.region))]
        indices = [v if ir.const_int(r.min) == 0 else r.min + v for v, r in zip(variables, self.src.region)]
        place: Any = ir.const(0, "int64")
        for index, extent in zip(indices, buf.ty.shape):
            place = place * extent + index
        arguments = [ir.StringImm(self.message), ir.StringImm(self.label), place, ir.load(buf, indices, self.span)]
        body = ir.evaluate(ir.call("tl.print_element", arguments, span=self.span), self.span)
        ranges = {v: (0, r.extent) for v, r in zip(variables, self.src.region)}
        body = GuardMemory(ctx.analyzer(ranges)).visit(body)
        for var, r in reversed(list(zip(variables, self.src.region))):
            body = ir.For(var, ir.const(0), ir.simplify(r.extent), ir.ForKind.SERIAL, body, span=self.span)
        return body

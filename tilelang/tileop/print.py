"""T.print of a tile: each element once, with its index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import ir
from ..errors import ShapeError
from ..target import Target
from ..transform.parallel_nest import ParallelNest
from .base import Effects, LoweringContext, attribute, tile_op
from .elementwise import ElementwiseOp

_WARP = 32
_GROUP = 128


@tile_op("tl.print")
@dataclass(frozen=True, eq=False)
class Print(ElementwiseOp):
    """Print the elements of a region; the lines of different threads come in any order.

    Parameters
    ----------
    src : TensorRegion
        Fragments and memory are printed once by the block, `local` arrays by the first thread of one warp.
    message : str
        Goes before every line.
    leader : int
        The thread that prints a `local` array.
    """

    src: ir.BufferRegion
    message: str = ""
    leader: int = 0
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> Any:
        """The operator; None for scalars and plain messages, which every thread prints for itself."""
        if not len(call.args) or not isinstance(call.args[0], ir.BufferRegion):
            return None
        leader = int(attribute(call, "warp_group_id", 0)) * _GROUP + int(attribute(call, "warp_id", 0)) * _WARP
        return cls(call.args[0], str(attribute(call, "msg", "")), leader, span)

    def to_call(self) -> ir.Call:
        attrs = {"msg": self.message, "warp_group_id": self.leader // _GROUP, "warp_id": self.leader % _GROUP // _WARP}
        return ir.call("tl.print", [self.src], attrs=attrs, span=self.span)

    def check(self, target: Target) -> None:
        if any(ir.const_int(ir.simplify(r.extent)) is None for r in self.src.region):
            raise ShapeError(
                f"print of {self.src} has an extent that is not a constant", fix="print a constant slice", span=self.source
            )

    def effects(self) -> Effects:
        return Effects(reads=(self.src,))

    def nest(self) -> ParallelNest:
        buf = self.src.source
        extents = tuple(ir.const_int(ir.simplify(r.extent)) or 0 for r in self.src.region)
        variables = tuple(ir.var(f"i{d}") for d in range(len(extents)))
        indices = [v if ir.const_int(r.min) == 0 else r.min + v for v, r in zip(variables, self.src.region)]
        place: Any = ir.const(0, "int64")
        for index, extent in zip(indices, buf.ty.shape):
            place = place * extent + index
        arguments = [ir.StringImm(self.message), ir.StringImm(str(buf.name)), place, ir.load(buf, indices, self.span)]
        line = ir.evaluate(ir.call("tl.print_element", arguments, span=self.span), self.span)
        return ParallelNest(variables, extents, line, {}, self.span)

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        if ir.scope_of(self.src.source) not in ("local", "local.var"):
            return super().lower(ctx)
        nest = self.nest()
        body = nest.body
        for var, extent in reversed(list(zip(nest.vars, nest.extents))):
            body = ir.For(var, ir.const(0), ir.const(extent), ir.ForKind.SERIAL, body, span=self.span)
        return ir.IfThenElse(ir.EQ(ctx.tid, ir.const(self.leader)), body, None, self.span)

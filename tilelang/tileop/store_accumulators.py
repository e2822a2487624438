"""What threads hold of a matrix in arrays of their own, stored to a tile: the end of a product that its author issued by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import ir
from ..layout import Fragment
from .base import Effects, LoweringContext, TileOp, attribute, tile_op
from .digits import add, guarded, nest, walk_dim
from .view import Region


@tile_op("tl.store_accumulators")
@dataclass(frozen=True, eq=False)
class StoreAccumulators(TileOp):
    """`dst[i, j] = array[register of (i, j)]` by the thread that has it.

    Parameters
    ----------
    dst : TensorRegion
        A tile of m x n elements in shared or global memory, or of (m / rows) x (n / columns) x rows x columns.
    array : TensorRegion
        An array of scope "local", one for each thread; its elements are converted.
    layout : Fragment
        Which thread and which element of the array has (i, j).
    """

    dst: Region
    array: Region
    layout: Fragment
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> StoreAccumulators:
        return cls(call.args[0], call.args[1], attribute(call, "layout"), span)

    def to_call(self) -> ir.Call:
        return ir.call("tl.store_accumulators", [self.dst, self.array], attrs={"layout": self.layout}, span=self.span)

    def effects(self) -> Effects:
        return Effects(reads=(self.array,), writes=(self.dst,))

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        rows, columns = walk_dim(self.layout, 0, ctx.tid), walk_dim(self.layout, 1, ctx.tid, "j")
        value = ir.load(self.array.source, [add(rows.register, columns.register)], self.span)
        dtype = ir.buffer_dtype(self.dst.source)
        if ir.buffer_dtype(self.array.source) != dtype:
            value = ir.Cast(dtype, value)
        store = ir.BufferStore(self.dst.source, value, self._place(rows.index, columns.index), self.span)
        body = nest([*rows.loops, *columns.loops], store, self.span)
        return guarded(self.layout.idle_conditions(ctx.tid, ctx.num_threads), body, self.span)

    def _place(self, row: Any, column: Any) -> list[Any]:
        starts = [r.min for r in self.dst.region]
        if len(starts) == 4:
            m, n = (ir.const_int(self.dst.region[d].extent) or 1 for d in (2, 3))
            return [ir.as_expr(e) for e in (row // m, column // n, row % m, column % n)]
        return [*starts[:-2], ir.as_expr(add(starts[-2], row)), ir.as_expr(add(starts[-1], column))]

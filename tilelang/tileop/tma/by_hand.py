"""T.ptx_cp_async_bulk and T.tma_load: one load whose barrier, descriptor and coordinates are the author's."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from ... import ir
from ...errors import UnsupportedError
from ...layout import SharedLayout
from ...target import Target
from ...target import tma as rules
from ..base import Effects, LoweringContext, TensorMapSpec, TileOp, attribute, dtype_bits, tile_op
from ..ring import element_of
from .box import _unmappable


@dataclass(frozen=True, eq=False)
class LoadByHand(TileOp):
    """Every thread that comes by issues it; it is complete when the barrier has its bytes."""

    tile: ir.BufferRegion
    tensor: ir.BufferRegion
    barrier: ir.BufferRegion
    target: ir.BufferRegion  # the first element that is written
    span: Any = None

    @property
    def is_collective(self) -> bool:
        return False

    @property
    def is_counted(self) -> bool:
        return True

    @property
    def _swizzle(self) -> int:
        return 0

    def check(self, target: Target) -> None:
        if not target.limits.has_tma:
            raise UnsupportedError(
                f"bulk copies and TMA need sm_90 or newer; the target is {target.arch}", fix="use T.copy", span=self.source
            )

    def effects(self) -> Effects:
        return Effects(reads=(self.tensor,), writes=(self.tile,), asynchronous=True)

    def shared_layouts(self, ctx: LoweringContext) -> dict[ir.Var, SharedLayout]:
        buf = self.tile.source
        if len(ir.shape_of(buf)) < 2:
            return {}
        return {buf: SharedLayout(ir.static_shape(buf), dtype_bits(ir.buffer_dtype(buf)), self._swizzle)}

    def _refuse(self, why: str) -> UnsupportedError:
        return UnsupportedError(f"this copy by hand: {why}", fix="T.copy or T.tma_copy", span=self.source)

    def _layout(self, ctx: LoweringContext) -> SharedLayout:
        """The tile's layout, which is what the copy writes."""
        buf = self.tile.source
        layout = ctx.shared_layout(buf)
        if not isinstance(layout, SharedLayout) or layout.swizzle != self._swizzle:
            raise self._refuse(
                f"it writes {buf.name} with a swizzle of {self._swizzle} bytes, but the tile is laid out as {layout}"
            )
        return layout


@tile_op("tl.bulk_by_hand")
@dataclass(frozen=True, eq=False)
class BulkLoadByHand(LoadByHand):
    """Contiguous bytes."""

    start: ir.BufferRegion | None = None
    bytes: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> BulkLoadByHand:
        tile, tensor, barrier, target, start, size = call.args
        return cls(tile, tensor, barrier, target, span, start, size)

    def to_call(self) -> ir.Call:
        args = [self.tile, self.tensor, self.barrier, self.target, self.start, self.bytes]
        return ir.call("tl.bulk_by_hand", args, span=self.span)

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        self._layout(ctx)
        args = [element_of(self.target), element_of(self.start), self.bytes, element_of(self.barrier)]
        return ir.evaluate(ir.call("tl.bulk_load", args, span=self.span), self.span)


@tile_op("tl.tma_by_hand")
@dataclass(frozen=True, eq=False)
class TensorLoadByHand(LoadByHand):
    """A box of a tensor."""

    coordinates: tuple[Any, ...] = ()
    box: tuple[int, ...] = ()
    swizzle: int = 0

    @property
    def _swizzle(self) -> int:
        return self.swizzle

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> TensorLoadByHand:
        box = tuple(int(n) for n in attribute(call, "box"))
        tile, tensor, barrier, target, *coordinates = call.args
        return cls(tile, tensor, barrier, target, span, tuple(coordinates), box, int(attribute(call, "swizzle")))

    def to_call(self) -> ir.Call:
        attrs = {"box": list(self.box), "swizzle": self.swizzle}
        args = [self.tile, self.tensor, self.barrier, self.target, *self.coordinates]
        return ir.call("tl.tma_by_hand", args, attrs=attrs, span=self.span)

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        layout, tile, tensor = self._layout(ctx), self.tile.source, self.tensor.source
        bits = dtype_bits(ir.buffer_dtype(tile))
        shape, wide = ir.static_shape(tile), layout.columns
        held = (1,) * (len(self.box) - len(shape)) + (*shape[:-1], wide)
        for d, (extent, place) in enumerate(zip(self.box, held[::-1])):
            if extent != place and (prod(self.box[d + 1 :]) > 1 or (d == 0 and layout.swizzle)):
                raise self._refuse(f"a box of {self.box} elements (innermost first) is no stretch of {tile.name}, of {held}")
        if self.box[0] * bits // 8 % rules.ALIGNMENT:
            raise self._refuse(f"rows of {self.box[0]} elements of {bits} bits are no multiple of {rules.ALIGNMENT} bytes")
        obstacle = _unmappable(tensor, bits, ctx)
        if obstacle is not None:
            raise self._refuse(obstacle)
        indices = [r.min for r in self.target.region]
        if self.swizzle:
            row, column = indices[-2], indices[-1]
            aligned = ir.as_expr(row % rules.SWIZZLE_ROWS == 0), ir.as_expr(column % wide == 0)
            if not all(ir.can_prove(a, ctx.proofs) for a in aligned):
                raise self._refuse(f"swizzled rows of {tile.name} must start at a multiple of {rules.SWIZZLE_ROWS} rows")
        tensor_map = ir.address_of(ir.load(ctx.tensor_map(TensorMapSpec(tensor, self.box, self.swizzle)), [0]))
        args = [element_of(self.target), tensor_map, element_of(self.barrier), *self.coordinates]
        return ir.evaluate(ir.call("tl.tma_load", args, span=self.span), self.span)

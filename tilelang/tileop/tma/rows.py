"""T.tma_gather4 and T.tma_scatter4: four rows of a tensor, each where it is wanted (sm_100)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ...errors import UnsupportedError
from ...layout import SharedLayout
from ...target import Target
from ...target import tma as rules
from ..base import Effects, LoweringContext, TensorMapSpec, TileOp, attribute, dtype_bits, tile_op
from ..digits import guarded, loop
from ..ring import element_of
from .box import _misaligned, _unmappable
from .cache_hint import hinted

ROWS = 4


@tile_op("tl.tma_rows")
@dataclass(frozen=True, eq=False)
class RowsCopy(TileOp):
    """Issue a copy between four rows of a two-dimensional tensor and four rows of a shared tile, and go on.

    A gather (`barrier`) is complete when the barrier has its bytes, which its author has told it to expect; a scatter belongs to
    the issuing thread's bulk groups. The first of the threads that run the statement issues; `alone`: whoever comes by.
    """

    tensor: ir.BufferRegion  # one row from the column on, as wide as the tile
    tile: ir.BufferRegion  # 4 x width
    rows: tuple[Any, ...]
    barrier: ir.BufferRegion | None = None
    swizzle: int | None = None
    eviction_policy: str | None = None
    alone: bool = False
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> RowsCopy:
        tensor, tile, *rest = call.args
        barrier = rest[ROWS] if len(rest) > ROWS else None
        swizzle, policy = attribute(call, "swizzle"), attribute(call, "eviction_policy")
        known = None if swizzle is None else int(swizzle)
        return cls(tensor, tile, tuple(rest[:ROWS]), barrier, known, policy and str(policy), bool(attribute(call, "alone")), span)

    def to_call(self) -> ir.Call:
        args = [self.tensor, self.tile, *self.rows, *([] if self.barrier is None else [self.barrier])]
        attrs: dict[str, Any] = {"alone": self.alone}
        attrs.update({k: v for k in ("swizzle", "eviction_policy") if (v := getattr(self, k)) is not None})
        return ir.call("tl.tma_rows", args, attrs=attrs, span=self.span)

    @property
    def is_load(self) -> bool:
        return self.barrier is not None

    @property
    def is_collective(self) -> bool:
        return not self.alone

    @property
    def is_counted(self) -> bool:
        return self.is_load

    def check(self, target: Target) -> None:
        if target.limits.capability < 100:
            raise UnsupportedError(
                f"TMA copies rows by number on sm_100; the target is {target.arch}",
                fix="T.copy of each row, or T.Parallel with an index, or compile for sm_100a",
                span=self.source,
            )

        if not self.is_load and not target.limits.has_row_scatter:
            raise UnsupportedError(
                f"TMA stores rows by number on sm_100a alone; the target is {target.arch}",
                fix="T.copy of each row, or T.Parallel with an index; T.tma_gather4 is there",
                span=self.source,
            )

    def effects(self) -> Effects:
        whole = ir.full_region(self.tensor.source)  # which rows, only the device knows
        reads, writes = ((whole,), (self.tile,)) if self.is_load else ((self.tile,), (whole,))
        return Effects(reads=reads, writes=writes, asynchronous=self.is_load)

    def reads_async_proxy(self, ctx: LoweringContext) -> bool:
        return not self.is_load

    def shared_layouts(self, ctx: LoweringContext) -> dict[ir.Var, SharedLayout]:
        if self.swizzle is None:
            return {}
        buf = self.tile.source
        return {buf: SharedLayout(ir.static_shape(buf), dtype_bits(ir.buffer_dtype(buf)), self.swizzle)}

    def _refuse(self, why: str) -> UnsupportedError:
        return UnsupportedError(f"TMA cannot copy these rows: {why}", fix="T.copy of each row", span=self.source)

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        source, tile = self.tensor.source, self.tile.source
        shape, bits, layout = ir.static_shape(tile), dtype_bits(ir.buffer_dtype(tile)), ctx.shared_layout(tile)
        if not isinstance(layout, SharedLayout) or (layout.swizzle and shape[-2] % rules.SWIZZLE_ROWS):
            raise self._refuse(f"{tile.name} has a layout of the author's own, or swizzled rows that do not come in 8s")
        obstacle = _unmappable(source, bits, ctx) or _misaligned(self.tensor, bits, True, ctx)
        if obstacle is not None:
            raise self._refuse(obstacle)
        first, width = self.tile.region[-2].min, shape[-1]
        chunk = layout.columns if layout.swizzle else width
        step = (layout.swizzle or width * bits // 8) * ROWS
        if chunk > rules.MAX_BOX or chunk * bits // 8 % rules.ALIGNMENT or step % rules.SHARED_ALIGNMENT:
            raise self._refuse(f"{width} elements of {bits} bits are no box of 16 to {rules.MAX_BOX} elements, four to 128 bytes")
        if not ir.can_prove(ir.as_expr(first % ROWS == 0), ctx.proofs):
            raise self._refuse(f"the rows of {tile.name} do not provably start at a multiple of {ROWS}")
        tensor_map = ir.address_of(ir.load(ctx.tensor_map(TensorMapSpec(source, (chunk, 1), layout.swizzle)), [0]))
        name, hint = hinted("tl.tma_gather4" if self.is_load else "tl.tma_scatter4", self.eviction_policy)
        leading = [r.min for r in self.tile.region[:-2]]
        # The element that lies where the rows begin: the swizzle exchanges 16-byte chunks by bits of the row.
        chunks = layout.swizzle // 16
        place = first * layout.swizzle // 128 % chunks * (128 // bits) if layout.swizzle else 0

        def issue(i: Any) -> ir.Stmt:
            at = ir.address_of(ir.load(tile, [*leading, first, ir.simplify(ir.as_expr(i * chunk + place))]))
            column = ir.simplify(ir.as_expr(self.tensor.region[-1].min + i * chunk))
            sides = [at, tensor_map, element_of(self.barrier)] if self.barrier is not None else [tensor_map, at]
            return ir.evaluate(ir.call(name, [*sides, *hint, column, *self.rows], span=self.span), self.span)

        body = loop("box", width // chunk, issue, self.span)
        if not self.is_load:
            body = ir.seq([body, ir.evaluate(ir.call("tl.bulk_commit", span=self.span), self.span)])
        return guarded([] if self.alone else [ir.as_expr(ctx.tid) == 0], body, self.span)

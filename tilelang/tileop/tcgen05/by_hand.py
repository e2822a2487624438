"""tcgen05.mma issued by hand: T.ptx_tcgen05_mma_ss and T.ptx_tcgen05_mma_ts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ...errors import SemanticError, UnsupportedError
from ...target import Target
from ..base import Effects, LoweringContext, TileOp, attribute, tile_op
from ..digits import guarded
from .tile import SCOPE, TensorTile, check_target


@tile_op("tl.tcgen05_by_hand")
@dataclass(frozen=True, eq=False)
class ProductByHand(TileOp):
    """One instruction, left under way: `C[...] += A @ B`, or `C[...] = A @ B` where not `keep`.

    The first of the threads that run the statement issues, as for products of T.gemm; `alone`: whichever comes by.

    Parameters
    ----------
    C : TensorRegion
        The tile in tensor memory, whole.
    left : TensorRegion or Expr
        A's tile in tensor memory, or its descriptor.
    right, instruction : Expr
        B's descriptor; the instruction descriptor.
    keep : Expr
    column, left_column : Expr
        Columns of 32 bits from the first of C's and of A's tile.
    tiles : tuple of TensorRegion
        Shared memory that the descriptors tell of.
    lanes : tuple of Expr
        Lanes whose accumulators stay, a bit each: none or four words.
    kind : int
        Number of the instruction's kind.
    wide : bool
        tcgen05.mma.ws.
    """

    C: ir.BufferRegion
    left: Any
    right: Any
    instruction: Any
    keep: Any
    column: Any
    left_column: Any
    tiles: tuple[ir.BufferRegion, ...]
    lanes: tuple[Any, ...] = ()
    kind: int = 0
    wide: bool = False
    alone: bool = False
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> ProductByHand:
        count = int(attribute(call, "masks", 0))
        fixed, rest = list(call.args)[:7], list(call.args)[7:]
        wide, alone = bool(attribute(call, "wide", False)), bool(attribute(call, "alone", False))
        left, right, instruction, keep, column, left_column = fixed[1:]
        lanes, tiles, kind = tuple(rest[:count]), tuple(rest[count:]), int(attribute(call, "kind"))
        return cls(fixed[0], left, right, instruction, keep, column, left_column, tiles, lanes, kind, wide, alone, span)

    def to_call(self) -> ir.Call:
        values = self.right, self.instruction, self.keep, self.column, self.left_column
        args = [self.C, self.left, *values, *self.lanes, *self.tiles]
        attrs = {"kind": self.kind, "wide": self.wide, "alone": self.alone, "masks": len(self.lanes)}
        return ir.call("tl.tcgen05_by_hand", args, attrs=attrs, span=self.span)

    @property
    def _what(self) -> str:
        return f"T.ptx_tcgen05_mma_{'ts' if self.left_tile is not None else 'ss'}"

    @property
    def left_tile(self) -> ir.BufferRegion | None:
        return self.left if isinstance(self.left, ir.BufferRegion) else None

    def check(self, target: Target) -> None:
        check_target(target, self._what, self.source)
        for region, letter in ((self.C, "C"), (self.left_tile, "A")):
            if region is not None and ir.scope_of(region.source) != SCOPE:
                raise SemanticError(
                    f"{letter} of {self._what} is {region.source.name}, in {ir.scope_of(region.source)}",
                    fix="a tile of T.alloc_tmem",
                    span=self.source,
                )

    def effects(self) -> Effects:
        left = (self.left_tile,) if self.left_tile is not None else ()
        return Effects(reads=(self.C, *left, *self.tiles), writes=(self.C,))

    @property
    def is_collective(self) -> bool:
        return not self.alone

    @property
    def is_counted(self) -> bool:
        return True

    @property
    def reads_late(self) -> bool:
        return True

    def reads_async_proxy(self, ctx: LoweringContext) -> bool:
        return True

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        if ctx.tensor_group == 2 and (self.lanes or self.wide):
            raise UnsupportedError(
                f"{self._what} with masks or enable_ws in a kernel of pairs of blocks", fix="leave them out", span=self.source
            )
        way = "ss" if self.left_tile is None else "ts"
        left = self.left if self.left_tile is None else self._address(self.left_tile, self.left_column, ctx)
        args = [self._address(self.C, self.column, ctx), left, self.right, self.instruction, self.keep, *self.lanes]
        masked = "_masked" if self.lanes else ""
        template = [str(self.kind)]
        if not self.lanes and (self.wide or ctx.tensor_group == 2):
            template += ["true" if self.wide else "false", str(ctx.tensor_group)]
        name = f"tl.tcgen05_issue{masked}_{way}"
        fence = ir.evaluate(ir.call("tl.tcgen05_fence_after", span=self.span), self.span)
        issue = ir.evaluate(ir.call(name, args, attrs={"template": template}, span=self.span), self.span)
        return guarded([] if self.alone else [ir.as_expr(ctx.tid) == 0], ir.seq([fence, issue]), self.span)

    def _address(self, region: ir.BufferRegion, column: Any, ctx: LoweringContext) -> Any:
        tile: TensorTile = ctx.tensor_tiles[region.source]
        offset = ir.simplify(ir.as_expr(column))
        return tile.base if ir.const_int(offset) == 0 else tile.base + ir.Cast("uint32", offset)

"""Block scales on their way to tensor memory: put in order within a warp, then copied to all four quarters of the lanes.

A tile has one 32-bit word for each row, its bytes the scales of four blocks along k. tcgen05.cp.32x128b.warpx4 takes 16 bytes
for each of 32 lanes, so that lane l needs the words of rows l, l + 32, l + 64 and l + 96 side by side (PTX ISA, "tcgen05.cp").
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from ... import ir
from ...errors import ShapeError, SourceSpan
from ...layout import SharedLayout
from ...target import Target
from ...target.tcgen05 import LANES, QUARTER
from ..base import Effects, LoweringContext, TileOp, attribute, dtype_bits, tile_op
from ..digits import guarded, loop
from ..view import extents, starts
from .tile import SCOPE, TensorTile, check_target

_WORDS = 4  # that a lane takes


def _chunks(region: ir.BufferRegion, what: str, span: SourceSpan | None) -> int:
    """How many times 128 words a region of whole rows of a shared tile has."""
    words, shape = extents(region, span), ir.static_shape(region.source)
    if dtype_bits(ir.buffer_dtype(region.source)) != 32 or prod(words) % LANES or words[-1] != shape[-1]:
        raise ShapeError(
            f"{what} of {region.source.name}, {' x '.join(map(str, words))} of {ir.buffer_dtype(region.source)}",
            fix="a multiple of 128 words of 32 bits, one for each row: four scales along k",
            span=span,
        )
    return prod(words) // LANES


def _word(region: ir.BufferRegion, position: Any) -> list[Any]:
    """The indices of the word at a position of a region, row-major."""
    shape, out = extents(region), []
    for extent, start in zip(reversed(shape), reversed(starts(region))):
        out.append(start + (position % extent if extent > 1 else 0))
        position = position // extent if extent > 1 else position
    return [ir.simplify(ir.as_expr(i)) for i in reversed(out)]


def _linear(region: ir.BufferRegion) -> dict[ir.Var, SharedLayout]:
    return {region.source: SharedLayout.linear(ir.static_shape(region.source), 32)}


@tile_op("tl.sf_warp_transpose")
@dataclass(frozen=True, eq=False)
class ScaleTranspose(TileOp):
    """In place, in each 128 words: the word of row 32 c + l goes to place 4 l + c. A warp has 128 words at a time."""

    words: ir.BufferRegion
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> ScaleTranspose:
        return cls(call.args[0], span)

    def to_call(self) -> ir.Call:
        return ir.call("tl.sf_warp_transpose", [self.words], span=self.span)

    def check(self, target: Target) -> None:
        _chunks(self.words, "T.tcgen05_sf_warp_transpose", self.source)

    def effects(self) -> Effects:
        return Effects(reads=(self.words,), writes=(self.words,))

    def shared_layouts(self, ctx: LoweringContext) -> dict[ir.Var, SharedLayout]:
        return _linear(self.words)

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        count, warps = _chunks(self.words, "", None), ctx.num_warps
        held = ir.buffer((_WORDS,), ir.buffer_dtype(self.words.source), "scales", "local")
        lane, warp = ctx.tid % QUARTER, ctx.tid // QUARTER

        def read(chunk: Any, c: Any) -> ir.Stmt:
            word = ir.load(self.words.source, _word(self.words, chunk * LANES + c * QUARTER + lane))
            return ir.BufferStore(held, word, [ir.as_expr(c)], self.span)

        def write(chunk: Any, c: Any) -> ir.Stmt:
            place = _word(self.words, chunk * LANES + lane * _WORDS + c)
            return ir.BufferStore(self.words.source, ir.load(held, [ir.as_expr(c)]), place, self.span)

        def exchange(i: Any) -> ir.Stmt:
            chunk = i * warps + warp
            body = [
                loop("c", _WORDS, lambda c: read(chunk, c), self.span),
                ir.evaluate(ir.call("tl.sync_warp", span=self.span), self.span),
                loop("c", _WORDS, lambda c: write(chunk, c), self.span),
            ]
            busy = None if count % warps == 0 else ir.as_expr(chunk < count)
            return guarded([busy], ir.seq(body), self.span)

        return ir.seq([ir.alloc(held, self.span), loop("i", -(-count // warps), exchange, self.span)])


@tile_op("tl.tcgen05_cp_warpx4")
@dataclass(frozen=True, eq=False)
class ScaleCopy(TileOp):
    """Issue the copy of ordered words to columns of tensor memory, and go on: products of the same thread come after it.

    The first of the threads that run the statement issues, as for products; `alone`: whichever comes by.
    """

    words: ir.BufferRegion
    tile: ir.BufferRegion
    column: Any
    alone: bool = False
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> ScaleCopy:
        words, tile, column = call.args
        return cls(words, tile, column, bool(attribute(call, "alone", False)), span)

    def to_call(self) -> ir.Call:
        return ir.call("tl.tcgen05_cp_warpx4", [self.words, self.tile, self.column], attrs={"alone": self.alone}, span=self.span)

    def check(self, target: Target) -> None:
        check_target(target, "T.tcgen05_cp_warpx4", self.source)
        count, shape = _chunks(self.words, "T.tcgen05_cp_warpx4", self.source), ir.static_shape(self.tile.source)
        columns = prod(shape) // LANES * dtype_bits(ir.buffer_dtype(self.tile.source)) // 32
        if ir.scope_of(self.tile.source) != SCOPE or count * _WORDS > columns:
            raise ShapeError(
                f"T.tcgen05_cp_warpx4 of {count * LANES} words to {self.tile.source.name}",
                fix=f'four columns for 128 words: T.alloc_tmem((128, {count * _WORDS}), "uint32")',
                span=self.source,
            )

    def effects(self) -> Effects:
        return Effects(reads=(self.words,), writes=(self.tile,))

    @property
    def is_collective(self) -> bool:
        return not self.alone

    @property
    def reads_late(self) -> bool:
        return True

    def reads_async_proxy(self, ctx: LoweringContext) -> bool:
        return True

    def shared_layouts(self, ctx: LoweringContext) -> dict[ir.Var, SharedLayout]:
        return _linear(self.words)

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        tile: TensorTile = ctx.tensor_tiles[self.tile.source]

        def copy(i: Any) -> ir.Stmt:
            first = ir.address_of(ir.load(self.words.source, _word(self.words, i * LANES)))
            rows = ir.call("tl.tcgen05_descriptor", [first, 0, 128], ret="uint64", attrs={"template": ["0"]})
            column = ir.simplify(ir.as_expr(self.column + i * _WORDS))
            to = tile.base if ir.const_int(column) == 0 else tile.base + ir.Cast("uint32", column)
            attrs = {"template": [str(ctx.tensor_group)]}
            return ir.evaluate(ir.call("tl.tcgen05_cp_warpx4", [to, rows], attrs=attrs, span=self.span), self.span)

        fence = ir.evaluate(ir.call("tl.tcgen05_fence_after", span=self.span), self.span)
        issue = ir.seq([fence, loop("i", _chunks(self.words, "", None), copy, self.span)])
        return guarded([] if self.alone else [ir.as_expr(ctx.tid) == 0], issue, self.span)

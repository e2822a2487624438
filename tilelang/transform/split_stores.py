"""Tiles on their way out, in pieces: `T.copy(fragment, tile); T.copy(tile, tensor)` through a narrower tile.

    for piece in 0 .. pieces:                      # unrolled
        T.copy(fragment[:, piece * w : ...], narrow)
        T.copy(narrow, tensor[..., piece * w : ...])

A block that goes on to its next tile needs the tile of its epilogue beside the ring of the next one's operands; narrower, it
leaves the ring its slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import ir
from ..tileop.base import as_tile_op, dtype_bits
from ..tileop.copy import Copy
from .region import covers, ranges_of

SWIZZLE_BYTES = 128  # whole rows of a swizzle, so that pieces are stored as fast as the tile


@dataclass(frozen=True)
class StagedStore:
    """Two statements, `fill` and `store`, that bring a fragment through a shared `tile` to a tensor; nothing else uses it."""

    fill: ir.Stmt
    store: ir.Stmt
    tile: ir.Var

    def divides(self, pieces: int) -> bool:
        """True if the tile can be cut into so many pieces."""
        columns, bits = ir.static_shape(self.tile)[-1], dtype_bits(ir.buffer_dtype(self.tile))
        return pieces == 1 or columns % pieces == 0 and columns // pieces * bits % (8 * SWIZZLE_BYTES) == 0

    def split(self, pieces: int) -> list[ir.Stmt]:
        """The statements with the narrow tile's allocation in front."""
        *rows, columns = ir.static_shape(self.tile)
        width = columns // pieces
        narrow = ir.buffer((*rows, width), ir.buffer_dtype(self.tile), str(self.tile.name), ir.scope_of(self.tile))
        out: list[ir.Stmt] = [ir.alloc(narrow, self.fill.span)]
        fill, store = as_tile_op(self.fill), as_tile_op(self.store)
        assert isinstance(fill, Copy) and isinstance(store, Copy)
        for piece in range(pieces):
            start = piece * width
            whole = ir.full_region(narrow)
            for op in (replace(fill, src=_columns(fill.src, start, width), dst=whole),
                       replace(store, src=whole, dst=_columns(store.dst, start, width))):  # fmt: skip
                out.append(ir.evaluate(op.to_call(), op.span))
        return out


def staged_stores(body: ir.Stmt) -> list[StagedStore]:
    """The staged stores among the statements of a launch."""
    parts = ir.statements(body)
    found = []
    for fill, store in zip(parts, parts[1:]):
        first, second = as_tile_op(fill), as_tile_op(store)
        if not isinstance(first, Copy) or not isinstance(second, Copy) or not first.dst.source.same_as(second.src.source):
            continue
        tile = first.dst.source
        scopes = ir.scope_of(first.src.source), ir.scope_of(second.dst.source)
        whole = covers(tile, ranges_of(first.dst)) and covers(tile, ranges_of(second.src))
        if scopes == ("local.fragment", "global") and ir.scope_of(tile).startswith("shared") and whole:
            mentions = [n for n in ir.collect(body, (ir.BufferLoad, ir.BufferStore, ir.BufferRegion)) if _names(n, tile)]
            if len(mentions) == 2:
                found.append(StagedStore(fill, store, tile))
    return found


def split_stores(parts: Sequence[ir.Stmt], stores: Sequence[StagedStore], pieces: int) -> list[ir.Stmt]:
    """Statements with each staged store in pieces, as far as it can be cut."""
    out: list[ir.Stmt] = []
    chosen = [s for s in stores if pieces > 1 and s.divides(pieces)]
    for stmt in parts:
        if isinstance(stmt, ir.AllocBuffer) and any(stmt.buffer.same_as(s.tile) for s in chosen):
            continue
        as_fill = [s for s in chosen if s.fill.same_as(stmt)]
        if as_fill:
            out += as_fill[0].split(pieces)
        elif not any(s.store.same_as(stmt) for s in chosen):
            out.append(stmt)
    return out


def _names(node: Any, buf: ir.Var) -> bool:
    return bool((node.buffer if isinstance(node, ir.BufferStore) else node.source).same_as(buf))


def _columns(region: ir.BufferRegion, start: int, width: int) -> ir.BufferRegion:
    """Some columns of a region: of its last dimension that is not of extent 1."""
    dims = [(r.min, r.extent) for r in region.region]
    last = max(d for d, (_, extent) in enumerate(dims) if ir.const_int(extent) != 1)
    first, extent = dims[last]
    dims[last] = ir.simplify(first + start), ir.const(width, ir.dtype_of(extent))
    return ir.region(region.source, dims)

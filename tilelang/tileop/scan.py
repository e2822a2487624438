"""T.cumsum, T.cummax: running sums and maxima of a tile in shared memory along one dimension."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from .. import ir
from ..errors import SemanticError
from ..target import Target
from .base import Effects, LoweringContext, TileOp, attribute, tile_op
from .reduce_kind import ReduceKind, accumulator
from .view import Region, extents, starts

FRAGMENT = "local.fragment"
WARP = 32
_WARP_STEP = 14  # instructions of a warp for 32 elements of a line, in units of what one thread spends on an element


@tile_op("tl.scan")
@dataclass(frozen=True, eq=False)
class Scan(TileOp):
    """dst[..., k, ...] = src[..., 0, ...] + ... + src[..., k, ...] (or the largest of them).

    Parameters
    ----------
    src, dst : TensorRegion
        Of equal extents, in shared memory (fragments are staged there); one and the same region scans in place.
    kind : str
        sum or max. Sums of 16- and 8-bit floats run in float32.
    dim : int
        Counted over the extents of `src` that are not single indices.
    reverse : bool
        From the last element to the first.
    """

    src: Region
    dst: Region
    kind: str
    dim: int
    reverse: bool = False
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> Scan:
        src, dst = call.args
        return cls(
            src, dst, str(attribute(call, "kind")), int(attribute(call, "dim")), bool(attribute(call, "reverse", False)), span
        )

    def to_call(self) -> ir.Call:
        attrs = {"kind": self.kind, "dim": self.dim, "reverse": self.reverse}
        return ir.call("tl.scan", [self.src, self.dst], attrs=attrs, span=self.span)

    def check(self, target: Target) -> None:
        if self.src.source.same_as(self.dst.source) and not all(
            ir.structural_equal(a.min, b.min) for a, b in zip(self.src.region, self.dst.region)
        ):
            raise SemanticError(
                f"a scan of {self.src} into another part of the same tile, {self.dst}",
                fix="scan in place, or into a tile of its own",
                span=self.source,
            )

    def effects(self) -> Effects:
        return Effects(reads=(self.src,), writes=(self.dst,))

    def staged_operands(self, ctx: LoweringContext) -> tuple[ir.Var, ...]:
        """Lines run through all threads of a warp: registers would have to travel anyway."""
        buffers = dict.fromkeys((self.src.source, self.dst.source))
        return tuple(b for b in buffers if ir.scope_of(b) == FRAGMENT)

    # ------------------------------------------------------------------ lowering

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        shape = self._shape()
        count, lines = shape[self.dim], prod(shape) // shape[self.dim]
        warps = ctx.num_threads // WARP
        by_thread = -(-lines // ctx.num_threads) * count
        if ctx.num_threads % WARP or by_thread <= -(-lines // warps) * -(-count // WARP) * _WARP_STEP:
            return self._thread_lines(ctx, lines, count)
        return self._warp_lines(ctx, lines, count, warps)

    def _shape(self) -> tuple[int, ...]:
        """Extents along the dimensions that `dim` counts: those that are more than a single index."""
        return tuple(n for n, whole in zip(extents(self.src, self.source), self._counted(self.src)) if whole)

    def _counted(self, region: Region) -> list[bool]:
        found = extents(region, self.source)
        flags = [n > 1 for n in found]
        missing = self._rank(region) - sum(flags)
        for d in range(len(found)):  # extents of 1 count where the author wrote a slice: the last ones
            if missing > 0 and not flags[d]:
                flags[d], missing = True, missing - 1
        return flags

    def _rank(self, region: Region) -> int:
        return max(self.dim + 1, sum(n > 1 for n in extents(region, self.source)))

    def _kind(self) -> ReduceKind:
        return ReduceKind(self.kind, accumulator(self.kind, ir.buffer_dtype(self.dst.source)))

    def _place(self, region: Region, line: Any, position: Any) -> list[Any]:
        """Indices of element `position` of line `line` (lines are counted row-major over the other dimensions)."""
        shape = self._shape()
        values: list[Any] = []
        for d in reversed(range(len(shape))):
            if d == self.dim:
                values.insert(0, position)
            else:
                values.insert(0, line % shape[d] if shape[d] > 1 else ir.const(0))
                line = line // shape[d]
        remaining = iter(values)
        return [low + next(remaining) if whole else low for low, whole in zip(starts(region), self._counted(region))]

    def _position(self, index: Any, count: int) -> Any:
        return (count - 1) - index if self.reverse else index

    def _read(self, line: Any, position: Any) -> Any:
        value = ir.load(self.src.source, self._place(self.src, line, position), self.span)
        return self._kind().element(value)

    def _write(self, line: Any, position: Any, value: Any) -> ir.Stmt:
        dtype = ir.buffer_dtype(self.dst.source)
        value = value if ir.dtype_of(value) == dtype else ir.Cast(dtype, value)
        return ir.BufferStore(self.dst.source, value, self._place(self.dst, line, position), self.span)

    def _loop(self, var: Any, extent: int, body: ir.Stmt) -> ir.Stmt:
        kind = ir.ForKind.UNROLLED if extent <= 16 else ir.ForKind.SERIAL
        return ir.For(var, ir.const(0), ir.const(extent), kind, body, span=self.span)

    def _thread_lines(self, ctx: LoweringContext, lines: int, count: int) -> ir.Stmt:
        """Each thread walks lines of its own."""
        kind = self._kind()
        total = ir.buffer((1,), kind.dtype, "running", "local.var")
        repeat, k = ir.var("i"), ir.var("k")
        line = repeat * ctx.num_threads + ctx.tid
        position = self._position(k, count)
        here = ir.load(total, [0])
        step = ir.seq(
            [
                ir.BufferStore(total, kind.combine(here, self._read(line, position)), [ir.const(0)]),
                self._write(line, position, here),
            ]
        )
        body = ir.seq([ir.alloc(total), ir.BufferStore(total, kind.identity(), [ir.const(0)]), self._loop(k, count, step)])
        rounds = -(-lines // ctx.num_threads)
        if lines % ctx.num_threads:
            body = ir.IfThenElse(line < lines, body, None, self.span)
        return self._loop(repeat, rounds, body)

    def _warp_lines(self, ctx: LoweringContext, lines: int, count: int, warps: int) -> ir.Stmt:
        """Each warp walks lines, 32 elements at a time: a scan over lanes, and what came before as a carry."""
        kind = self._kind()
        carry, value = (ir.buffer((1,), kind.dtype, name, "local.var") for name in ("carry", "running"))
        repeat, c = ir.var("i"), ir.var("c")
        line = repeat * warps + ctx.tid // WARP
        index = c * WARP + ctx.tid % WARP
        position = self._position(index, count)
        inside = index < count
        ragged = count % WARP != 0
        first = self._read(line, position)
        if ragged:
            first = ir.if_then_else(inside, first, kind.identity())
        zero = [ir.const(0)]
        scanned = ir.call("tl.warp_scan", [first], kind.dtype, {"template": [kind.device_operator]})
        write = self._write(line, position, ir.load(value, zero))
        step = ir.seq(
            [
                ir.alloc(value),
                ir.BufferStore(value, scanned, zero),
                ir.BufferStore(value, kind.combine(ir.load(carry, zero), ir.load(value, zero)), zero),
                ir.IfThenElse(inside, write, None, self.span) if ragged else write,
                ir.BufferStore(carry, ir.call("tl.shfl", [ir.load(value, zero), ir.const(WARP - 1)], kind.dtype), zero),
            ]
        )
        chunks = -(-count // WARP)
        body = ir.seq([ir.alloc(carry), ir.BufferStore(carry, kind.identity(), zero), self._loop(c, chunks, step)])
        if lines % warps:
            body = ir.IfThenElse(line < lines, body, None, self.span)
        return self._loop(repeat, -(-lines // warps), body)

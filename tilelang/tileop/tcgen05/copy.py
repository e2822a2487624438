"""T.copy between tensor memory and a fragment: tcgen05.ld and tcgen05.st, each thread a row.

PTX ISA, "Tensor Memory and Register Load/Store Instructions", shape .32x32b: lane l of warp w has lane 32 * (w % 4) + l of
tensor memory, and consecutive columns in consecutive registers. Four warps share the rows; further warpgroups take further rows
or columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Any

from ... import ir
from ...errors import DTypeError, SemanticError, UnsupportedError
from ...layout import Factor, Fragment, local, thread
from ...target import Target
from ...target.tcgen05 import HALF_ROWS, LANES, QUARTER
from ..base import Effects, LoweringContext, TileOp, dtype_bits
from ..digits import add, scale
from ..view import matrix_dims, view, whole_layout
from .tile import SCOPE, TensorTile, check_target, row_block

_MOST = 128  # columns of one instruction


@dataclass(frozen=True, eq=False)
class TensorCopy(TileOp):
    """`fragment[...] = tile[...]`, or the other way round; made by `tl.copy` where one side is tensor memory."""

    src: ir.BufferRegion
    dst: ir.BufferRegion
    span: Any = None

    @staticmethod
    def is_one(src: ir.BufferRegion, dst: ir.BufferRegion) -> bool:
        return SCOPE in (ir.scope_of(src.source), ir.scope_of(dst.source))

    def to_call(self) -> ir.Call:
        return ir.call("tl.copy", [self.src, self.dst], span=self.span)

    @property
    def loads(self) -> bool:
        return ir.scope_of(self.src.source) == SCOPE

    @property
    def tensor(self) -> ir.BufferRegion:
        return self.src if self.loads else self.dst

    @property
    def fragment(self) -> ir.BufferRegion:
        return self.dst if self.loads else self.src

    def check(self, target: Target) -> None:
        check_target(target, "this copy", self.source)
        other = self.fragment.source
        if ir.scope_of(other) != "local.fragment":
            raise SemanticError(
                f"tensor memory is copied to and from fragments, not {other.name} in {ir.scope_of(other)}",
                fix="copy through T.alloc_fragment",
                span=self.source,
            )
        if ir.buffer_dtype(other) != ir.buffer_dtype(self.tensor.source):
            raise DTypeError(
                f"{self.tensor.source.name} is {ir.buffer_dtype(self.tensor.source)}, {other.name} is {ir.buffer_dtype(other)}",
                fix="copy to a fragment of the same dtype, then convert",
                span=self.source,
            )

    def effects(self) -> Effects:
        return Effects(reads=(self.src,), writes=(self.dst,))

    # ------------------------------------------------------------------ layout

    def _warpgroups(self, ctx: LoweringContext) -> int:
        if ctx.num_threads % LANES or ctx.first_thread % LANES:
            raise UnsupportedError(
                f"{ctx.num_threads} threads from thread {ctx.first_thread} copy {self.tensor.source.name}: a warp "
                f"reaches {QUARTER} lanes of tensor memory, by its place among four",
                fix="let whole warpgroups (128 threads, from a multiple of 128) run the copy",
                span=self.source,
            )
        return ctx.num_threads // LANES

    def _split(self, ctx: LoweringContext) -> tuple[int, int]:
        """Warpgroups along blocks of rows, and along columns."""
        _, rows, columns, _ = row_block(self.tensor, self.source)
        groups, tile = self._warpgroups(ctx), ctx.tensor_tiles[self.tensor.source]
        along_rows = gcd(groups, tile.row_blocks)
        return along_rows, gcd(groups // along_rows, columns // tile.per_column)

    def part(self, ctx: LoweringContext) -> Fragment:
        """The layout of the region that is copied."""
        _, rows, columns, _ = row_block(self.tensor, self.source)
        along_rows, along_columns = self._split(ctx)
        blocks, own = max(1, rows // LANES), columns // along_columns
        lanes = (thread(4, QUARTER), thread(16, 1)) if rows == HALF_ROWS else (thread(4, QUARTER), thread(QUARTER, 1))
        row: tuple[Factor, ...] = (local(blocks // along_rows, own), thread(along_rows, LANES * along_columns), *lanes)
        # The last digit is what ordinary code moves at a time: 16 bytes.
        vector = gcd(own, 128 // dtype_bits(ir.buffer_dtype(self.tensor.source)))
        column = (thread(along_columns, LANES), local(own // vector, vector), local(vector, 1))
        return Fragment((rows, columns), (tuple(f for f in row if f.extent > 1), tuple(f for f in column if f.extent > 1)))

    def _needed(self, ctx: LoweringContext) -> Fragment:
        dims = matrix_dims(self.fragment, self.source)
        return whole_layout(self.part(ctx), self.fragment, dims, ctx, self.source)

    def strict_fragments(self, ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        return {self.fragment.source: self._needed(ctx)}

    def required_fragments(self, ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        needed = self._needed(ctx)
        return {} if ctx.fragments.get(self.fragment.source) == needed else {self.fragment.source: needed}

    # ------------------------------------------------------------------ lowering

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        leading, rows, columns, first = row_block(self.tensor, self.source)
        tile: TensorTile = ctx.tensor_tiles[self.tensor.source]
        along_rows, along_columns = self._split(ctx)
        found = view(
            ctx.fragments[self.fragment.source], self.fragment, matrix_dims(self.fragment, self.source), ctx, self.source
        )
        registers, own = ctx.registers_of(self.fragment.source), columns // along_columns
        group = ctx.tid // LANES
        block0: Any = scale(group // along_columns, 1) if along_rows > 1 else 0
        column0: Any = scale(group % along_columns, own) if along_columns > 1 else 0
        quarter = ir.Cast("uint32", ctx.tid // QUARTER % 4) << ir.const(21, "uint32")  # lane 32 * quarter, from bit 16 on
        pieces: list[_Piece] = []
        for block in range(tile.row_blocks // along_rows):
            place = add(scale(block, along_rows), block0)
            address = tile.address([*leading, place, add(first, column0)]) + quarter
            start = add(found.base, block * own)
            pieces += _pieces(address, start, own // tile.per_column, tile.per_column)
        body = self._load(pieces, registers, tile) if self.loads else self._store(pieces, registers, tile)
        if rows == HALF_ROWS and not self.loads:  # half of the lanes hold nothing, and store it
            idle = [self._each(p, tile.per_column, lambda i, p=p: self._zero(registers, add(p.start, i))) for p in pieces]
            body = ir.seq([ir.IfThenElse(ir.as_expr(ctx.tid % QUARTER >= 16), ir.seq(idle), None, self.span), body])
        # The barriers around are the author's or inserted ones: they order tcgen05 operations only between two fences.
        body = ir.seq([self._call("tl.tcgen05_fence_after"), body, self._call("tl.tcgen05_fence_before")])
        used = LANES * along_rows * along_columns
        return body if used == ctx.num_threads else ir.IfThenElse(ir.as_expr(ctx.tid) < used, body, None, self.span)

    def _call(self, name: str, args: list[Any] | None = None, columns: int | None = None) -> ir.Stmt:
        attrs = None if columns is None else {"template": [str(columns)]}
        return ir.evaluate(ir.call(name, args or [], attrs=attrs, span=self.span), self.span)

    def _load(self, pieces: list[_Piece], registers: ir.Var, tile: TensorTile) -> ir.Stmt:
        words, before, after = self._words(pieces, registers, tile)
        places = [ir.address_of(ir.load(words, [p.word if before else p.start])) for p in pieces]
        return ir.seq(
            [
                *before,
                *(self._call("tl.tcgen05_ld", [at, p.address], p.columns) for p, at in zip(pieces, places)),
                self._call("tl.tcgen05_wait_ld"),
                *(self._call("tl.tcgen05_pin", [at], p.columns) for p, at in zip(pieces, places)),
                *(self._unpacked(p, words, registers) for p in pieces if after),
            ]
        )

    def _store(self, pieces: list[_Piece], registers: ir.Var, tile: TensorTile) -> ir.Stmt:
        words, before, _ = self._words(pieces, registers, tile)
        return ir.seq(
            [
                *before,
                *(self._packed(p, words, registers) for p in pieces if before),
                *(
                    self._call(
                        "tl.tcgen05_st", [p.address, ir.address_of(ir.load(words, [p.word if before else p.start]))], p.columns
                    )
                    for p in pieces
                ),
                self._call("tl.tcgen05_wait_st"),
            ]
        )

    def _words(self, pieces: list[_Piece], registers: ir.Var, tile: TensorTile) -> tuple[ir.Var, list[ir.Stmt], bool]:
        """The array that instructions touch; where elements of 16 bits have a column each, one of its own, which is declared
        first."""
        if tile.per_column > 1 or ir.buffer_dtype(registers) in ("float32", "int32", "uint32"):
            return registers, [], False
        total = sum(p.columns for p in pieces)
        at = 0
        for piece in pieces:
            piece.word, at = at, at + piece.columns
        words = ir.buffer((total,), "uint32", f"{tile.name}_words", "local")
        return words, [ir.alloc(words)], True

    def _zero(self, registers: ir.Var, at: Any) -> ir.Stmt:
        return ir.BufferStore(registers, ir.zero(ir.buffer_dtype(registers)), [ir.as_expr(at)], self.span)

    def _each(self, piece: _Piece, per_column: int, store: Any) -> ir.Stmt:
        i = ir.var("i")
        return ir.For(i, ir.const(0), ir.const(piece.columns * per_column), ir.ForKind.UNROLLED, store(i), span=self.span)

    def _unpacked(self, piece: _Piece, words: ir.Var, registers: ir.Var) -> ir.Stmt:
        dtype = ir.buffer_dtype(registers)

        def store(i: Any) -> ir.Stmt:
            bits = ir.Cast("uint16", ir.load(words, [add(piece.word, i)]))
            return ir.BufferStore(
                registers, ir.pure_call("tl.reinterpret", [bits], dtype), [ir.as_expr(add(piece.start, i))], self.span
            )

        return self._each(piece, 1, store)

    def _packed(self, piece: _Piece, words: ir.Var, registers: ir.Var) -> ir.Stmt:
        def store(i: Any) -> ir.Stmt:
            bits = ir.pure_call("tl.reinterpret", [ir.load(registers, [ir.as_expr(add(piece.start, i))])], "uint16")
            return ir.BufferStore(words, ir.Cast("uint32", bits), [ir.as_expr(add(piece.word, i))], self.span)

        return self._each(piece, 1, store)


@dataclass
class _Piece:
    """What one instruction moves: `columns` from `address`, registers from `start`; `word` is its place in an array of words."""

    address: Any
    start: Any
    columns: int
    word: int = 0


def _pieces(address: Any, start: Any, columns: int, per_column: int) -> list[_Piece]:
    """Powers of two, largest first."""
    found, at = [], 0
    while at < columns:
        count = min(_MOST, 1 << ((columns - at).bit_length() - 1))
        place = address if at == 0 else address + ir.const(at, "uint32")
        found.append(_Piece(ir.simplify(place), add(start, at * per_column), count))
        at += count
    return found

"""Block scales of matrix instructions: from a shared tile to the register that each lane passes.

PTX ISA, "Block Scaling for mma.sync". A lane passes the scales of one row of A and of one column of B, a byte for each of the
instruction's blocks along k, lowest k first. With lane = 4 * group + t, and selectors {0, 0}, the instruction reads A's row
`group + 8 * (t % 2)` from t = 0 and 1, and B's column `group` from t = 0. The other lanes pass the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ...target.mma import ScaledInstruction
from ..base import LoweringContext
from ..digits import add, scale
from .operand import SharedMatrix, rows_aligned


@dataclass(frozen=True)
class BlockScales:
    """The scales of one operand: bytes of a shared tile, the same number for each row of A or column of B.

    Attributes
    ----------
    codes : SharedMatrix
        Rows of A (or columns of B) by bytes, or by words of four bytes, the lowest first.
    held : int
        Blocks along k whose scales a row has: block b's is number `b % held`.
    granularity : int
        Elements along k that share a scale.
    k_start : Expr
        Where the operand's tile begins along k.
    """

    codes: SharedMatrix
    held: int
    granularity: int
    k_start: Any

    def register(self, row: Any, step: Any, instruction: ScaledInstruction, ctx: LoweringContext) -> Any:
        """The register of the row's scales for the instruction's step along k."""
        analyzer, count = ctx.proofs, instruction.blocks
        first = add(self.k_start, scale(step, instruction.k))
        places = [
            ir.simplify(ir.as_expr(add(first, j * instruction.block) // self.granularity % self.held), analyzer)
            for j in range(count)
        ]
        if self.granularity == instruction.block and self._together(places[0], count, analyzer):
            return self._run(row, places[0], count, ctx)
        value = self._byte(row, places[0])
        for j in range(1, count):
            value = value | (self._byte(row, places[j]) << ir.const(8 * j, "uint32"))
        return value

    def _together(self, first: Any, count: int, analyzer: Any) -> bool:
        """True if the scales of `count` blocks from `first` on are neighbours that start at a multiple of their number."""
        return self.held % count == 0 and ir.can_prove(ir.as_expr(first % count == 0), analyzer)

    def _run(self, row: Any, first: Any, count: int, ctx: LoweringContext) -> Any:
        """`count` neighbours: of a word, or of the bytes of a row."""
        if self.codes.bits == 32:
            return self._word(row, first // 4) if count == 4 else self._shifted(row, first)
        contiguous = len(self.codes.starts) - 1
        start = self.codes.starts[contiguous]
        along = self.codes.dims[1] == contiguous and ir.can_prove(ir.as_expr(start % count == 0), ctx.proofs)
        if count > 1 and along and rows_aligned(ctx.shared_layout(self.codes.buffer), count):
            kind = f"uint{8 * count}"
            return ir.Cast("uint32", ir.pure_call("tl.load_as", [ir.address_of(self.codes.at(row, first))], kind))
        value = self._byte(row, first)
        for j in range(1, count):
            value = value | (self._byte(row, first + j) << ir.const(8 * j, "uint32"))
        return value

    def _word(self, row: Any, index: Any) -> Any:
        return ir.Cast("uint32", self.codes.at(row, ir.simplify(ir.as_expr(index))))

    def _shifted(self, row: Any, place: Any) -> Any:
        """The word of a scale, shifted so that its byte is the lowest."""
        shift = ir.Cast("uint32", ir.simplify(ir.as_expr(scale(place % 4, 8))))
        return self._word(row, place // 4) >> shift

    def _byte(self, row: Any, place: Any) -> Any:
        """One scale, as 32 bits."""
        if self.codes.bits == 32:
            return self._shifted(row, place) & ir.const(0xFF, "uint32")
        code = self.codes.at(row, place)
        if ir.dtype_of(code) not in ("uint8", "int8"):
            code = ir.pure_call("tl.reinterpret", [code], "uint8")
        return ir.Cast("uint32", code) & ir.const(0xFF, "uint32")


@dataclass(frozen=True)
class ScaledOperands:
    """What a product with block scales passes beside its operands."""

    instruction: ScaledInstruction
    a: BlockScales
    b: BlockScales

    def a_register(self, row: Any, step: Any, lane: Any, ctx: LoweringContext) -> Any:
        """What `lane` passes for the 16 rows from `row` on."""
        return self.a.register(add(add(row, lane // 4), scale(lane % 2, 8)), step, self.instruction, ctx)

    def b_register(self, column: Any, step: Any, lane: Any, ctx: LoweringContext) -> Any:
        """What `lane` passes for the 8 columns from `column` on."""
        return self.b.register(add(column, lane // 4), step, self.instruction, ctx)

"""Matrix descriptors: how wgmma and tcgen05 walk a swizzled shared tile (PTX ISA, "Matrix Descriptor Format", "Strides").

With W bytes a swizzled row, a tile is column blocks of W bytes, each row after row. In a block 8 rows make an atom of 8 W bytes.

- k contiguous: the strided byte offset is the step of 8 rows along m or n (8 W). The leading offset is not used.
- m or n contiguous: the strided offset is the step of 8 rows along k (8 W), the leading one the step of W bytes along m or n
  (a column block).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ...layout import SharedLayout
from ..base import LoweringContext, dtype_bits
from ..mma.operand import SharedMatrix


@dataclass(frozen=True)
class DescribedMatrix:
    """A shared operand that wgmma (and tcgen05) can read.

    `k_major`: k is the contiguous dimension. `leading` and `strided` are the descriptor's byte offsets; `swizzle` its mode.
    """

    matrix: SharedMatrix
    k_major: bool
    leading: int
    strided: int
    swizzle: int

    @staticmethod
    def of(matrix: SharedMatrix, k_dim: int, any_major: bool, ctx: LoweringContext, k_bytes: int = 32) -> DescribedMatrix | None:
        """The operand as wgmma sees it; None where its layout, its position in the tile or its order does not fit.

        `k_dim` (0 or 1) is the matrix dimension along k; an instruction reads `k_bytes` along it, which a swizzled row holds.
        """
        rank = len(matrix.starts)
        k_major = matrix.dims[k_dim] == rank - 1
        if set(matrix.dims) != {rank - 2, rank - 1} or not (k_major or any_major):
            return None
        shape, bits = ir.static_shape(matrix.buffer), dtype_bits(ir.buffer_dtype(matrix.buffer))
        layout = ctx.shared.get(matrix.buffer) or SharedLayout.for_matrix(shape, bits)
        if not isinstance(layout, SharedLayout) or not layout.swizzle or shape[-2] % 8 or (k_major and layout.swizzle < k_bytes):
            return None
        # Positions inside the tile: whole atoms along rows, whole swizzled rows (or whole k steps) along columns.
        row, column = matrix.starts[-2], matrix.starts[-1]
        step = k_bytes * 8 // bits if k_major else layout.columns
        analyzer = ctx.proofs
        if not ir.can_prove(ir.as_expr(row % 8 == 0), analyzer) or not ir.can_prove(ir.as_expr(column % step == 0), analyzer):
            return None
        leading = 16 if k_major else shape[-2] * layout.swizzle
        return DescribedMatrix(matrix, k_major, leading, 8 * layout.swizzle, layout.swizzle)

    def line(self, instruction_k: int, ctx: LoweringContext) -> tuple[int, int]:
        """(steps of k whose descriptors are evenly apart, from the tile's first step on; the bytes between two of them).

        With k contiguous a line ends with a swizzled row; otherwise steps are rows, all in one line.
        """
        if not self.k_major:
            return 1 << 16, instruction_k * self.swizzle
        row = self.swizzle * 8 // self.matrix.bits
        steps = row // instruction_k
        while steps > 1 and not ir.can_prove(ir.as_expr(self.matrix.starts[-1] % (steps * instruction_k) == 0), ctx.proofs):
            steps //= 2
        return steps, instruction_k * self.matrix.bits // 8

    def half(self, steps: int, instruction_k: int, ctx: LoweringContext) -> int | None:
        """The bytes from the first half of so many steps to the second, each half evenly apart; None where they are not so."""
        line, stride = self.line(instruction_k, ctx)
        if line % steps == 0:
            return steps // 2 * stride
        if 2 * line == steps and line * stride == self.swizzle:  # on to the next column block
            return int(ir.static_shape(self.matrix.buffer)[-2]) * self.swizzle
        return None

    @property
    def granule(self) -> int:
        """Elements along m or n in which instruction tiles may start."""
        return 8 if self.k_major else self.swizzle * 8 // self.matrix.bits

    def at(self, row: Any, column: Any, span: Any = None, function: str = "tl.wgmma_descriptor") -> Any:
        """The descriptor of the instruction tile whose first element is (row, column) of the matrix, as `function` encodes it."""
        address = ir.address_of(self.matrix.at(row, column))
        args = [address, self.leading, self.strided]
        return ir.call(function, args, ret="uint64", attrs={"template": [str(self.swizzle)]}, span=span)

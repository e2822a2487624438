"""The metadata of 2:4 sparse matrix instructions: from words of a shared tile to the register that each lane passes.

PTX ISA, "Sparse matrix storage" of mma.sp and of wgmma.mma_async.sp, and the figures of the metadata layouts. A row of A has four
bits for each four elements along k (of 32-bit elements: for each two), lowest k first. For 16 rows, with lane = 4 * group + t and
sparsity selector 0:

- 16- and 32-bit elements: an instruction takes 32 bits of a row. Threads t = 0 and t = 1 hold the first and the second 16 of
  them: of row `group` in bits 0 to 15, of row `group + 8` in bits 16 to 31. The other two threads hold the same, unread.
- 8-bit elements: it takes 64 bits. Threads t = 0 and 1 hold the first 32 of row `group` and of row `group + 8`, t = 2 and 3 the
  second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ..digits import add, scale
from .operand import SharedMatrix

CODE_BITS = 4  # of a group of elements


def elements_of_word(element_bits: int, word_bits: int) -> int:
    """How many elements along k a word of metadata describes.

    Examples
    --------
    >>> elements_of_word(16, 16)
    16
    """
    return word_bits // CODE_BITS * (2 if element_bits == 32 else 4)


@dataclass(frozen=True)
class Metadata:
    """The metadata of A: a matrix of words, a row of them for each row of A, wherever its layout puts them.

    Attributes
    ----------
    words : SharedMatrix
        Its element (row, i) is the i-th word of the row's bits.
    element_bits : int
        Of A's elements.
    """

    words: SharedMatrix
    element_bits: int

    def register(self, row: Any, step: Any, lane: Any) -> Any:
        """What `lane` passes to the instruction of step `step` along k whose 16 rows start at `row`."""
        group, member = lane // 4, lane % 4
        if self.element_bits == 8:
            value = self._bits(add(add(row, group), scale(member % 2, 8)), step, 32, member // 2)
        else:
            low, high = (self._bits(add(add(row, group), upper), step, 16, member % 2) for upper in (0, 8))
            value = low | (high << ir.const(16, "uint32"))
        return ir.pure_call("tl.sparse_metadata", [value], "uint32")

    def _bits(self, row: Any, step: Any, count: int, part: Any) -> Any:
        """`count` bits of a row: part 0 or 1 of those of a step."""
        width = self.words.bits
        if width > count:  # one word has both parts
            word = self._word(row, step) >> ir.Cast("uint32", ir.as_expr(scale(part, count)))
            return word & ir.const((1 << count) - 1, "uint32")
        pieces = count // width
        first = add(scale(step, 2 * pieces), scale(part, pieces))
        value = self._word(row, first)
        for i in range(1, pieces):
            value = value | (self._word(row, add(first, i)) << ir.const(i * width, "uint32"))
        return value

    def _word(self, row: Any, index: Any) -> Any:
        value, width = ir.Cast("uint32", self.words.at(row, index)), self.words.bits
        return value if width == 32 else value & ir.const((1 << width) - 1, "uint32")

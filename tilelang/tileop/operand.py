"""One matrix of a product: a region of a tile, seen as rows and columns."""

from __future__ import annotations

from dataclasses import dataclass

from .. import ir
from ..errors import SourceSpan
from .mma.operand import SharedMatrix
from .view import Region, extents, matrix_dims, starts

FRAGMENT = "local.fragment"
SHARED = ("shared.dyn", "shared")


@dataclass(frozen=True, eq=False)
class Operand:
    """One matrix of a gemm.

    Attributes
    ----------
    letter : str
        "A", "B" or "C".
    region : Region
        The tile or a part of one.
    dims : (int, int)
        The buffer's dimensions that are the mathematical rows and columns: (m, k), (k, n), (m, n).
    shape : (int, int)
        Their extents.
    """

    letter: str
    region: Region
    dims: tuple[int, int]
    shape: tuple[int, int]

    @staticmethod
    def of(letter: str, region: Region, transposed: bool, span: SourceSpan | None) -> Operand:
        """The operand that a region is; `transposed`: its last dimension counts rows."""
        dims = matrix_dims(region, span)
        if transposed:
            dims = dims[::-1]
        shape = extents(region, span)
        return Operand(letter, region, dims, (shape[dims[0]], shape[dims[1]]))

    @property
    def buffer(self) -> ir.Var:
        return self.region.source

    @property
    def dtype(self) -> str:
        return ir.buffer_dtype(self.buffer)

    @property
    def scope(self) -> str:
        return ir.scope_of(self.buffer)

    @property
    def in_registers(self) -> bool:
        return self.scope == FRAGMENT

    def is_block(self, dim: int) -> bool:
        """True if the operand is one of several blocks of a fragment along rows (0) or columns (1)."""
        return self.in_registers and ir.static_shape(self.buffer)[self.dims[dim]] != self.shape[dim]

    @property
    def shared(self) -> SharedMatrix:
        return SharedMatrix(self.buffer, starts(self.region), self.dims)

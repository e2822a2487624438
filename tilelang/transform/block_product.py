"""What one step of a block's matrix product costs a Hopper multiprocessor: an estimate in clocks.

The tensor cores multiply 64 x n x 16 in n / 2 clocks (16-bit operands), for which they read 64 x 16 and n x 16 elements from
shared memory, at 128 bytes a clock; the same memory takes in every tile once, and hands out and takes in again what is unpacked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from .. import ir
from ..target.wgmma import ROWS
from ..tileop.base import as_tile_op, dtype_bits
from ..tileop.copy import Copy
from ..tileop.gemm import FRAGMENT, Gemm, Policy
from .kernel_program import KernelProgram
from .occupancy import VERSIONS, tile_bytes
from .register_file import WARPGROUP
from .step_clocks import PRODUCTS_16
from .units import is_parallel

SHARED_BYTES = 128  # a clock of a multiprocessor: 32 banks of 4 bytes (CUDA C++ Programming Guide, "Shared Memory", 9.0)
COLUMNS = 256  # n of a wgmma, at most


@dataclass(frozen=True)
class BlockProduct:
    """A block's m x n x k step.

    Attributes
    ----------
    bits, sum_bits : int
        Of an element of the operands, and of the sums.
    loaded : (float, float)
        Bytes that a copy brings for each row of m, and for each column of n.
    unpacked : (float, float)
        Bytes, by row and by column, of operands that the block computes from what it has loaded.
    """

    m: int
    n: int
    k: int
    bits: int
    sum_bits: int
    loaded: tuple[float, float]
    unpacked: tuple[float, float] = (0.0, 0.0)

    @staticmethod
    def of(program: KernelProgram, loop: ir.For) -> BlockProduct | None:
        """The product of a pipelined loop that loads its operands, or unpacks one, and adds up in registers; else None."""
        ops = [as_tile_op(s) for s in ir.statements(loop.body) if not is_parallel(s)]
        gemms = [op for op in ops if isinstance(op, Gemm)]
        copies = [op for op in ops if isinstance(op, Copy)]
        if len(gemms) != 1 or len(copies) + 1 != len(ops):
            return None
        (gemm,) = gemms
        if gemm.is_sparse or gemm.policy is Policy.FullCol or ir.scope_of(gemm.C.source) != FRAGMENT:
            return None
        if not gemm.runs_on_warpgroups(program.ctx) or any(not _whole(r) for r in (gemm.A, gemm.B, gemm.C)):
            return None
        (m, k), n, bits = gemm.a.shape, gemm.b.shape[1], dtype_bits(gemm.a.dtype)
        staged = {op.dst.source for op in copies if ir.scope_of(op.src.source) == "global"}
        direct = [operand in staged for operand in (gemm.A.source, gemm.B.source)]
        others = sum(map(tile_bytes, staged - {gemm.A.source, gemm.B.source}))
        shared = all(ir.scope_of(r.source).startswith("shared") for r in (gemm.A, gemm.B))
        if m % ROWS or not shared or not any(direct) or all(direct) is bool(others):
            return None  # of a loop that loads more than it multiplies nothing is known
        row = k * bits / 8
        loaded = row if direct[0] else others / m, row if direct[1] else others / n
        unpacked = 0.0 if direct[0] else row, 0.0 if direct[1] else row
        return BlockProduct(m, n, k, bits, dtype_bits(gemm.c.dtype), loaded, unpacked)

    @property
    def is_plain(self) -> bool:
        """True if both operands are what copies bring."""
        return not any(self.unpacked)

    def clocks(self, threads: int) -> float:
        """Of one step of a block of so many threads, alone on a multiprocessor."""
        products = self.m * self.n * self.k * self.bits / 16 / PRODUCTS_16
        # Warpgroups divide rows first, then columns; each instruction reads its 64 rows and up to 256 columns.
        groups = max(1, threads // WARPGROUP // (self.m // ROWS))
        columns = self.n / groups
        chunks = -(-columns // COLUMNS)
        read = (self.m // ROWS) * groups * (ROWS * chunks + columns) * self.k * self.bits / 8
        # What is unpacked is read from where it was loaded, and written where the instructions read it.
        moved = sum((2 * loaded + computed if computed else loaded) * size for loaded, computed, size in self._sides())
        return max(products, (moved + read) / SHARED_BYTES)

    @property
    def slot_bytes(self) -> float:
        """Of the tiles that a step brings."""
        return sum(loaded * size for loaded, _, size in self._sides())

    @property
    def computed_bytes(self) -> float:
        """Of the tiles that a step computes, in as many versions as there are under way."""
        return VERSIONS * sum(computed * size for _, computed, size in self._sides())

    def registers(self, threads: int) -> int:
        """32-bit registers of a thread for the sums."""
        return self.m * self.n * self.sum_bits // 32 // threads

    def with_steps(self, k: int) -> BlockProduct:
        """The product of steps of another length."""
        loaded, unpacked = ((a * k / self.k, b * k / self.k) for a, b in (self.loaded, self.unpacked))
        return replace(self, k=k, loaded=loaded, unpacked=unpacked)

    def _sides(self) -> list[tuple[float, float, int]]:
        return [(self.loaded[side], self.unpacked[side], size) for side, size in enumerate((self.m, self.n))]


def _whole(region: ir.BufferRegion) -> bool:
    """True for all elements of a tile."""
    extents = [ir.const_int(r.extent) or 0 for r in region.region]
    return prod(extents) == prod(ir.static_shape(region.source))

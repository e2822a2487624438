"""Matrix instructions of a warpgroup (sm_90a): PTX ISA, "Asynchronous Warpgroup Level Matrix Multiply-Accumulate"."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .arch import Arch

ROWS = 64  # m of every wgmma
MAX_COLUMNS = 256  # largest n; n is a multiple of 8
GROUP_THREADS = 128


@dataclass(frozen=True)
class WarpgroupInstruction:
    """One `C += A * B` of 128 threads, C 64 x n in registers, B in shared memory, A in shared memory or registers.

    Parameters
    ----------
    k : int
        Extent along k: 32 bytes of it, 64 where A is 2:4 sparse.
    packed : int
        Elements of A in a 32-bit register.
    any_major : bool
        Shared operands may have either dimension contiguous (16-bit types); else k must be contiguous.
    n_step : int
        What n is a multiple of.
    """

    k: int
    packed: int
    any_major: bool
    n_step: int = 8
    sparse: bool = False

    @property
    def a_k(self) -> int:
        """Stored elements along k of a row of A."""
        return 8 * self.packed

    @property
    def b_bytes(self) -> int:
        """Bytes along k of a column of B."""
        return 64 if self.sparse else 32


_HALF = WarpgroupInstruction(16, 2, True)
_FLOAT8_K32 = WarpgroupInstruction(32, 4, False)
_INT8_K32 = WarpgroupInstruction(32, 4, False, 16)
_FLOAT8 = ("float8_e4m3fn", "float8_e5m2")
_INT8 = ("int8", "uint8")

# (dtypes of A, dtypes of B, dtypes of C, instruction); mixes inside a row are legal. tf32 is left to mma.sync: wgmma reads
# float32 operands without rounding them to tf32, which doubles the error.
_TABLE = (
    (("float16",), ("float16",), ("float32", "float16"), _HALF),
    (("bfloat16",), ("bfloat16",), ("float32",), _HALF),
    (_FLOAT8, _FLOAT8, ("float32", "float16"), _FLOAT8_K32),
    (_INT8, _INT8, ("int32",), _INT8_K32),
)


def find_warpgroup_instruction(arch: Arch, a: str, b: str, c: str, sparse: bool = False) -> WarpgroupInstruction | None:
    """The instruction that multiplies dtypes `a` by `b` into `c` on an architecture, or None; `sparse`: of a 2:4 sparse A."""
    if arch.name != "sm_90a":
        return None
    for a_types, b_types, c_types, instruction in _TABLE:
        if a in a_types and b in b_types and c in c_types:
            return replace(instruction, k=2 * instruction.k, sparse=True) if sparse else instruction
    return None

"""Matrix instructions of one warp: shapes, operand types, and where each operand's elements live (PTX ISA, "mma")."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..layout import Fragment, local, thread
from .arch import Arch

# The digits of a lane in every fragment of mma.sync: `lane / 4` and `lane % 4` (PTX ISA: groupID, threadID_in_group).
GROUP = thread(8, 4)
MEMBER = thread(4, 1)


@dataclass(frozen=True)
class MatrixInstruction:
    """One warp-wide `C += A * B`.

    Parameters
    ----------
    function : str
        Device function; takes the addresses of the register elements of C, A and B.
    m, n, k : int
        Extents: A is m x k (stored as m x k / 2 by an instruction of a sparse A), B is k x n, C is m x n.
    a, b, c : Fragment
        Element (row, column) → lane and register, registers in the order of the PTX figures.
    """

    function: str
    m: int
    n: int
    k: int
    a: Fragment
    b: Fragment
    c: Fragment

    @property
    def a_k(self) -> int:
        """Stored elements along k of a row of A: half of k where A is 2:4 sparse."""
        return self.a.shape[1]

    def __str__(self) -> str:
        return f"{self.function.removeprefix('tl.')}"


def _m16n8(k: int, packed: int) -> MatrixInstruction:
    """The m16n8 family: each 32-bit register holds `packed` neighbours along k; k is covered by two halves."""
    along_k = (local(2, packed), MEMBER, local(packed, 1))
    return MatrixInstruction(
        f"tl.mma_m16n8k{k}",
        16,
        8,
        k,
        a=Fragment((16, k), ((local(2, packed), GROUP), (local(2, 2 * packed), MEMBER, local(packed, 1)))),
        b=Fragment((k, 8), (along_k, (GROUP,))),
        c=Fragment((16, 8), ((local(2, 2), GROUP), (MEMBER, local(2, 1)))),
    )


def _sparse_m16n8(k: int, packed: int) -> MatrixInstruction:
    """mma.sp: A holds half of k and is laid out as that of the dense instruction of half of k; B is covered by four quarters."""
    dense = _m16n8(k // 2, packed)
    along_k = (local(4, packed), MEMBER, local(packed, 1))
    b = Fragment((k, 8), (along_k, (GROUP,)))
    return MatrixInstruction(f"tl.mma_sp_m16n8k{k}", 16, 8, k, a=dense.a, b=b, c=dense.c)


M16N8K16 = _m16n8(16, 2)
M16N8K8 = _m16n8(8, 1)
M16N8K32 = _m16n8(32, 4)
SPARSE_M16N8K32 = _sparse_m16n8(32, 2)
SPARSE_M16N8K16 = _sparse_m16n8(16, 1)
SPARSE_M16N8K64 = _sparse_m16n8(64, 4)
M8N8K4 = MatrixInstruction(
    "tl.mma_m8n8k4",
    8,
    8,
    4,
    a=Fragment((8, 4), ((GROUP,), (MEMBER,))),
    b=Fragment((4, 8), ((MEMBER,), (GROUP,))),
    c=Fragment((8, 8), ((GROUP,), (MEMBER, local(2, 1)))),
)

FLOAT4 = "float4_e2m1fn"
FLOAT8 = ("float8_e4m3fn", "float8_e5m2")
BYTE = ("int8", "uint8")


def _always(arch: Arch) -> bool:
    return arch.capability >= 80


def _with_fp8(arch: Arch) -> bool:
    return arch.has_fp8_mma


# (dtypes of A, dtypes of B, dtypes of C, instruction, condition on the architecture); mixes inside a row are legal.
_TABLE: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], MatrixInstruction, Callable[[Arch], bool]], ...] = (
    (("float16",), ("float16",), ("float32", "float16"), M16N8K16, _always),
    (("bfloat16",), ("bfloat16",), ("float32",), M16N8K16, _always),
    (("float32",), ("float32",), ("float32",), M16N8K8, _always),  # tf32: operands lose 13 mantissa bits
    (BYTE, BYTE, ("int32",), M16N8K32, _always),
    (FLOAT8, FLOAT8, ("float32",), M16N8K32, _with_fp8),
    (("float64",), ("float64",), ("float64",), M8N8K4, _always),
)


# The sparse instruction beside a dense one; there is none of double precision.
_SPARSE = {M16N8K16.function: SPARSE_M16N8K32, M16N8K8.function: SPARSE_M16N8K16, M16N8K32.function: SPARSE_M16N8K64}


def find_instruction(arch: Arch, a: str, b: str, c: str, sparse: bool = False) -> MatrixInstruction | None:
    """The instruction that multiplies dtypes `a` by `b` into `c` on an architecture, or None; `sparse`: of a 2:4 sparse A."""
    if sparse:
        dense = find_instruction(arch, a, b, c)
        return None if dense is None else _SPARSE.get(dense.function)
    for a_types, b_types, c_types, instruction, available in _TABLE:
        if a in a_types and b in b_types and c in c_types and available(arch):
            return instruction
    return None


@dataclass(frozen=True)
class ScaledInstruction:
    """A matrix instruction whose operands have block scales (PTX ISA, "Block Scaling for mma.sync").

    Parameters
    ----------
    bytes : MatrixInstruction
        Its fragments counted in bytes along k: 4-bit elements are stored in pairs.
    k : int
        Elements along k.
    blocks : int
        Of elements along k that have a scale each.
    template : tuple of str
        Template arguments of the device function.
    """

    bytes: MatrixInstruction
    k: int
    blocks: int
    template: tuple[str, ...] = ()

    @property
    def block(self) -> int:
        """Elements along k of a block."""
        return self.k // self.blocks


_SCALED = {
    (FLOAT4, "float8_e4m3fn"): ScaledInstruction(  # NVFP4
        replace(M16N8K32, function="tl.mma_scaled_m16n8k64"), 64, 4, ("dtype:float8_e4m3fn",)
    ),
    (FLOAT4, "float8_e8m0fnu"): ScaledInstruction(  # MXFP4
        replace(M16N8K32, function="tl.mma_scaled_m16n8k64"), 64, 2, ("dtype:float8_e8m0fnu",)
    ),
    **dict.fromkeys(  # MXFP8
        [(dtype, "float8_e8m0fnu") for dtype in FLOAT8],
        ScaledInstruction(replace(M16N8K32, function="tl.mma_scaled_m16n8k32"), 32, 1),
    ),
}


def find_scaled_instruction(a: str, b: str, scale: str) -> ScaledInstruction | None:
    """The instruction that multiplies dtypes `a` by `b` with scales of dtype `scale` into float32 (sm_120a), or None."""
    found = _SCALED.get((a, scale))
    return found if found is not None and found is _SCALED.get((b, scale)) else None

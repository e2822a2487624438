"""Matrix instructions on tensor memory (sm_100a): PTX ISA, "TensorCore 5th Generation Family Instructions"."""

from __future__ import annotations

from dataclasses import dataclass

from .arch import Arch

LANES = 128  # of tensor memory
COLUMNS = 512  # of 32 bits
MIN_COLUMNS = 32  # allocated at once; always a power of two
HALF_ROWS = 64  # the smaller m of an instruction
MAX_N = 256
QUARTER = 32  # lanes that a warp reaches


@dataclass(frozen=True)
class TensorInstruction:
    """One `C += A * B`, C in tensor memory, B in shared memory, A in either.

    Parameters
    ----------
    k : int
        Extent along k: 32 bytes of it.
    any_major : bool
        Shared operands may have either dimension contiguous; else k must be contiguous.
    integer : bool
        Of 8-bit integers.
    """

    k: int
    any_major: bool = True
    integer: bool = False

    def n_step(self, m: int) -> int:
        """What n is a multiple of, where the instruction has m rows."""
        return 16 if m == LANES or self.integer else 8


_FLOAT8 = ("float8_e4m3fn", "float8_e5m2")
_INT8 = ("int8", "uint8")
# (dtypes of A, dtypes of B, dtypes of C, instruction); mixes inside a row are legal.
_TABLE = (
    (("float16",), ("float16",), ("float32", "float16"), TensorInstruction(16)),
    (("bfloat16",), ("bfloat16",), ("float32",), TensorInstruction(16)),
    (("float32",), ("float32",), ("float32",), TensorInstruction(8, any_major=False)),  # tf32: the lower 13 bits are ignored
    (_FLOAT8, _FLOAT8, ("float32", "float16"), TensorInstruction(32)),
    (_INT8, _INT8, ("int32",), TensorInstruction(32, integer=True)),
)


def has_tensor_memory(arch: Arch) -> bool:
    """True where tensor memory exists: it is of the architecture's own instructions ("a")."""
    return arch.name == "sm_100a"


def find_tensor_instruction(a: str, b: str, c: str) -> TensorInstruction | None:
    """The instruction that multiplies dtypes `a` by `b` into `c`, or None."""
    for a_types, b_types, c_types, instruction in _TABLE:
        if a in a_types and b in b_types and c in c_types:
            return instruction
    return None


_KINDS = (("float16", "bfloat16"), ("float32",), _FLOAT8, _INT8)  # of operands, in the order of the device library's numbers
# Of operands, within a kind.
_NUMBER = {"float16": 0, "bfloat16": 1, "float32": 2, "float8_e4m3fn": 0, "float8_e5m2": 1, "uint8": 0, "int8": 1}
_RESULT = {"float16": 0, "float32": 1, "int32": 2}


def kind_number(dtype: str) -> int | None:
    """The number of the kind of instruction that multiplies elements of `dtype`, or None."""
    return next((i for i, types in enumerate(_KINDS) if dtype in types), None)


def instruction_descriptor(types: tuple[str, str, str], m: int, n: int, mn_major: tuple[bool, bool]) -> int:
    """The 32 bits of PTX ISA, "Instruction descriptor", for dtypes of A, B and C that `find_tensor_instruction` knows.

    Examples
    --------
    >>> hex(instruction_descriptor(("float16", "float16", "float32"), 128, 64, (False, False)))
    '0x8100010'
    """
    a, b, c = types
    majors = int(mn_major[0]) << 15 | int(mn_major[1]) << 16
    return _RESULT[c] << 4 | _NUMBER[a] << 7 | _NUMBER[b] << 10 | majors | n // 8 << 17 | m // 16 << 24

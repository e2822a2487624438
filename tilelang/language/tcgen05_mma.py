"""Single tcgen05.mma instructions: T.ptx_tcgen05_mma_ss, T.ptx_tcgen05_mma_ts.

Descriptors, kinds and masks are the PTX ISA's ("tcgen05.mma"). The arguments come in the order of T.ptx_wgmma_ss, with what this
instruction has more behind them.
"""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError
from ..target.tcgen05 import kind_number
from .buffer import Buffer, BufferData
from .descriptor import Descriptor, _descriptor
from .dtypes import dtype
from .emit import statement, whole
from .expr import Expr, as_condition, as_expr, binary, convert
from .matrix import NAMES
from .tensor_memory import in_tensor_memory


def ptx_tcgen05_mma_ss(
    kind_dtype: Any,
    desc_a: Any,
    A_offset: Any,
    desc_b: Any,
    B_offset: Any,
    C_ptr: Any,
    C_offset: Any,
    desc_val: Any,
    scale_out: Any = True,
    mask0: Any = 0,
    mask1: Any = 0,
    mask2: Any = 0,
    mask3: Any = 0,
    enable_ws: bool = False,
) -> None:
    """One tcgen05.mma with both operands in shared memory, left under way: C += A @ B.

    No published page gives the order of the arguments: it is that of T.ptx_wgmma_ss with what tcgen05 adds behind.

    One thread issues: the first of those that come by, as for T.tcgen05_gemm. T.tcgen05_mma_arrive makes a barrier tell when
    it is over.

    Parameters
    ----------
    kind_dtype : dtype
        Of A, which says the kind: float16 and bfloat16 (f16), float32 (tf32), 8-bit floats (f8f6f4), int8 and uint8 (i8).
    desc_a, desc_b
        Descriptors of T.alloc_tcgen05_smem_desc (or their `.data`).
    A_offset, B_offset : int or Expr
        Bytes added to their addresses, multiples of 16.
    C_ptr, C_offset
        A tile of T.alloc_tmem (or its `.data`), and columns of 32 bits from its first.
    desc_val : int, Expr or buffer of T.alloc_tcgen05_instr_desc
        The instruction descriptor: dtypes, majors, M and N.
    scale_out : bool or Expr
        False: C = A @ B.
    mask0, mask1, mask2, mask3 : int or Expr
        A bit for each of 128 lanes of C, which stay as they are where it is set.
    enable_ws : bool
        tcgen05.mma.ws: M of 32, 64 or 128, N of 64, 128 or 256; without masks.

    Examples
    --------
    >>> T.ptx_tcgen05_mma_ss("float16", desc_a, 0, desc_b, 0, C_tmem, 0, instr[0], k > 0)
    """
    what = "T.ptx_tcgen05_mma_ss"
    a, b = _descriptor(desc_a, f"A of {what}"), _descriptor(desc_b, f"B of {what}")
    left = _moved(a, A_offset, f"A_offset of {what}")
    masks, tiles = (mask0, mask1, mask2, mask3), [*a.tiles, *b.tiles]
    _issue(what, kind_dtype, (left, 0), (b, B_offset), (C_ptr, C_offset), desc_val, scale_out, masks, enable_ws, tiles)


def ptx_tcgen05_mma_ts(
    kind_dtype: Any,
    A_ptr: Any,
    A_offset: Any,
    desc_b: Any,
    B_offset: Any,
    C_ptr: Any,
    C_offset: Any,
    desc_val: Any,
    scale_out: Any = True,
    mask0: Any = 0,
    mask1: Any = 0,
    mask2: Any = 0,
    mask3: Any = 0,
    enable_ws: bool = False,
) -> None:
    """T.ptx_tcgen05_mma_ss with A in tensor memory: row i of it in lane i, K packed 32 bits to a column.

    Parameters
    ----------
    A_ptr, A_offset
        A tile of T.alloc_tmem (or its `.data`), and columns of 32 bits from its first.

    Examples
    --------
    >>> T.ptx_tcgen05_mma_ts("float16", A_tmem, 0, desc_b, 0, C_tmem, 0, instr[0], k > 0)
    """
    what = "T.ptx_tcgen05_mma_ts"
    b = _descriptor(desc_b, f"B of {what}")
    left = whole(_tile(A_ptr, f"A of {what}"), what)
    masks = (mask0, mask1, mask2, mask3)
    _issue(what, kind_dtype, (left, A_offset), (b, B_offset), (C_ptr, C_offset), desc_val, scale_out, masks, enable_ws, b.tiles)


def _issue(
    what: str,
    kind_dtype: Any,
    left: tuple[Any, Any],
    right: tuple[Descriptor, Any],
    into: tuple[Any, Any],
    instruction: Any,
    keep: Any,
    masks: tuple[Any, ...],
    wide: bool,
    tiles: list[Buffer],
) -> None:
    name = NAMES.get(str(kind_dtype)) or str(dtype(kind_dtype))
    kind = kind_number(name)
    if kind is None:
        raise DTypeError(f"{what} of {kind_dtype}", fix="float16, bfloat16, float32, 8-bit floats, int8 or uint8")
    target = whole(_tile(into[0], f"C of {what}"), what)
    lanes = () if all(isinstance(m, int) and m == 0 for m in masks) else tuple(convert(m, dtype("uint32")) for m in masks)
    if lanes and wide:
        raise SemanticError(f"{what} with masks and enable_ws", fix="tcgen05.mma.ws keeps no lanes: leave the masks out")
    word = instruction.buffer if isinstance(instruction, BufferData) else instruction
    value = convert(word[0] if isinstance(word, Buffer) else word, dtype("uint32"))
    b = _moved(right[0], right[1], f"B_offset of {what}")
    column, left_column = as_expr(into[1], f"C_offset of {what}"), as_expr(left[1], f"A_offset of {what}")
    operands = (target, left[0], b, value, as_condition(keep, "scale_out"), column, left_column)
    distinct = list({id(t): whole(t, what) for t in tiles}.values())
    attrs = {"kind": kind, "wide": bool(wide), "masks": len(lanes)}
    statement("tl.tcgen05_by_hand", (*operands, *lanes, *distinct), attrs, what)


def _tile(value: Any, what: str) -> Buffer:
    found = value.buffer if isinstance(value, BufferData) else value
    if not isinstance(found, Buffer) or not in_tensor_memory(found):
        raise SemanticError(f"{what} is {value!r}, no tile in tensor memory", fix="allocate it by T.alloc_tmem")
    return found


def _moved(descriptor: Descriptor, offset: Any, what: str) -> Expr:
    """The descriptor's 64 bits, of the address `offset` bytes further."""
    bits = as_expr(descriptor[0])
    if isinstance(offset, int):
        if offset % 16:
            raise SemanticError(f"{what} is {offset}", fix="bytes, a multiple of 16")
        return bits + convert(offset // 16, dtype("uint64")) if offset else bits
    return bits + convert(binary("floordiv", offset, 16), dtype("uint64"))


__all__ = ["ptx_tcgen05_mma_ss", "ptx_tcgen05_mma_ts"]

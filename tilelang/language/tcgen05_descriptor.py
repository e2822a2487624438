"""Descriptors of shared tiles for the matrix instructions of sm_100a, by hand."""

from __future__ import annotations

from typing import Any

from .._lazy import ir
from ..errors import DTypeError, SemanticError, UnsupportedError
from ..frontend.builder import require
from .buffer import Buffer
from .descriptor import _descriptor, alloc_descriptor
from .dtypes import dtype as _dtype
from .emit import alloc
from .expr import Expr, convert
from .pointers import SHARED, pointer

_SWIZZLES = {0: 0, 2: 128, 4: 64, 6: 32}  # bytes, by bits 61 to 63 (PTX ISA, "Shared memory descriptor" of tcgen05)


def alloc_tcgen05_smem_desc(dtype: Any = "uint64") -> Buffer:
    """A matrix descriptor of the thread's own; T.initialize_tcgen05_descriptor fills it.

    Examples
    --------
    >>> desc = T.alloc_tcgen05_smem_desc()
    """
    return alloc_descriptor("wgmma", dtype)


def alloc_tcgen05_instr_desc(dtype: Any = "uint32") -> Buffer:
    """An instruction descriptor of the thread's own, one word: `instr[0] = bits` (PTX ISA, "Instruction descriptor").

    Examples
    --------
    >>> instr = T.alloc_tcgen05_instr_desc()
    """
    if _dtype(dtype) != _dtype("uint32"):
        raise DTypeError(f"an instruction descriptor of {_dtype(dtype)}", fix="uint32")
    return alloc("instr", (1,), _dtype("uint32"), "local", "T.alloc_tcgen05_instr_desc")


def initialize_tcgen05_descriptor(
    descriptor: Any,
    start_address: Any,
    leading_byte_offset: Any,
    stride_byte_offset: Any,
    base_offset: int = 0,
    leading_is_absolute: bool = False,
    swizzle_mode: int = 0,
) -> None:
    """Describe a shared tile to tcgen05.mma (PTX ISA, "Shared memory descriptor"), for code of T.call_extern.

    Parameters
    ----------
    descriptor : buffer of T.alloc_tcgen05_smem_desc
    start_address : address
        Of the tile's first element in shared memory.
    leading_byte_offset, stride_byte_offset : int
        In units of 16 bytes, as of T.initialize_wgmma_descriptor.
    base_offset : int
        0: tiles of T.alloc_shared start where the pattern of their swizzle does.
    leading_is_absolute : bool
        False: the other form is sm_103's.
    swizzle_mode : int
        0 none, 2 of 128 bytes, 4 of 64, 6 of 32.

    Examples
    --------
    >>> desc = T.alloc_tcgen05_smem_desc()
    >>> T.initialize_tcgen05_descriptor(desc, T.address_of(A_s[0, 0]), 1, 64, swizzle_mode=2)
    """
    what = "T.initialize_tcgen05_descriptor"
    target = _descriptor(descriptor, f"the first operand of {what}")
    mode = swizzle_mode.constant() if isinstance(swizzle_mode, Expr) else swizzle_mode
    if mode not in _SWIZZLES:
        raise SemanticError(f"swizzle_mode={swizzle_mode!r} of {what}", fix="0 (none), 2 (128 bytes), 4 (64), 6 (32)")
    if base_offset or leading_is_absolute:
        raise UnsupportedError(f"base_offset or leading_is_absolute of {what}", fix="leave them out: 0 and False")
    start = pointer(start_address, 0, f"start_address of {what}", SHARED)
    tile = start.element.buffer
    if not any(tile is t for t in target.tiles):
        target.tiles.append(tile)
    offsets = [convert(x * 16, _dtype("uint32")).node for x in (leading_byte_offset, stride_byte_offset)]
    builder = require(what)
    builder.need_kernel(what)
    attrs = {"template": [str(_SWIZZLES[mode])]}
    value = ir.call("tl.tcgen05_descriptor", [start.node, *offsets], ret="uint64", attrs=attrs, span=builder.span())
    builder.emit(ir.BufferStore(target.node, value, [ir.const(0, "int32")], builder.span()))
    builder.wrote(target)

"""Matrix instructions of a warpgroup, issued by hand: descriptors of shared tiles, T.ptx_wgmma_ss and its kin."""

from __future__ import annotations

from typing import Any

from .._lazy import ir
from ..errors import DTypeError, SemanticError, UnsupportedError
from ..frontend.builder import require
from .buffer import Buffer, BufferData
from .dtypes import dtype
from .emit import alloc
from .expr import Expr, as_condition, convert
from .matrix import NAMES, packed_word
from .pointers import LOCAL, SHARED, pointer
from .registers import Registers, call_on_registers

_SWIZZLES = {0: 0, 1: 128, 2: 64, 3: 32}  # of the descriptor's layout type (PTX ISA, "Matrix Descriptor Format")
_EIGHT = ("float8_e4m3fn", "float8_e5m2")
_INTEGERS = ("int8", "uint8")


class Descriptor(Buffer):
    """64 bits that tell where a shared tile lies; `tiles` are those that it was initialised with."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.tiles: list[Buffer] = []


def alloc_descriptor(kind: str = "wgmma", dtype: Any = "uint64") -> Buffer:
    """A matrix descriptor of the thread's own; T.initialize_wgmma_descriptor fills it.

    Parameters
    ----------
    kind : str
        "wgmma".
    dtype : dtype
        uint64.

    Examples
    --------
    >>> desc = T.alloc_descriptor("wgmma")
    """
    from .dtypes import dtype as as_dtype

    if kind != "wgmma":
        raise UnsupportedError(f"T.alloc_descriptor of kind {kind!r}", fix='"wgmma"')
    if as_dtype(dtype) != as_dtype("uint64"):
        raise DTypeError(f"a descriptor of {as_dtype(dtype)}", fix="uint64")
    made = alloc("desc", (1,), as_dtype("uint64"), "local", "T.alloc_descriptor")
    made.__class__ = Descriptor
    made.tiles = []  # type: ignore[attr-defined]
    return made


def alloc_wgmma_desc(dtype: Any = "uint64") -> Buffer:
    """T.alloc_descriptor("wgmma").

    Examples
    --------
    >>> desc = T.alloc_wgmma_desc()
    """
    return alloc_descriptor("wgmma", dtype)


def _descriptor(value: Any, what: str) -> Descriptor:
    found = value.buffer if isinstance(value, BufferData) else value
    if not isinstance(found, Descriptor):
        raise DTypeError(f"{what} is {value!r}, no descriptor", fix="T.alloc_wgmma_desc()")
    return found


def initialize_wgmma_descriptor(
    descriptor: Any, start_address: Any, layout_type_: int = 0, leading_byte_offset: Any = 0, stride_byte_offset: Any = 0
) -> None:
    """Describe a shared tile (PTX ISA, "Matrix Descriptor Format" of wgmma).

    Parameters
    ----------
    descriptor : buffer of T.alloc_wgmma_desc
    start_address : address
        Of the tile's first element in shared memory.
    layout_type_ : int
        0 no swizzle, 1 of 128 bytes, 2 of 64, 3 of 32.
    leading_byte_offset, stride_byte_offset : int
        In units of 16 bytes. K-major: the stride is from 8 rows to the next 8, the leading offset (without swizzle) between the
        halves of a row. MN-major, swizzled: the stride from 8 k to the next 8, the leading offset from one swizzled row to the
        next.

    Examples
    --------
    >>> T.initialize_wgmma_descriptor(desc, T.address_of(A_s[0, 0]), 1, 1, 64)
    """
    what = "T.initialize_wgmma_descriptor"
    target = _descriptor(descriptor, f"the first operand of {what}")
    mode = layout_type_.constant() if isinstance(layout_type_, Expr) else layout_type_
    if mode not in _SWIZZLES:
        raise SemanticError(f"layout_type_={layout_type_!r} of {what}", fix="0 (none), 1 (128 bytes), 2 (64), 3 (32)")
    start = pointer(start_address, 0, f"start_address of {what}", SHARED)
    tile = start.element.buffer
    if not any(tile is t for t in target.tiles):
        target.tiles.append(tile)
    offsets = [convert(x * 16, dtype("uint32")).node for x in (leading_byte_offset, stride_byte_offset)]
    builder = require(what)
    builder.need_kernel(what)
    attrs = {"template": [str(_SWIZZLES[mode])]}
    value = ir.call("tl.wgmma_descriptor", [start.node, *offsets], ret="uint64", attrs=attrs, span=builder.span())
    builder.emit(ir.BufferStore(target.node, value, [ir.const(0, "int32")], builder.span()))
    builder.wrote(target)


def increase_descriptor_offset(descriptor: Any, offset: Any) -> None:
    """Move a descriptor's tile on by `offset` bytes, a multiple of 16.

    Examples
    --------
    >>> T.increase_descriptor_offset(desc, 32)
    """
    what = "T.increase_descriptor_offset"
    target = _descriptor(descriptor, f"the first operand of {what}")
    if isinstance(offset, int) and offset % 16:
        raise SemanticError(f"offset={offset} of {what}", fix="a multiple of 16 bytes")
    target[0] = target[0] + convert(offset // 16, dtype("uint64"))


def ptx_wgmma_ss(
    dtype: Any,
    wgmma_prefix: str,
    a_is_k_major: Any,
    b_is_k_major: Any,
    a_dtype_abbrv: str,
    b_dtype_abbrv: str,
    accum_dtype_abbrv: str,
    A_desc: Any,
    A_offset: Any,
    B_desc: Any,
    B_offset: Any,
    C_data: Any,
    C_offset: Any,
    scale_out: Any = True,
    scale_in_a: int = 1,
    scale_in_b: int = 1,
) -> None:
    """One wgmma of a warpgroup with both operands in shared memory: C += A @ B, left under way.

    It stands between T.warpgroup_arrive, T.warpgroup_commit_batch and T.warpgroup_wait.

    Parameters
    ----------
    dtype : dtype
        Of the accumulators.
    wgmma_prefix : str
        "m64n128k16": n is a multiple of 8, k 32 bytes of A's elements.
    a_is_k_major, b_is_k_major : bool
        K is the contiguous dimension; 16-bit types may have the other.
    a_dtype_abbrv, b_dtype_abbrv, accum_dtype_abbrv : str
        As in T.ptx_mma; "tf32" reads float32 and ignores the lower 13 bits.
    A_desc, B_desc
        Descriptors of T.alloc_wgmma_desc (or their `.data`).
    A_offset, B_offset : int or Expr
        Added to them, in units of 16 bytes.
    C_data, C_offset
        A fragment or an array of T.alloc_local (or its `.data`), and the first accumulator.
    scale_out : bool or Expr
        False: C = A @ B.
    scale_in_a, scale_in_b : int
        1, or -1 to negate an operand.

    Examples
    --------
    >>> T.ptx_wgmma_ss("float32", "m64n64k16", True, True, "fp16", "fp16", "fp32", da.data, 0, db.data, 0, c.data, 0, True, 1, 1)
    """
    what = "T.ptx_wgmma_ss"
    types = (a_dtype_abbrv, b_dtype_abbrv, accum_dtype_abbrv)
    sign = (scale_in_a, scale_in_b)
    template, n = _instruction(dtype, wgmma_prefix, types, (a_is_k_major, b_is_k_major), sign, what)
    a, b = _descriptor(A_desc, f"A of {what}"), _descriptor(B_desc, f"B of {what}")
    operands = (_sums(C_data, C_offset, types[2], what), _at(a, A_offset), _at(b, B_offset), as_condition(scale_out, "scale_out"))
    call_on_registers("tl.wgmma_ss", operands, what, {"template": template}, [*a.tiles, *b.tiles])


def ptx_wgmma_rs(
    dtype: Any,
    wgmma_prefix: str,
    b_is_k_major: Any,
    a_dtype_abbrv: str,
    b_dtype_abbrv: str,
    accum_dtype_abbrv: str,
    A_buf: Any,
    A_offset: Any,
    B_desc: Any,
    B_offset: Any,
    C_data: Any,
    C_offset: Any,
    scale_out: Any = True,
    scale_in_a: int = 1,
    scale_in_b: int = 1,
) -> None:
    """T.ptx_wgmma_ss with A in registers: 16 bytes of each thread, from element `A_offset` of `A_buf` on.

    Examples
    --------
    >>> T.ptx_wgmma_rs("float32", "m64n64k16", True, "fp16", "fp16", "fp32", a.data, 0, db.data, 0, c.data, 0, True, 1, 1)
    """
    what = "T.ptx_wgmma_rs"
    types = (a_dtype_abbrv, b_dtype_abbrv, accum_dtype_abbrv)
    sign = (scale_in_a, scale_in_b)
    template, _ = _instruction(dtype, wgmma_prefix, types, (True, b_is_k_major), sign, what)
    template.pop(3)
    b = _descriptor(B_desc, f"B of {what}")
    left = _checked(Registers.of(A_buf, A_offset, f"A of {what}"), types[0], "A", what)
    operands = (_sums(C_data, C_offset, types[2], what), left, _at(b, B_offset), as_condition(scale_out, "scale_out"))
    call_on_registers("tl.wgmma_rs", operands, what, {"template": template}, b.tiles)


def ptx_wgmma_sp_ss(
    dtype: Any,
    wgmma_prefix: str,
    a_is_k_major: Any,
    b_is_k_major: Any,
    a_dtype_abbrv: str,
    b_dtype_abbrv: str,
    accum_dtype_abbrv: str,
    A_desc: Any,
    A_offset: Any,
    B_desc: Any,
    B_offset: Any,
    C_data: Any,
    C_offset: Any,
    metadata: Any,
    meta_index: Any,
    sparse_selector: int = 0,
    scale_out: Any = True,
    scale_in_a: int = 1,
    scale_in_b: int = 1,
) -> None:
    """T.ptx_wgmma_ss with a 2:4 sparse A, whose tile holds the kept half; k of `wgmma_prefix` is 64 bytes.

    Parameters
    ----------
    metadata, meta_index, sparse_selector
        As in T.ptx_mma_sp, each warp for its own 16 rows. The array must not change before the product is waited for.

    Examples
    --------
    >>> T.ptx_wgmma_sp_ss("float32", "m64n64k32", True, True, "fp16", "fp16", "fp32", da, 0, db, 0, c, 0, e, 0, 0, True, 1, 1)
    """
    what = "T.ptx_wgmma_sp_ss"
    types = (a_dtype_abbrv, b_dtype_abbrv, accum_dtype_abbrv)
    sign = (scale_in_a, scale_in_b)
    template, _ = _instruction(dtype, wgmma_prefix, types, (a_is_k_major, b_is_k_major), sign, what, sparse_selector)
    a, b = _descriptor(A_desc, f"A of {what}"), _descriptor(B_desc, f"B of {what}")
    word = packed_word(pointer(metadata, meta_index, f"the metadata of {what}", LOCAL).element, what)
    sums = _sums(C_data, C_offset, types[2], what)
    operands = (sums, _at(a, A_offset), _at(b, B_offset), word, as_condition(scale_out, "scale_out"))
    call_on_registers("tl.wgmma_sp_ss", operands, what, {"template": template}, [*a.tiles, *b.tiles])


def ptx_wgmma_sp_rs(
    dtype: Any,
    wgmma_prefix: str,
    b_is_k_major: Any,
    a_dtype_abbrv: str,
    b_dtype_abbrv: str,
    accum_dtype_abbrv: str,
    A_buf: Any,
    A_offset: Any,
    B_desc: Any,
    B_offset: Any,
    C_data: Any,
    C_offset: Any,
    metadata: Any,
    meta_index: Any,
    sparse_selector: int = 0,
    scale_out: Any = True,
    scale_in_a: int = 1,
    scale_in_b: int = 1,
) -> None:
    """T.ptx_wgmma_sp_ss with A's kept half in registers, as in T.ptx_wgmma_rs.

    Examples
    --------
    >>> T.ptx_wgmma_sp_rs("float32", "m64n64k32", True, "fp16", "fp16", "fp32", a, 0, db, 0, c, 0, e, 0, 0, True, 1, 1)
    """
    what = "T.ptx_wgmma_sp_rs"
    types = (a_dtype_abbrv, b_dtype_abbrv, accum_dtype_abbrv)
    sign = (scale_in_a, scale_in_b)
    template, _ = _instruction(dtype, wgmma_prefix, types, (True, b_is_k_major), sign, what, sparse_selector)
    template.pop(3)
    b = _descriptor(B_desc, f"B of {what}")
    left = _checked(Registers.of(A_buf, A_offset, f"A of {what}"), types[0], "A", what)
    word = packed_word(pointer(metadata, meta_index, f"the metadata of {what}", LOCAL).element, what)
    sums = _sums(C_data, C_offset, types[2], what)
    operands = (sums, left, _at(b, B_offset), word, as_condition(scale_out, "scale_out"))
    call_on_registers("tl.wgmma_sp_rs", operands, what, {"template": template}, b.tiles)


def _instruction(
    of: Any,
    prefix: str,
    types: tuple[str, str, str],
    k_major: tuple[Any, Any],
    signs: tuple[int, int],
    what: str,
    selector: int | None = None,
) -> tuple[list[str], int]:
    """The template arguments of an instruction that exists, and its n; `selector` of a sparse one."""
    for given in types:
        if str(given) not in NAMES:
            raise DTypeError(f"{what} of {given}", fix=", ".join(NAMES))
    a, b, c = (NAMES[str(t)] for t in types)
    legal = {
        **dict.fromkeys(_EIGHT, ("float32", "float16")),
        **dict.fromkeys(_INTEGERS, ("int32",)),
        "float16": ("float32", "float16"),
        "bfloat16": ("float32",),
        "float32": ("float32",),
    }
    mixed = any(a in group and b in group for group in (_EIGHT, _INTEGERS))
    if c not in legal.get(a, ()) or not (a == b or mixed):
        known = "; ".join(f"{t} into {' or '.join(into)}" for t, into in legal.items())
        raise UnsupportedError(f"{what}: there is no wgmma of {a} and {b} into {c}", fix=known)
    if dtype(of) != dtype(c):
        raise DTypeError(f"the result of {what} is {dtype(of)}, its accumulators {c}", fix="the same dtype")
    k = 256 // dtype(a).bits * (1 if selector is None else 2)
    head, _, rest = str(prefix).removeprefix("m64n").partition("k")
    step = 16 if a in _INTEGERS and head.isdigit() and int(head) > 32 else 8
    fits = head.isdigit() and 8 <= int(head) <= 256 and int(head) % step == 0 and rest == str(k)
    if not (str(prefix).startswith("m64n") and fits):
        raise UnsupportedError(
            f"wgmma_prefix={prefix!r} of {what} with {a}", fix=f"m64n<n>k{k}, n a multiple of {step} up to 256"
        )
    majors = [bool(x.constant() if isinstance(x, Expr) else x) for x in k_major]
    if dtype(a).bits != 16 and not all(majors):
        raise UnsupportedError(f"{what} of {a} that is not K-major", fix="only 16-bit operands may be MN-major")
    scales = [int(x.constant() if isinstance(x, Expr) else x) for x in signs]
    if any(s not in (1, -1) for s in scales) or (a in _INTEGERS and scales != [1, 1]):
        raise SemanticError(f"scale_in_a={signs[0]!r}, scale_in_b={signs[1]!r} of {what}", fix="1, or -1 for floats")
    template = [f"dtype:{a}", f"dtype:{b}", head, *("false" if m else "true" for m in majors)]
    if selector is not None:
        if selector not in ((0,) if dtype(a).bits == 8 else (0, 1)):
            raise SemanticError(f"sparse_selector={selector!r} of {what} with {a}", fix="0, or 1 for 16 and 32 bits")
        template.append(str(selector))
    return [*template, *map(str, scales)], int(head)


def _at(descriptor: Descriptor, offset: Any) -> Any:
    value = descriptor[0]
    return value if isinstance(offset, int) and offset == 0 else value + convert(offset, dtype("uint64"))


def _sums(array: Any, offset: Any, abbreviation: str, what: str) -> Registers:
    return _checked(Registers.of(array, offset, f"C of {what}"), abbreviation, "C", what)


def _checked(found: Registers, abbreviation: str, letter: str, what: str) -> Registers:
    expected = dtype(NAMES[str(abbreviation)])
    if found.dtype != expected:
        raise DTypeError(f"{letter} of {what} is {found.buffer.name} of {found.dtype}, not {expected}", fix=f"make it {expected}")
    return found

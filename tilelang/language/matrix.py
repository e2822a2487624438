"""Matrix instructions of a warp, issued by hand: T.ptx_ldmatrix, T.ptx_mma, T.ptx_mma_sp, T.mma_fill, T.mma_store."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError, UnsupportedError
from .dtypes import dtype
from .emit import statement
from .expr import convert
from .extern import Address
from .pointers import LOCAL, SHARED, pointer, unrolled
from .registers import Registers, call_on_registers
from .warp import linear_thread

_TYPES = {
    "float16": "fp16 float16 f16 half",
    "bfloat16": "bf16 bfloat16",
    "float32": "fp32 float32 f32 tf32 float",
    "float64": "fp64 float64 f64 double",
    "int8": "int8 s8",
    "uint8": "uint8 u8",
    "int32": "int32 s32",
    "float8_e4m3fn": "e4m3 float8_e4m3 float8_e4m3fn",
    "float8_e5m2": "e5m2 float8_e5m2",
}
NAMES = {short: name for name, names in _TYPES.items() for short in names.split()}
_BYTES = ("int8", "uint8", "float8_e4m3fn", "float8_e5m2")
# Instructions of the device library: shape and dtypes of A, to the dtypes of C.
_DENSE = {
    ("m16n8k16", "float16"): ("float32", "float16"),
    ("m16n8k16", "bfloat16"): ("float32",),
    ("m16n8k8", "float32"): ("float32",),
    ("m8n8k4", "float64"): ("float64",),
    **{("m16n8k32", t): ("int32",) if "int" in t else ("float32",) for t in _BYTES},
}
_SPARSE = {
    ("m16n8k32", "float16"): ("float32", "float16"),
    ("m16n8k32", "bfloat16"): ("float32",),
    ("m16n8k16", "float32"): ("float32",),
    **{("m16n8k64", t): ("int32",) if "int" in t else ("float32",) for t in _BYTES},
}


def ptx_ldmatrix(
    dtype: Any, trans: Any, num: int, type: str, local_ptr: Any, local_offset: Any, smem_ptr: Any, smem_offset: Any
) -> None:
    """Load `num` 8 x 8 matrices of 16-bit elements from shared memory; each lane gives the address of one row of 16 bytes.

    Parameters
    ----------
    dtype : dtype
        Of the elements in shared memory and in the registers.
    trans : bool
        Each matrix is transposed on the way.
    num : int
        1, 2 or 4: lanes 8 i to 8 i + 7 give the rows of matrix i.
    type : str
        ".b16".
    local_ptr, local_offset
        An array of T.alloc_local (or its `.data`), and the element in it: 32 bits for each matrix.
    smem_ptr, smem_offset
        A shared tile, its `.data` or an address in it, and what is added to it, in elements (row-major). A layout of the tile
        must keep 16 bytes together.

    Examples
    --------
    >>> T.ptx_ldmatrix("float16", False, 4, ".b16", a.data, 0, A_s.data, tx % 16 * 32 + tx // 16 * 8)
    """
    what = "T.ptx_ldmatrix"
    if num not in (1, 2, 4):
        raise SemanticError(f"num={num!r} of {what}", fix="1, 2 or 4 matrices")
    if str(type) not in (".b16", "b16"):
        raise UnsupportedError(f"{what} of {type} matrices", fix=".b16")
    flag = getattr(trans, "constant", lambda: trans)()
    if flag not in (True, False, 0, 1):
        raise SemanticError(f"trans={trans!r} of {what}", fix="True or False")
    target = pointer(local_ptr, local_offset, f"the registers of {what}", LOCAL)
    source = pointer(smem_ptr, smem_offset, f"the source of {what}", SHARED)
    load_matrices(dtype, bool(flag), int(num), Registers(target.element.buffer, target), source, what)


def load_matrices(of: Any, trans: bool, num: int, target: Registers, source: Address, what: str) -> None:
    """One ldmatrix; `of` may be None."""
    found = source.element.dtype
    if (of is not None and found != dtype(of)) or target.dtype != found:
        raise DTypeError(
            f"{what} of {dtype(of) if of is not None else found} moves {source.element.buffer.name} ({found}) to "
            f"{target.buffer.name} ({target.dtype})",
            fix="one dtype on both sides",
        )
    if trans and found.bits != 16:
        raise UnsupportedError(f"{what} with trans of {found}", fix="16-bit elements: only these are transposed")
    call_on_registers(f"tl.ldmatrix_x{num}" + ("_trans" if trans else ""), (target, source), what)


def ptx_mma(
    dtype: Any,
    shape: str,
    A_layout: str,
    B_layout: str,
    A_dtype: str,
    B_dtype: str,
    C_dtype: str,
    multiplicand_a: Any,
    a_index: Any,
    multiplicand_b: Any,
    b_index: Any,
    accumulator: Any,
    c_index: Any,
    saturate: bool = False,
    operator: str | None = None,
) -> None:
    """One matrix instruction of a warp, C += A @ B, on fragments in arrays of the thread (PTX ISA, "mma").

    Parameters
    ----------
    dtype : dtype
        Of the result: C's.
    shape : str
        m16n8k16 (float16, bfloat16), m16n8k8 (float32 as tf32, rounded to 10 mantissa bits), m16n8k32 (8-bit integers and
        floats), m8n8k4 (float64).
    A_layout, B_layout : str
        "row" and "col".
    A_dtype, B_dtype, C_dtype : str
        "fp16", "bf16", "fp32" ("tf32"), "fp64", "int8", "uint8", "int32", "e4m3", "e5m2", or names of dtypes.
    multiplicand_a, a_index, multiplicand_b, b_index, accumulator, c_index
        Arrays of T.alloc_local (or their `.data`) and the first element of the fragment in them.
    saturate, operator
        Integer saturation and the operators of 1-bit matrices are not here: False and None.

    Examples
    --------
    >>> T.ptx_mma("float32", "m16n8k16", "row", "col", "fp16", "fp16", "fp32", a.data, 0, b.data, 0, c.data, 0, False)
    """
    what = "T.ptx_mma"
    types = _types(_DENSE, shape, (A_layout, B_layout), (A_dtype, B_dtype, C_dtype), dtype, saturate, what)
    if operator is not None:
        raise UnsupportedError(f"operator={operator!r} of {what}", fix="None: there are no 1-bit matrices here")
    fragments = ((accumulator, c_index, "C"), (multiplicand_a, a_index, "A"), (multiplicand_b, b_index, "B"))
    operands = _fragments(fragments, (types[2], types[0], types[1]), what)
    statement(f"tl.mma_{shape}", operands, None, what)
    ready(what)


def ptx_mma_sp(
    dtype: Any,
    shape: str,
    A_layout: str,
    B_layout: str,
    A_dtype: str,
    B_dtype: str,
    C_dtype: str,
    multiplicand_a: Any,
    a_index: Any,
    multiplicand_b: Any,
    b_index: Any,
    accumulator: Any,
    c_index: Any,
    metadata: Any,
    meta_index: Any,
    sparse_selector: int = 0,
    saturate: bool = False,
) -> None:
    """T.ptx_mma with a 2:4 sparse A, of which the fragment holds the kept half (PTX ISA, "mma.sp::ordered_metadata").

    Parameters
    ----------
    shape : str
        m16n8k32 (float16, bfloat16), m16n8k16 (float32 as tf32), m16n8k64 (8-bit integers and floats).
    metadata, meta_index
        An array of T.alloc_local of 32 bits for each instruction, and the first element in it: what this lane contributes.
    sparse_selector : int
        Which threads of four contribute: 0 the first two or 1 the last two; 0 for 8-bit elements, of which all do.

    Examples
    --------
    >>> T.ptx_mma_sp("float32", "m16n8k32", "row", "col", "fp16", "fp16", "fp32", a, 0, b, 0, c, 0, e, 0, 0, False)
    """
    what = "T.ptx_mma_sp"
    types = _types(_SPARSE, shape, (A_layout, B_layout), (A_dtype, B_dtype, C_dtype), dtype, saturate, what)
    if sparse_selector not in ((0,) if types[0] in _BYTES else (0, 1)):
        raise SemanticError(f"sparse_selector={sparse_selector!r} of {what} with {types[0]}", fix="0, or 1 for 16 and 32 bits")
    fragments = ((accumulator, c_index, "C"), (multiplicand_a, a_index, "A"), (multiplicand_b, b_index, "B"))
    operands = _fragments(fragments, (types[2], types[0], types[1]), what)
    code = pointer(metadata, meta_index, f"the metadata of {what}", LOCAL).element
    statement(f"tl.mma_sp_{shape}", (*operands, packed_word(code, what)), {"template": [str(sparse_selector)]}, what)


def packed_word(first: Any, what: str) -> Any:
    """32 bits of an array of 8-, 16- or 32-bit integers as one uint32."""
    kind = first.dtype
    if not kind.is_int or kind.bits not in (8, 16, 32):
        raise DTypeError(f"the metadata of {what} is {kind}", fix="an array of int8, int16 or int32, 32 bits an instruction")
    from .bits import bitwise_and, bitwise_or, shift_left

    word: Any = None
    for i in range(32 // kind.bits):
        place = pointer(first, i, what).element
        part = convert(place, dtype("uint32"))
        if kind.bits < 32:
            part = bitwise_and(part, convert((1 << kind.bits) - 1, dtype("uint32")))
            part = shift_left(part, convert(i * kind.bits, dtype("uint32"))) if i else part
        word = part if word is None else bitwise_or(word, part)
    return word


def ready(what: str) -> None:
    """Accumulators of the instructions so far are about to be read."""
    statement("tl.mma_ready", (), None, what)


def _types(
    table: dict[tuple[str, str], tuple[str, ...]],
    shape: str,
    layouts: tuple[str, str],
    types: tuple[Any, Any, Any],
    of: Any,
    saturate: Any,
    what: str,
) -> tuple[str, str, str]:
    """The dtypes of A, B and C of an instruction that exists."""
    found = []
    for given in types:
        if str(given) not in NAMES:
            raise DTypeError(f"{what} of {given}", fix=", ".join(NAMES))
        found.append(NAMES[str(given)])
    a, b, c = found
    if layouts != ("row", "col"):
        raise UnsupportedError(f"{what} with A {layouts[0]} and B {layouts[1]}", fix='A_layout="row", B_layout="col"')
    mixed = a in _BYTES and b in _BYTES and ("int" in a) == ("int" in b)
    if c not in table.get((str(shape), a), ()) or not (a == b or mixed):
        known = sorted({f"{s} of {t}" for s, t in table})
        raise UnsupportedError(f"{what}: there is no {shape} of {a} and {b} into {c}", fix=", ".join(known))
    if dtype(of) != dtype(c):
        raise DTypeError(f"the result of {what} is {dtype(of)}, C_dtype {c}", fix="the same dtype")
    if getattr(saturate, "constant", lambda: saturate)():
        raise UnsupportedError(f"{what} with saturation", fix="saturate=False")
    return a, b, c


def _fragments(operands: tuple, types: tuple[str, ...], what: str) -> tuple[Address, ...]:
    out = []
    for (array, index, name), expected in zip(operands, types, strict=True):
        address = pointer(array, index, f"{name} of {what}", LOCAL)
        if address.element.dtype != dtype(expected):
            raise DTypeError(
                f"{name} of {what} is {address.element.buffer.name} of {address.element.dtype}, not {expected}",
                fix=f"allocate it with dtype {expected}",
            )
        out.append(address)
    return tuple(out)


def mma_fill(dtype: Any, local_size: int, local_ptr: Any, offset: Any) -> None:
    """Zeros in `local_size` elements of an array of the thread.

    Examples
    --------
    >>> T.mma_fill("float32", 8, c.data, 0)
    """
    if isinstance(local_size, bool) or not isinstance(local_size, int) or local_size < 1:
        raise SemanticError(f"local_size={local_size!r} of T.mma_fill", fix="a positive int")
    first = pointer(local_ptr, 0, "the array of T.mma_fill", LOCAL)
    _same_dtype(dtype, first, "T.mma_fill")
    unrolled((local_size,), lambda i: pointer(first, offset + i, "T.mma_fill").element.store(0), "T.mma_fill")


def _same_dtype(of: Any, address: Address, what: str) -> None:
    if address.element.dtype != dtype(of):
        raise DTypeError(
            f"{what} of {dtype(of)} on {address.element.buffer.name}, which is {address.element.dtype}", fix="the array's dtype"
        )


def mma_store_index_map(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """Row and column of element `local_id` (0 to 7) of a lane in the 16 x 16 result of two m16n8 instructions side by side.

    Examples
    --------
    >>> row, column = T.mma_store_index_map(5, 3)
    """
    row = local_id % 4 // 2 * 8 + thread_id // 4
    return row, local_id // 4 * 8 + thread_id % 4 * 2 + local_id % 2


def mma_store(dtype: Any, m: int, n: int, dst_ptr: Any, src_ptr: Any, src_offset: Any, dst_stride: Any) -> None:
    """Store the accumulators of two m16n8 instructions, a 16 x 16 tile of which each lane has 8 elements.

    Parameters
    ----------
    dtype : dtype
        Of the destination; the accumulators are converted.
    m, n : int
        16 and 16.
    dst_ptr : buffer, data or address
        Of the tile's first element, in shared or global memory.
    src_ptr, src_offset
        The array of T.alloc_local and the first accumulator in it.
    dst_stride : int or Expr
        Elements from one row to the next.

    Examples
    --------
    >>> T.mma_store("float32", 16, 16, C_s.data, c.data, 0, 16)
    """
    what = "T.mma_store"
    if (int(m), int(n)) != (16, 16):
        raise UnsupportedError(f"{what} of a {m} x {n} tile", fix="16 x 16")
    first = pointer(dst_ptr, 0, f"the destination of {what}", (*SHARED, "global"))
    source = pointer(src_ptr, 0, f"the source of {what}", LOCAL)
    _same_dtype(dtype, first, what)
    lane = linear_thread() % 32
    for i in range(8):
        row, column = mma_store_index_map(lane, i)
        value = pointer(source, src_offset + i, what).element
        pointer(first, row * dst_stride + column, what).element.store(value)

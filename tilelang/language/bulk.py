"""Copies by the bulk engine and by TMA whose barrier, descriptor and coordinates are the author's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import DTypeError, SemanticError, ShapeError, UnsupportedError
from ..frontend.builder import require
from .barrier import alloc_barrier, barrier_region
from .buffer import Buffer, BufferData, Region
from .dtypes import dtype
from .emit import statement, whole
from .expr import Expr, convert
from .extern import Address
from .pointers import SHARED, pointer

GLOBAL = ("global",)
# CUtensorMapDataType, and what may be read as it.
_CODES = {
    0: "uint8 int8 bool float8_e4m3fn float8_e5m2 float8_e8m0fnu",
    1: "uint16 int16",
    2: "uint32",
    3: "int32",
    4: "uint64",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    9: "bfloat16",
}
_SWIZZLES = (0, 32, 64, 128)
_TAIL = 4  # interleave, swizzle, promotion in L2, what is read outside


def create_barriers(barrier_count: int) -> Buffer:
    """So many barriers, each for one arrival until T.ptx_init_barrier_thread_count says otherwise; see T.alloc_barrier.

    Examples
    --------
    >>> bars = T.create_barriers(2)
    >>> T.ptx_arrive_barrier_expect_tx(bars[0], 1024)
    """
    count = barrier_count.constant() if isinstance(barrier_count, Expr) else barrier_count
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise SemanticError(f"T.create_barriers({barrier_count!r})", fix="how many, a positive constant")
    return alloc_barrier([1] * count)


def ptx_cp_async_bulk(
    dtype: Any, shared_ptr: Any, shared_offset: Any, global_ptr: Any, global_offset: Any, bytes: Any, barrier_id: Any
) -> None:
    """Copy contiguous bytes from global to shared memory by the bulk engine; every thread that comes by issues one (sm_90).

    The barrier counts the bytes, which its author has told it to expect: T.mbarrier_expect_tx, T.ptx_arrive_barrier_expect_tx.

    Parameters
    ----------
    dtype : dtype
        Of both sides.
    shared_ptr, shared_offset
        buffer.data, a buffer, T.address_of or T.access_ptr, and elements behind it; multiples of 16 bytes. The tile is row-major.
    global_ptr, global_offset
        The same of a tensor.
    bytes : int
        A multiple of 16.
    barrier_id : barrier
        Of T.create_barriers or T.alloc_barrier.

    Examples
    --------
    >>> T.ptx_arrive_barrier_expect_tx(full[0], 1024)
    >>> T.ptx_cp_async_bulk("float32", S.data, 0, A.data, 0, 1024, full[0])
    """
    what = "T.ptx_cp_async_bulk"
    target = pointer(shared_ptr, shared_offset, f"shared_ptr of {what}", SHARED)
    source = pointer(global_ptr, global_offset, f"global_ptr of {what}", GLOBAL)
    for side in (target, source):
        if side.element.dtype != _dtype(dtype):
            raise DTypeError(
                f"{what} of {_dtype(dtype)} with {side.element.buffer.name} of {side.element.dtype}", fix="one dtype"
            )
    size = bytes.constant() if isinstance(bytes, Expr) else bytes
    if isinstance(size, int) and (size < 16 or size % 16):
        raise SemanticError(f"{what} of {size} bytes", fix="a positive multiple of 16")
    sides = whole(target.element.buffer, what), whole(source.element.buffer, what), barrier_region(barrier_id, f"{what} with")
    statement("tl.bulk_by_hand", (*sides, *map(_first, (target, source)), convert(bytes, _dtype("uint32"))), None, what)


@dataclass(frozen=True)
class TmaDescriptor:
    """What T.create_tma_descriptor returns: a tensor, the box of a copy (innermost first) and the swizzle in bytes."""

    tensor: Any
    box: tuple[int, ...]
    swizzle: int


def create_tma_descriptor(*args: Any) -> TmaDescriptor:
    """A tensor map of a whole tensor, from the arguments of CUDA's cuTensorMapEncodeTiled; the launch makes it.

    Parameters
    ----------
    *args
        Code of the dtype (CUtensorMapDataType: 6 float16, 7 float32, 9 bfloat16, 0 bytes, ...), rank, `tensor.data`; then of each
        dimension, the innermost first: extents, strides in bytes (the first is an element's), the box, strides in the box (1);
        then interleave (0), swizzle (0 none, 1 to 3: 32, 64, 128 bytes), promotion in L2 (0 to 3, a hint), and 0: zeros outside.

    Raises
    ------
    SemanticError
        If they do not describe the tensor.
    UnsupportedError
        For interleaved tensors, strides in the box, and NaNs outside.

    Examples
    --------
    >>> desc = T.create_tma_descriptor(7, 2, A.data, 512, 512, 4, 2048, 32, 64, 1, 1, 0, 3, 2, 0)
    """
    what = "T.create_tma_descriptor"
    require(what).need_kernel(what)
    if len(args) < 3:
        raise SemanticError(f"{what} of {len(args)} arguments", fix="a dtype's code, the rank, tensor.data, ...")
    code, rank, data = _constant(args[0], "the dtype's code"), _constant(args[1], "the rank"), args[2]
    if not isinstance(data, (Buffer, BufferData)):
        raise DTypeError(f"{what} of {data!r}", fix="the data of a tensor: A.data")
    tensor = data.buffer if isinstance(data, BufferData) else data
    if tensor.scope() != "global" or rank != tensor.ndim or len(args) != 3 + 4 * rank + _TAIL:
        raise SemanticError(
            f"{what} of {tensor} with rank {rank} and {len(args)} arguments",
            fix=f"a tensor, its rank {tensor.ndim} and {3 + 4 * tensor.ndim + _TAIL} arguments",
        )
    if str(tensor.dtype) not in _CODES.get(code, "").split():
        known = next((c for c, names in _CODES.items() if str(tensor.dtype) in names.split()), None)
        raise DTypeError(f"{what} with the dtype's code {code} of {tensor.name}, which is {tensor.dtype}", fix=f"{known}")
    groups = [args[3 + i * rank : 3 + (i + 1) * rank] for i in range(4)]
    _check_tensor(tensor, groups[0], groups[1], what)
    box = tuple(_constant(n, "an extent of the box") for n in groups[2])
    if any(not 1 <= n <= 256 for n in box):
        raise ShapeError(f"the box {box} of {what}", fix="1 to 256 elements along each dimension")
    interleave, swizzle, promotion, fill = (_constant(n, "an option") for n in args[-_TAIL:])
    if any(_constant(s, "a stride in the box") != 1 for s in groups[3]) or interleave or fill:
        raise UnsupportedError(
            f"{what} with strides {tuple(groups[3])} in the box, interleave {interleave}, fill {fill}",
            fix="strides of 1, interleave 0, fill 0: boxes of neighbours, zeros outside",
        )
    if not 0 <= swizzle < len(_SWIZZLES) or not 0 <= promotion < 4:
        raise SemanticError(f"swizzle {swizzle} and promotion {promotion} of {what}", fix="0 to 3 each")
    if _SWIZZLES[swizzle] and box[0] * tensor.dtype.bits // 8 > _SWIZZLES[swizzle]:
        raise ShapeError(
            f"rows of {box[0]} elements of {tensor.dtype} with a swizzle of {_SWIZZLES[swizzle]} bytes",
            fix="a box as wide as the swizzle at most",
        )
    return TmaDescriptor(tensor, box, _SWIZZLES[swizzle])


def tma_load(*args: Any) -> None:
    """Load a box by TMA; every thread that comes by issues one, and none waits.

    The barrier counts the bytes of the box, which its author has told it to expect. Elements outside of the tensor are zeros.

    Parameters
    ----------
    *args
        A descriptor of T.create_tma_descriptor, the barrier, the address of the tile's first element (T.access_ptr,
        T.tvm_access_ptr, buffer.data), and the coordinates of the box, innermost first; then, optionally, 0. The tile's rows are
        as wide as the box; with a swizzle it starts at a multiple of 8 rows, and is given that layout.

    Examples
    --------
    >>> desc = T.create_tma_descriptor(7, 2, A.data, 512, 512, 4, 2048, 64, 64, 1, 1, 0, 0, 2, 0)
    >>> T.mbarrier_expect_tx(full[0], 64 * 64 * 4)
    >>> T.tma_load(desc, full[0], S.data, 64, i * 64)
    """
    what = "T.tma_load"
    if len(args) < 3 or not isinstance(args[0], TmaDescriptor):
        raise DTypeError(
            f"{what} of {args[:1]}", fix="a descriptor of T.create_tma_descriptor, a barrier, an address, coordinates"
        )
    desc, barrier, tile, *coordinates = args
    if len(coordinates) == len(desc.box) + 1 and coordinates[-1] == 0:
        coordinates.pop()
    if len(coordinates) != len(desc.box):
        raise SemanticError(f"{what} with {len(coordinates)} coordinates", fix=f"{len(desc.box)}, innermost first")
    target = pointer(tile, 0, f"the tile of {what}", SHARED)
    if target.element.dtype != desc.tensor.dtype:
        raise DTypeError(
            f"{what} of {desc.tensor.dtype} to {target.element.buffer.name} ({target.element.dtype})", fix="one dtype"
        )
    sides = whole(target.element.buffer, what), whole(desc.tensor, what), barrier_region(barrier, f"{what} with")
    places = tuple(convert(c, _dtype("int32")) for c in coordinates)
    attrs = {"box": list(desc.box), "swizzle": desc.swizzle}
    statement("tl.tma_by_hand", (*sides, _first(target), *places), attrs, what)


_dtype = dtype


def _first(address: Address) -> Region:
    """The element at an address, as a region."""
    element = address.element
    return Region(element.buffer, tuple(element.indices), (1,) * element.buffer.ndim, (True,) * element.buffer.ndim, False)


def _constant(value: Any, what: str) -> int:
    found = value.constant() if isinstance(value, Expr) else value
    if not isinstance(found, int):
        raise SemanticError(f"{what} of T.create_tma_descriptor is {value}", fix="a constant")
    return int(found)


def _check_tensor(tensor: Buffer, extents: Any, strides: Any, what: str) -> None:
    """The launch makes the map of the tensor's own shape: the author's has to be the same."""
    shape, size = list(tensor.shape)[::-1], tensor.dtype.bits // 8
    expected: Any = size
    for d, (extent, given, stride) in enumerate(zip(shape, extents, strides, strict=True)):
        if not _same(extent, given) or (d > 0 or isinstance(stride, int)) and not _same(expected, stride):
            raise SemanticError(
                f"dimension {d} (innermost first) of {tensor.name} is {extent} elements, {expected} bytes apart; {what} got"
                f" {given} and {stride}",
                fix="the tensor's own shape and strides, row-major",
            )
        expected = expected * extent


def _same(a: Any, b: Any) -> bool:
    numbers = [x.constant() if isinstance(x, Expr) else x for x in (a, b)]
    if all(isinstance(n, int) for n in numbers):
        return bool(numbers[0] == numbers[1])
    from .._lazy import ir

    left, right = (x.node if isinstance(x, Expr) else ir.const(x) for x in (a, b))
    return bool(ir.can_prove(ir.as_expr(left == right)))

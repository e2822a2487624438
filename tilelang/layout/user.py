"""Layouts as kernel authors write them: functions from logical to physical indices, and named swizzles of a buffer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from ..errors import DTypeError, LayoutError
from .fragment import Factor, Fragment, local, thread
from .shared import CHUNK_BYTES, SharedLayout


def fragment_from_function(
    shape: Sequence[int],
    forward_fn: Callable[..., Any] | None = None,
    forward_thread_fn: Callable[..., Any] | None = None,
    replicate: int = 1,
    forward_index_fn: Callable[..., Any] | None = None,
) -> Fragment:
    """`T.Fragment`: a register layout given as a function.

    Parameters
    ----------
    shape : sequence of int
        Logical extents of the tile.
    forward_fn : callable
        `(i, j, ...[, rep]) -> (thread, register)`.
    forward_thread_fn, forward_index_fn : callable
        The same in two functions; without `forward_index_fn` registers count the elements of a thread in row-major order.
    replicate : int
        Number of copies; the functions then take the copy's number as a last argument.

    Raises
    ------
    LayoutError
        If the function is not a sum of digits of the indices (the form every matrix instruction's fragment has).

    Examples
    --------
    >>> T.Fragment((8, 8), forward_fn=lambda i, j: (i * 4 + j // 2, j % 2))
    """
    shape = tuple(int(n) for n in shape)
    if forward_fn is None and forward_thread_fn is None:
        raise LayoutError(
            "a Fragment needs forward_fn or forward_thread_fn", fix="pass forward_fn=lambda i, j: (thread, register)"
        )

    def place(*point: int) -> tuple[int, int]:
        args = point if replicate > 1 else point[:-1]
        if forward_fn is not None:
            thread, register = forward_fn(*args)
        else:
            thread = forward_thread_fn(*args)  # type: ignore[misc]
            register = forward_index_fn(*args) if forward_index_fn is not None else 0
        if isinstance(register, (tuple, list)):
            (register,) = register
        return int(thread), int(register)

    origin = place(*([0] * (len(shape) + 1)))

    def along(axis: int) -> Callable[[int], tuple[int, int]]:
        def move(value: int) -> tuple[int, int]:
            point = [0] * (len(shape) + 1)
            point[axis] = value
            t, r = place(*point)
            return t - origin[0], r - origin[1]

        return move

    if origin != (0, 0):
        raise LayoutError(f"element {[0] * len(shape)} is at thread and register {origin}, not (0, 0)")
    implicit = forward_fn is None and forward_index_fn is None
    dims = [_digits(along(d), n, d) for d, n in enumerate(shape)]
    if implicit:
        dims = _number_registers(dims, shape)
    copies = _digits(along(len(shape)), replicate, len(shape)) if replicate > 1 else ()
    fragment = Fragment(shape, tuple(dims), tuple(f for f in copies if f.extent > 1))
    for point in product(*map(range, shape)):
        thread, register = place(*point, 0)
        if fragment.thread_of(point) != thread or (not implicit and fragment.local_of(point) != register):
            raise LayoutError(
                f"element {list(point)} is at thread {thread}, register {register}: not a sum of digits of the indices",
                fix="write the layout as sums of i // a % b * c",
            )
    return fragment


def _digits(move: Callable[[int], tuple[int, int]], extent: int, axis: int) -> tuple[Factor, ...]:
    """Read the digits of one index off the function, least significant first, and return them most significant first."""
    factors: list[Factor] = []
    inner = 1
    while inner < extent:
        thread, register = move(inner)
        if thread and register:
            raise LayoutError(f"index {axis} moves thread and register at once ({thread}, {register}) at {inner}")
        count = 2
        while inner * count < extent and move(inner * count) == (thread * count, register * count):
            count += 1
        count = min(count, -(-extent // inner))
        factors.insert(0, Factor(count, "thread" if thread else "local", thread or register))
        inner *= count
    return tuple(factors)


def _number_registers(dims: list[tuple[Factor, ...]], shape: tuple[int, ...]) -> list[tuple[Factor, ...]]:
    step = 1
    out: list[tuple[Factor, ...]] = []
    for factors in reversed(dims):
        row: list[Factor] = []
        for f in reversed(factors):
            row.insert(0, f if f.is_thread else Factor(f.extent, "local", step))
            step *= 1 if f.is_thread else f.extent
        out.insert(0, tuple(row))
    return out


def _matrix(buffer: Any) -> tuple[tuple[int, ...], int]:
    from .. import ir
    from ..tileop.base import dtype_bits

    buffer = getattr(buffer, "node", buffer)
    if not isinstance(buffer, ir.Var) or not ir.is_buffer_var(buffer):
        raise DTypeError(f"the layout of {buffer!r}", fix="pass a tile of T.alloc_shared")
    return ir.static_shape(buffer), dtype_bits(ir.buffer_dtype(buffer))


def make_swizzled_layout(buffer: Any, k_major: bool = True, allow_pad: bool = True) -> SharedLayout:
    """The swizzle that keeps matrix reads free of bank conflicts: 128, 64 or 32 bytes by row length.

    `k_major` and `allow_pad` are accepted for compatibility: the same swizzle serves both orders, and no row needs padding.
    """
    del k_major, allow_pad
    return SharedLayout.for_matrix(*_matrix(buffer))


def make_mma_swizzle_layout(shared_buf: Any, is_smooth: bool = False) -> SharedLayout:
    """The swizzle for operands of mma, as T.make_swizzled_layout chooses it; `is_smooth`: row-major."""
    return make_linear_layout(shared_buf) if is_smooth else make_swizzled_layout(shared_buf)


def _fixed_swizzle(width: int) -> Callable[[Any], SharedLayout]:
    def make(buffer: Any) -> SharedLayout:
        shape, bits = _matrix(buffer)
        return SharedLayout(shape, bits, width)

    make.__doc__ = f"Rows in blocks of {width} bytes, {CHUNK_BYTES}-byte chunks XORed as TMA's {width}-byte swizzle does."
    return make


make_full_bank_swizzled_layout = _fixed_swizzle(128)
make_half_bank_swizzled_layout = _fixed_swizzle(64)
make_quarter_bank_swizzled_layout = _fixed_swizzle(32)


def make_linear_layout(buffer: Any) -> SharedLayout:
    """Row-major without swizzle or padding."""
    return SharedLayout.linear(*_matrix(buffer))


def make_wgmma_swizzled_layout(buffer: Any, continuity: int | None = None, k_major: bool = True) -> SharedLayout:
    """The swizzle of a shared operand of wgmma: as wide as `continuity` elements of a row (all by default) allow."""
    del k_major
    shape, bits = _matrix(buffer)
    if continuity is not None and (continuity < 1 or shape[-1] % continuity):
        raise LayoutError(f"continuity={continuity} of rows of {shape[-1]} elements", fix="a divisor of the row length")
    row = (continuity or shape[-1]) * bits // 8
    width = next((w for w in (128, 64, 32) if row % w == 0), 0)
    return SharedLayout(shape, bits, width)


def make_volta_swizzled_layout(buffer: Any, is_a: bool = True, k_inner: bool = True) -> SharedLayout:
    """T.make_swizzled_layout: sm_70's own matrix layouts are not made; such a program runs with the usual swizzle."""
    del is_a, k_inner
    return make_swizzled_layout(buffer)


def make_tcgen05mma_swizzled_layout(buffer: Any, continuity: int | None = None, k_major: bool = True) -> SharedLayout:
    """make_wgmma_swizzled_layout: sm_100's matrix instructions read the same swizzles."""
    return make_wgmma_swizzled_layout(buffer, continuity, k_major)


def make_gemm_fragment_8x8() -> Fragment:
    """The 8 x 8 matrix of ldmatrix and mma: row `i` in threads `4 i` to `4 i + 3`, two neighbouring columns in each."""
    return Fragment((8, 8), ((thread(8, 4),), (thread(4, 1), local(2, 1))))


def make_gemm_fragment_8x8_transposed() -> Fragment:
    """make_gemm_fragment_8x8 with rows and columns exchanged."""
    return Fragment((8, 8), ((thread(4, 1), local(2, 1)), (thread(8, 4),)))


def make_fully_replicated_layout_fragment(buffer: Any, threads: int) -> Fragment:
    """Every thread holds the whole tile."""
    return Fragment.replicated(_matrix(buffer)[0], threads)


__all__ = [
    "fragment_from_function",
    "make_full_bank_swizzled_layout",
    "make_fully_replicated_layout_fragment",
    "make_gemm_fragment_8x8",
    "make_gemm_fragment_8x8_transposed",
    "make_half_bank_swizzled_layout",
    "make_linear_layout",
    "make_quarter_bank_swizzled_layout",
    "make_mma_swizzle_layout",
    "make_swizzled_layout",
    "make_tcgen05mma_swizzled_layout",
    "make_volta_swizzled_layout",
    "make_wgmma_swizzled_layout",
]

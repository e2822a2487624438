"""Copies that return before they are done, by hand: T.async_copy, T.ptx_cp_async, commits and waits."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError, UnsupportedError
from .copy import match_extents
from .emit import statement
from .expr import Expr, as_condition
from .extern import Address

_SIZES = (4, 8, 16)  # PTX ISA, cp.async: cp-size


def async_copy(
    src: Any, dst: Any, *, coalesced_width: int | None = None, annotations: dict[str, Any] | None = None, loop_layout: Any = None
) -> None:
    """Start a copy from global to shared memory (cp.async) and commit it as one group; T.ptx_wait_group waits.

    Parameters
    ----------
    src, dst : buffer, region or element
        As in T.copy, of equal dtype.
    coalesced_width, annotations, loop_layout
        As in T.copy.

    Examples
    --------
    >>> T.async_copy(A[by * 128, k * 32], A_shared)
    >>> T.ptx_wait_group(0)
    """
    a, b = match_extents(src, dst, "async_copy")
    if a.scope() != "global" or b.scope() != "shared.dyn":
        raise SemanticError(
            f"T.async_copy from {a.scope()} ({a.buffer.name}) to {b.scope()} ({b.buffer.name})",
            fix="cp.async moves from global to shared memory; use T.copy for the rest",
        )
    if a.dtype != b.dtype:
        raise DTypeError(
            f"T.async_copy of {a.buffer.name} ({a.dtype}) to {b.buffer.name} ({b.dtype})",
            fix="cp.async does not convert: use T.copy, or a shared tile of the same dtype",
        )
    options = {**(annotations or {}), "coalesced_width": coalesced_width, "loop_layout": loop_layout, "async_group": True}
    statement("tl.copy", (a, b), options, "T.async_copy")
    statement("tl.cp_async_commit", (), None, "T.async_copy")


def ptx_cp_async(dst_access_ptr: Any, src_access_ptr: Any, num_elems: int, predicate: Any = None) -> None:
    """cp.async of `num_elems` elements, 4, 8 or 16 bytes, by the calling thread.

    Parameters
    ----------
    dst_access_ptr, src_access_ptr : address
        T.access_ptr or T.address_of of an element in shared and in global memory.
    num_elems : int
        Elements; a number that makes no legal size as elements is taken as bytes.
    predicate : Expr, optional
        Where it is false, zeros are written.

    Examples
    --------
    >>> T.ptx_cp_async(T.access_ptr(As[i, 0], "w", 8), T.access_ptr(A[i, 0], "r", 8), 8)
    """
    for side, name, scope in ((dst_access_ptr, "destination", "shared.dyn"), (src_access_ptr, "source", "global")):
        if not isinstance(side, Address):
            raise DTypeError(f"the {name} of T.ptx_cp_async is {side!r}", fix="pass T.access_ptr(buffer[i, j], ...)")
        if side.element.buffer.scope() != scope:
            raise SemanticError(
                f"the {name} of T.ptx_cp_async is {side.element}, which is in {side.element.buffer.scope()}",
                fix="cp.async copies from global to shared memory",
            )
    if isinstance(num_elems, Expr):
        num_elems = int(num_elems)
    width = dst_access_ptr.element.dtype.bits * num_elems // 8
    size = width if width in _SIZES else num_elems
    if size not in _SIZES:
        raise SemanticError(
            f"T.ptx_cp_async of {num_elems} elements of {dst_access_ptr.element.dtype}, {width} bytes",
            fix="copy 4, 8 or 16 bytes",
        )
    args: tuple = (dst_access_ptr, src_access_ptr)
    if predicate is not None:
        args += (as_condition(predicate),)
    statement("tl.cp_async", args, {"template": [str(size)]}, "T.ptx_cp_async")


def ptx_commit_group() -> None:
    """Close the group of the thread's asynchronous copies so far.

    Examples
    --------
    >>> T.ptx_commit_group()
    """
    statement("tl.cp_async_commit", (), None, "T.ptx_commit_group")


def ptx_wait_group(num: int) -> None:
    """Wait until at most `num` of the thread's groups are under way; a barrier then shows the data to other threads.

    Examples
    --------
    >>> T.ptx_wait_group(0)
    """
    if isinstance(num, Expr):
        if num.constant() is None:
            raise UnsupportedError(f"T.ptx_wait_group({num}): the count is part of the instruction", fix="give a Python int")
        num = int(num)
    if isinstance(num, bool) or not isinstance(num, int) or num < 0:
        raise SemanticError(f"T.ptx_wait_group({num!r})", fix="give the number of groups that may still be under way, 0 or more")
    statement("tl.cp_async_wait", (), {"template": [str(num)]}, "T.ptx_wait_group")

"""Allocation of tiles and scalars."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError
from .buffer import Buffer, MutableScalar
from .dtypes import dtype
from .emit import alloc
from .shape import as_shape, static
from .vector_buffer import MutableVector, VectorBuffer

_REGISTERS = ("local.fragment", "local")


def _scoped(scope: str, allowed: tuple[str, ...], what: str) -> str:
    if scope not in allowed:
        raise SemanticError(f"{what} with scope {scope!r}", fix="one of " + ", ".join(repr(s) for s in allowed))
    return "shared.dyn" if scope == "shared" else scope


def _scalar_dtype(of: Any, what: str) -> dtype:
    kind = dtype(of)
    if kind.lanes > 1:
        raise DTypeError(f"{what} of the vector type {kind}", fix=f"allocate {kind.element} with a last axis of {kind.lanes}")
    return kind


def _allocated(kind: str, shape: tuple[Any, ...], of: Any, scope: str, what: str) -> Buffer:
    """A tile or an array, of scalars or of vectors."""
    found = dtype(of)
    if found.lanes == 1:
        return alloc(kind, shape, found, scope, what)
    return VectorBuffer.of(alloc(kind, (*shape, found.lanes), dtype(str(found.element)), scope, what))


def alloc_shared(shape: Any, dtype: Any, scope: str = "shared.dyn") -> Buffer:
    """A tile in shared memory, seen by all threads of the block; of vectors (`"float16x2"`), an index names all lanes.

    Parameters
    ----------
    shape : sequence of int
    dtype : dtype
    scope : str
        "shared.dyn", or "shared", which is the same here: there is one arena.

    Examples
    --------
    >>> A_s = T.alloc_shared((128, 64), "float16")
    """
    scope = _scoped(scope, ("shared.dyn", "shared"), "T.alloc_shared")
    return _allocated("shared", static(as_shape(shape, "T.alloc_shared"), "T.alloc_shared"), dtype, scope, "T.alloc_shared")


def alloc_fragment(shape: Any, dtype: Any, scope: str = "local.fragment") -> Buffer:
    """A tile distributed over the registers of the block's threads; with scope "local" an array of each thread's own.

    Examples
    --------
    >>> acc = T.alloc_fragment((128, 128), "float32")
    """
    scope = _scoped(scope, _REGISTERS, "T.alloc_fragment")
    return _allocated(
        "fragment", static(as_shape(shape, "T.alloc_fragment"), "T.alloc_fragment"), dtype, scope, "T.alloc_fragment"
    )


def alloc_local(shape: Any, dtype: Any, scope: str = "local") -> Buffer:
    """An array of which every thread has its own, of vectors if need be; with scope "local.fragment" a tile over the block.

    Examples
    --------
    >>> own = T.alloc_local((4,), "float32")
    """
    scope = _scoped(scope, _REGISTERS, "T.alloc_local")
    return _allocated("local", static(as_shape(shape, "T.alloc_local"), "T.alloc_local"), dtype, scope, "T.alloc_local")


def alloc_var(dtype: Any, *args: Any, scope: str = "local.var", init: Any = None) -> MutableScalar:
    """A scalar, or a vector of a few lanes, that can be assigned again; every thread has its own.

    Reading the name loads it, assigning the name stores to it. Lane k of a vector `x` is `x[0, k]`.

    Parameters
    ----------
    dtype : dtype
    *args
        The initial value, or the scope "local.var".
    init : optional
        The initial value.

    Examples
    --------
    >>> total = T.alloc_var("float32", init=0.0)
    """
    for extra in args:
        if isinstance(extra, str):
            scope = extra
        elif init is None:
            init = extra
        else:
            raise SemanticError("T.alloc_var was given two initial values")
    scope = _scoped(scope, ("local.var",), "T.alloc_var")
    made = _variable(dtype, scope)
    if init is not None:
        made.store(init)
    return made


def _variable(of: Any, scope: str) -> MutableScalar:
    kind = dtype(of)
    if kind.lanes == 1:
        return MutableScalar(alloc("var", (1,), kind, scope, "T.alloc_var"), fresh=True)
    return MutableVector(VectorBuffer.of(alloc("var", (1, kind.lanes), kind.element, "local", "T.alloc_var")))


def alloc_global(shape: Any, dtype: Any, scope: str = "global") -> Buffer:
    """A workspace in global memory, allocated by the launcher for the duration of the call.

    Examples
    --------
    >>> W = T.alloc_global((64, 64), "float32")
    """
    scope = _scoped(scope, ("global",), "T.alloc_global")
    return alloc("workspace", as_shape(shape, "T.alloc_global"), _scalar_dtype(dtype, "a workspace"), scope, "T.alloc_global")

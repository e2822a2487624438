"""Loads and stores of a stated width: T.ldg32 ... T.stg256 in global, T.lds32 ... T.sts128 in shared memory, T.__ldg."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import DTypeError, SemanticError
from .buffer import Buffer, Element, Region
from .dtypes import dtype
from .emit import effect, statement, whole
from .expr import Expr, as_condition, as_expr, convert
from .extern import Address, address_of
from .math import reinterpret

_SCOPES = {"g": "global", "s": "shared.dyn"}


def _words(bits: int) -> dtype:
    return dtype("uint32" if bits == 32 else f"uint32x{bits // 32}")


def _place(operand: Any, name: str) -> Address:
    if not isinstance(operand, (Buffer, Region, Element, Address)):
        raise DTypeError(f"T.{name} of {operand!r}", fix="pass an element, a region or a buffer: the access starts there")
    address = operand if isinstance(operand, Address) else address_of(operand)
    scope, wanted = address.element.buffer.scope(), _SCOPES[name[2]]
    if scope != wanted:
        other = name[:2] + ("s" if scope == "shared.dyn" else "g") + name[3:]
        raise SemanticError(
            f"T.{name} of {address.element}, which is in {scope}", fix=f"T.{name} is for {wanted} memory; use T.{other}"
        )
    return address


def _load(bits: int, space: str) -> Callable[..., Expr]:
    name = f"ld{space}{bits}"

    def load(src: Any, pred: Any = None) -> Expr:
        args: tuple = (_place(src, name),)
        if pred is not None:
            args += (as_condition(pred),)
        return effect("tl.load_as", args, _words(bits), "wide")

    return load


def _as_words(value: Any, bits: int, name: str) -> Expr:
    expr = as_expr(value, f"the value of T.{name}")
    words = _words(bits)
    if expr.dtype == words:
        return expr
    if expr.dtype.bits != bits:
        raise DTypeError(
            f"T.{name} of {expr.dtype}, {expr.dtype.bits} bits", fix=f"give {bits} bits: {words}, or a vector of that size"
        )
    return reinterpret(expr, words)


def _store(bits: int, space: str) -> Callable[..., None]:
    name = f"st{space}{bits}"

    def store(dst: Any, value: Any, pred: Any = None) -> None:
        args: tuple = (_place(dst, name), _as_words(value, bits, name))
        if pred is not None:
            args += (as_condition(pred),)
        statement("tl.store_as", args, None, f"T.{name}")

    return store


def _public(make: Callable[[int, str], Callable], kind: str, bits: int, space: str) -> Callable:
    memory = "global" if space == "g" else "shared"
    name = f"{kind}{space}{bits}"
    function = make(bits, space)
    if kind == "ld":
        text = f"{bits} bits of {memory} memory from `src` on, as {_words(bits)}"
        example = f">>> words = T.{name}({'A' if space == 'g' else 'S'}[i])"
        zero = " Zeros where `pred` is false." if space == "g" else ""
    else:
        text = f"Store {bits} bits to {memory} memory from `dst` on"
        example = f">>> T.{name}({'A' if space == 'g' else 'S'}[i], words)"
        zero = " Nothing where `pred` is false." if space == "g" else ""
    if space == "s":  # shared accesses have no predicate
        inner = function
        function = (lambda src: inner(src)) if kind == "ld" else (lambda dst, value: inner(dst, value))  # type: ignore[misc]
    function.__name__ = function.__qualname__ = name
    rule = f"the address is a multiple of {min(bits, 128) // 8} bytes"
    function.__doc__ = f"{text}; {rule}.{zero}\n\n    Examples\n    --------\n    {example}\n    "
    return function


ldg32, ldg64, ldg128, ldg256 = (_public(_load, "ld", bits, "g") for bits in (32, 64, 128, 256))
stg32, stg64, stg128, stg256 = (_public(_store, "st", bits, "g") for bits in (32, 64, 128, 256))
lds32, lds64, lds128 = (_public(_load, "ld", bits, "s") for bits in (32, 64, 128))
sts32, sts64, sts128 = (_public(_store, "st", bits, "s") for bits in (32, 64, 128))


def read_only_load(load_or_buf: Any, index: Any = None) -> Expr:
    """`T.__ldg`: an element of global memory that the kernel does not write, through the read-only cache.

    Examples
    --------
    >>> x = getattr(T, "__ldg")(A[i])
    """
    if index is not None:
        if not isinstance(load_or_buf, Buffer):
            raise DTypeError(
                f"T.__ldg({load_or_buf!r}, {index}): only a buffer takes an index", fix="T.__ldg(A[i]) or T.__ldg(A, i)"
            )
        load_or_buf = load_or_buf[convert(index, dtype("int32")) if isinstance(index, Expr) else index]
    if not isinstance(load_or_buf, Element) or load_or_buf.buffer.scope() != "global":
        raise DTypeError(f"T.__ldg of {load_or_buf}", fix="pass one element of a tensor in global memory")
    return effect("tl.load_read_only", (address_of(whole(load_or_buf, "T.__ldg")),), load_or_buf.dtype, "loaded")

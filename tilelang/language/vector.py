"""Vectors as values: T.Broadcast, T.Ramp, T.Shuffle, lanes, and packed operations on pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import DTypeError, SemanticError
from .dtypes import dtype
from .emit import call
from .expr import Expr, apply, as_expr, binary, unify


def _lanes(lanes: Any, what: str) -> int:
    value = lanes.constant() if isinstance(lanes, Expr) else lanes
    if isinstance(value, bool) or not isinstance(value, int) or value < 2:
        raise SemanticError(f"{what} with {lanes} lanes", fix="give a constant of at least 2")
    return value


def Broadcast(value: Any, lanes: Any, span: Any = None) -> Expr:
    """A vector with `value` in every lane.

    Examples
    --------
    >>> ones = T.Broadcast(T.float16(1), 2)
    """
    expr = as_expr(value, "the value of T.Broadcast")
    if expr.dtype.lanes > 1:
        raise DTypeError(f"T.Broadcast of {expr.dtype}", fix="broadcast a scalar")
    count = _lanes(lanes, "T.Broadcast")
    return apply("broadcast", (expr, count), dtype(f"{expr.dtype}x{count}"))


class Steps(Expr):
    """T.Ramp: a vector of equally spaced integers; as an index of a buffer it names that many elements."""

    __slots__ = ("base", "stride", "count")
    base: Expr
    stride: Expr
    count: int


def Ramp(base: Any, stride: Any, lanes: Any, span: Any = None) -> Steps:
    """The vector base, base + stride, ...; as the last index of a buffer, those elements as a vector.

    Examples
    --------
    >>> pair = A[T.Ramp(i * 2, 1, 2)]
    """
    count = _lanes(lanes, "T.Ramp")
    first, step, common = unify(base, stride, "T.Ramp")
    if not common.is_int:
        raise DTypeError(f"T.Ramp of {common}", fix="use integers")
    plain = apply("ramp", (first, step, count), dtype(f"{common}x{count}"))
    found = Steps(plain._node, plain.dtype, plain.pure, plain.cost, plain.recipe)
    found.reads, found.epoch = plain.reads, plain.epoch
    found.base, found.stride, found.count = first, step, count
    return found


def pack(values: Sequence[Any]) -> Expr:
    """The vector of some scalars of one dtype."""
    kind = values[0].dtype
    return apply("call", ("tl.pack", str(dtype(f"{kind}x{len(values)}")), *values), dtype(f"{kind}x{len(values)}"))


def Shuffle(vectors: Any, indices: Any, span: Any = None) -> Expr:
    """Lanes `indices` of the concatenation of `vectors` (scalars count as one lane); one index gives a scalar.

    Examples
    --------
    >>> pair = T.Shuffle([x, y], [0, 1])
    """
    parts = [as_expr(v, "a vector of T.Shuffle") for v in (vectors if isinstance(vectors, (list, tuple)) else [vectors])]
    wanted = [int(i) for i in (indices if isinstance(indices, (list, tuple)) else [indices])]
    if not parts or len({p.dtype.element for p in parts}) != 1:
        raise DTypeError(f"T.Shuffle of {', '.join(p.dtype for p in parts)}", fix="give vectors of one element type")
    lanes = [(p, k) for p in parts for k in range(p.dtype.lanes)]
    if not wanted or any(not 0 <= i < len(lanes) for i in wanted):
        raise SemanticError(f"T.Shuffle with indices {wanted} of {len(lanes)} lanes", fix=f"use 0 to {len(lanes) - 1}")
    chosen = [extract_lane(*lanes[i]) for i in wanted]
    return chosen[0] if len(chosen) == 1 else pack(chosen)


def extract_lane(vector: Any, lane: Any, span: Any = None) -> Expr:
    """One lane of a vector.

    Examples
    --------
    >>> low = T.extract_lane(pair, 0)
    """
    expr = as_expr(vector, "the vector of T.extract_lane")
    number = lane.constant() if isinstance(lane, Expr) else lane
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < expr.dtype.lanes:
        raise SemanticError(f"lane {lane} of {expr.dtype}", fix=f"a constant from 0 to {expr.dtype.lanes - 1}")
    if expr.dtype.lanes == 1:
        return expr
    return apply("call", ("tl.lane", str(expr.dtype.element), expr, {"template": [str(number)]}), expr.dtype.element)


def _pairs(name: str, *operands: Any) -> list[Expr]:
    found = [as_expr(x, f"an operand of T.{name}") for x in operands]
    for x in found:
        if x.dtype.lanes != 2 or not x.dtype.is_float:
            raise DTypeError(f"T.{name} of {x.dtype}", fix="pairs of floats: float32x2, float16x2 or bfloat16x2")
        if x.dtype != found[0].dtype:
            raise DTypeError(f"T.{name} of {found[0].dtype} and {x.dtype}", fix="use operands of one dtype")
    return found


def add2(x: Any, y: Any) -> Any:
    """x + y of pairs.

    Examples
    --------
    >>> z = T.add2(x, y)
    """
    return binary("add", *_pairs("add2", x, y))


def sub2(x: Any, y: Any) -> Any:
    """x - y of pairs.

    Examples
    --------
    >>> z = T.sub2(x, y)
    """
    return binary("sub", *_pairs("sub2", x, y))


def mul2(x: Any, y: Any) -> Any:
    """x * y of pairs.

    Examples
    --------
    >>> z = T.mul2(x, y)
    """
    return binary("mul", *_pairs("mul2", x, y))


def fma2(x: Any, y: Any, z: Any) -> Any:
    """x * y + z of pairs, rounded once.

    Examples
    --------
    >>> r = T.fma2(x, y, z)
    """
    parts = _pairs("fma2", x, y, z)
    return call("tl.fma", tuple(parts), parts[0].dtype)


def max2(x: Any, y: Any) -> Any:
    """The larger values of pairs.

    Examples
    --------
    >>> z = T.max2(x, y)
    """
    return binary("max", *_pairs("max2", x, y))


def min2(x: Any, y: Any) -> Any:
    """The smaller values of pairs.

    Examples
    --------
    >>> z = T.min2(x, y)
    """
    return binary("min", *_pairs("min2", x, y))


def abs2(x: Any) -> Any:
    """The magnitudes of a pair.

    Examples
    --------
    >>> z = T.abs2(x)
    """
    (part,) = _pairs("abs2", x)
    return call("tl.fabs", (part,), part.dtype)

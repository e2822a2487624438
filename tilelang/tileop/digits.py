"""Loops over the register digits of chosen dimensions of a fragment, for operators that treat dimensions differently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .. import ir
from ..layout import Factor, Fragment, runs


@dataclass(frozen=True)
class DimDigits:
    """One dimension of a fragment as a thread walks it.

    Attributes
    ----------
    loops : tuple of (Var, int)
        A loop for each register digit, most significant first.
    index : Expr
        The index along the dimension, composed from loop variables and digits of the thread id.
    register : Expr
        What the loop variables add to the register index.
    padding : Expr or None
        The condition under which `index` is inside the extent; None where it always is.
    digits : tuple
        The digit of each factor (0 for factors of extent 1).
    factors : tuple of Factor
        The factors themselves.
    """

    loops: tuple[tuple[ir.Var, int], ...]
    index: Any
    register: Any
    padding: Any
    digits: tuple[Any, ...] = ()
    factors: tuple[Factor, ...] = ()


def walk_dim(fragment: Fragment, dim: int, tid: Any, name: str = "i", like: DimDigits | None = None) -> DimDigits:
    """The digits of one dimension; `like` reuses the loops of a dimension with the same register digits."""
    loops: list[tuple[ir.Var, int]] = []
    reuse = iter(like.loops) if like is not None else None
    index: Any = 0
    register: Any = 0
    digits: list[Any] = []
    for f in fragment.dims[dim]:
        if f.extent == 1:
            digits.append(0)
            continue
        if f.is_thread:
            digit = fragment.thread_digit(f, tid)
        else:
            var, extent = next(reuse) if reuse is not None else (ir.var(name), f.extent)
            assert extent == f.extent
            loops.append((var, extent))
            digit = var
            register = add(register, scale(digit, f.stride))
        index = add(scale(index, f.extent), digit)
        digits.append(digit)
    padding = ir.as_expr(index < fragment.shape[dim]) if fragment.is_padded(dim) else None
    return DimDigits(tuple(loops), index, register, padding, tuple(digits), fragment.dims[dim])


def walk_like(fragment: Fragment, dim: int, like: DimDigits) -> DimDigits:
    """A dimension of another fragment at the position of `like`: same threads, register digits perhaps cut differently."""
    register: Any = 0
    for (axis, _, _, members), (_, _, _, targets) in zip(runs(like.factors), runs(fragment.dims[dim])):
        if axis == "local":
            register = add(register, _recut(like, members, [fragment.dims[dim][k] for k in targets]))
    return DimDigits(like.loops, like.index, register, like.padding, like.digits, like.factors)


def _recut(like: DimDigits, members: Sequence[int], targets: Sequence[Factor]) -> Any:
    """A run of register digits, read as the digits `targets` and weighed by their strides."""
    if [like.factors[k].extent for k in members] == [f.extent for f in targets]:
        return total(scale(like.digits[k], f.stride) for k, f in zip(members, targets))
    value: Any = 0
    for k in members:
        value = add(scale(value, like.factors[k].extent), like.digits[k])
    out: Any = 0
    inner = 1
    for f in reversed(targets):
        digit = value // inner if inner > 1 else value
        out = add(out, scale(digit % f.extent, f.stride))
        inner *= f.extent
    return ir.simplify(out, ir.analyzer_for({v: (0, n) for v, n in like.loops}))


def add(a: Any, b: Any) -> Any:
    """a + b without adding a Python zero."""
    if isinstance(a, int) and a == 0:
        return b
    return a if isinstance(b, int) and b == 0 else a + b


def scale(a: Any, factor: int) -> Any:
    """a * factor without multiplying by one or a Python zero."""
    return a if factor == 1 or (isinstance(a, int) and a == 0) else a * factor


def total(terms: Iterable[Any]) -> Any:
    """The sum of expressions; a Python 0 if there are none."""
    out: Any = 0
    for term in terms:
        out = add(out, term)
    return out


def nest(loops: Iterable[tuple[ir.Var, int]], body: ir.Stmt, span: Any = None, kind: ir.ForKind = ir.ForKind.UNROLLED) -> ir.Stmt:
    """`body` inside loops, outermost first."""
    for var, extent in reversed(list(loops)):
        body = ir.For(var, ir.const(0), ir.const(extent), kind, body, span=span)
    return body


def loop(name: str, extent: int, body: Any, span: Any = None, kind: ir.ForKind = ir.ForKind.UNROLLED) -> ir.Stmt:
    """A loop whose body is made by `body(index)`; a single iteration is inlined."""
    if extent == 1:
        return body(0)
    var = ir.var(name)
    return ir.For(var, ir.const(0), ir.const(extent), kind, body(var), span=span)


def guarded(conditions: Sequence[Any], body: ir.Stmt, span: Any = None) -> ir.Stmt:
    """`body` under all of the conditions (None entries do not count)."""
    met = [ir.as_expr(c) for c in conditions if c is not None]
    if not met:
        return body
    together = met[0]
    for c in met[1:]:
        together = ir.And(together, c)
    return ir.IfThenElse(together, body, None, span)

"""Rectangular pieces of buffers: widening over variables, coverage, proofs that two pieces never meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import ir

# (start, extent) of each dimension
Ranges = tuple[tuple[Any, Any], ...]


def ranges_of(region: ir.BufferRegion) -> Ranges:
    """The (start, extent) pairs of a region."""
    return tuple((r.min, r.extent) for r in region.region)


def whole(buf: ir.Var) -> Ranges:
    """All of a buffer."""
    return tuple((ir.const(0), ir.as_expr(extent)) for extent in ir.shape_of(buf))


def to_region(buf: ir.Var, ranges: Ranges) -> ir.BufferRegion:
    """The region node of some ranges."""
    return ir.region(buf, ranges)


def is_opaque(expr: Any) -> bool:
    """True if the value of an expression may change although its variables do not (memory, calls)."""
    return ir.contains(ir.as_expr(expr), (ir.BufferLoad, ir.Call))


def substitute(ranges: Ranges, mapping: Mapping[ir.Var, Any]) -> Ranges:
    """Replace variables in starts and extents."""
    if not mapping:
        return ranges
    return tuple((ir.substitute(ir.as_expr(lo), mapping), ir.substitute(ir.as_expr(n), mapping)) for lo, n in ranges)


def uses(ranges: Ranges, variables: Any) -> bool:
    """True if any of `variables` occurs in the ranges."""
    return any(ir.uses_var(ir.as_expr(x), variables) for pair in ranges for x in pair)


def known(buf: ir.Var, ranges: Ranges) -> Ranges:
    """The ranges with each dimension whose bounds depend on memory widened to the whole dimension."""
    return tuple(full if is_opaque(lo) or is_opaque(n) else (lo, n) for (lo, n), full in zip(ranges, whole(buf)))


def slope(expr: Any, var: ir.Var, step: Any = 1) -> int | None:
    """By how much an expression grows when `var` grows by `step`; None unless that is one constant."""
    return ir.const_int(ir.simplify(ir.substitute(expr, {var: var + ir.as_expr(step, ir.dtype_of(var))}) - expr))


def widen(buf: ir.Var, ranges: Ranges, var: ir.Var, start: Any, extent: Any) -> Ranges:
    """The ranges that cover those of every value of `var` in [start, start + extent)."""
    return tuple(_widen_dim(pair, var, start, extent, full) for pair, full in zip(ranges, whole(buf)))


def _widen_dim(pair: tuple[Any, Any], var: ir.Var, start: Any, extent: Any, full: tuple[Any, Any]) -> tuple[Any, Any]:
    lo, n = ir.as_expr(pair[0]), ir.as_expr(pair[1])
    if not (ir.uses_var(lo, {var}) or ir.uses_var(n, {var})):
        return pair
    if ir.uses_var(n, {var}) or is_opaque(start) or is_opaque(extent):
        return full
    if isinstance(lo, ir.FloorMod) and (period := ir.const_int(lo.b)) is not None and period > 0:
        return ir.const(0, ir.dtype_of(lo)), ir.simplify(n + (period - 1))
    grows = slope(lo, var)
    if grows is None:
        return full
    last = start + extent - 1
    first = ir.substitute(lo, {var: start if grows >= 0 else last})
    return ir.simplify(first), ir.simplify(n + abs(grows) * (extent - 1))


def covers(buf: ir.Var, ranges: Ranges) -> bool:
    """True if the ranges are provably all of the buffer."""
    return all(
        ir.can_prove(ir.as_expr(lo) <= 0) and ir.can_prove(ir.as_expr(lo) + n >= extent)
        for (lo, n), extent in zip(ranges, ir.shape_of(buf))
    )


def same(a: Ranges, b: Ranges) -> bool:
    """True if two ranges are provably equal (their variables being the same values)."""
    return all(_zero(x - y) and _zero(m - n) for (x, m), (y, n) in zip(a, b))


def _zero(difference: Any) -> bool:
    return ir.const_int(ir.simplify(difference)) == 0


def disjoint(a: Ranges, b: Ranges, analyzer: ir.Analyzer) -> bool:
    """True only if no element belongs to both, whatever the values of the variables (which both share)."""
    return any(_apart(p, q, analyzer) for p, q in zip(a, b))


def _apart(p: tuple[Any, Any], q: tuple[Any, Any], analyzer: ir.Analyzer) -> bool:
    (x, m), (y, n) = p, q
    if _slots_differ(p, q, analyzer):
        return True
    distance = ir.const_int(ir.simplify(ir.as_expr(y) - x, analyzer))
    if distance is not None:
        left, right = ir.const_int(m), ir.const_int(n)
        if left is not None and right is not None:
            return distance >= left or -distance >= right
        return ir.can_prove(ir.as_expr(m) <= distance, analyzer) or ir.can_prove(ir.as_expr(n) <= -distance, analyzer)
    return ir.can_prove(ir.as_expr(x) + m <= y, analyzer) or ir.can_prove(ir.as_expr(y) + n <= x, analyzer)


def modulus(expr: Any) -> tuple[Any, int] | None:
    """(x, V) of floormod(x, V) with a constant V; None for anything else."""
    if isinstance(expr, ir.FloorMod) and (period := ir.const_int(expr.b)) is not None and period > 0:
        return expr.a, period
    return None


def _slots_differ(p: tuple[Any, Any], q: tuple[Any, Any], analyzer: ir.Analyzer) -> bool:
    """Version slots floormod(x, V) and floormod(y, V) (or a constant) with x - y no multiple of V."""
    if ir.const_int(p[1]) != 1 or ir.const_int(q[1]) != 1:
        return False
    a, b = modulus(p[0]), modulus(q[0])
    if a is None and b is not None and ir.const_int(p[0]) is not None:
        a = p[0], b[1]
    if b is None and a is not None and ir.const_int(q[0]) is not None:
        b = q[0], a[1]
    if a is None or b is None or a[1] != b[1]:
        return False
    distance = ir.const_int(ir.simplify(ir.as_expr(a[0]) - b[0], analyzer))
    return distance is not None and distance % a[1] != 0


def pinned_variables(a: Ranges, b: Ranges, variables: Sequence[ir.Var], extents: Mapping[ir.Var, int]) -> set[ir.Var]:
    """The variables (thread indices) that must be equal for two executions of a and b to meet.

    In a dimension where a and b start at the same expression `c0 + c1 * v1 + c2 * v2 + ...`, the values of v1, v2, ... are
    determined by any common element if each coefficient is at least what the smaller terms and the width span.
    """
    pinned: set[ir.Var] = set()
    for (x, m), (y, n) in zip(a, b):
        left, right = ir.const_int(m), ir.const_int(n)
        if left is None or right is None or is_opaque(x) or not _zero(ir.as_expr(x) - y):
            continue
        used = [v for v in variables if ir.uses_var(ir.as_expr(x), {v})]
        steps = [(abs(grows), v) for v in used if (grows := slope(x, v))]
        if not used or len(steps) < len(used):
            continue
        span = max(left, right)
        for step, v in sorted(steps, key=lambda entry: entry[0]):
            if step < span:
                break
            span += step * (extents[v] - 1)
        else:
            pinned.update(used)
    return pinned

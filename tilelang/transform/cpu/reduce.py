"""T.reduce_* on a CPU: vectors run along the last dimension, whether that is the reduced one or a kept one.

Last dimension reduced:   `for i: acc = 0; for k in simd(reduction): acc += x[i, k]; y[i] = acc`
Another one reduced:      `for j in simd: y[j] = 0; for k: for j in simd: y[j] += x[k, j]`, y in a row of accumulators

Elements are combined in dst's dtype; floats of 8 and 16 bits in float32, which is rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ... import ir
from ...tileop.base import LoweringContext, dtype_bits
from ...tileop.reduce import Reduce
from ...tileop.reduce_kind import ReduceKind
from .lower_tiles import lowers
from .vector_loops import SIMD

REDUCTION = "tl.simd_reduction"  # annotation of a vector loop: (clause, accumulator)
_CLAUSES = {"sum": "+", "abssum": "+", "max": "max", "absmax": "max", "min": "min", "bitand": "&", "bitor": "|", "bitxor": "^"}


@lowers(Reduce)
def lower_reduce(op: Reduce, ctx: LoweringContext) -> ir.Stmt:
    """Loops over the kept dimensions around the reduced one."""
    kind = replace(op.reduce_kind, dtype=_accumulator(op.reduce_kind.dtype))
    if op.place == len(op.shape) - 1:
        kept = [ir.var(f"i{d}") for d in range(len(op.kept))]
        return _for_each(kept, op.kept, _reduce_row(op, kind, kept), op.span)
    outer = [ir.var(f"i{d}") for d in range(len(op.kept) - 1)]
    return _for_each(outer, op.kept[:-1], _reduce_columns(op, kind, outer), op.span)


def _accumulator(dtype: str) -> str:
    return "float32" if "float" in dtype and dtype_bits(dtype) < 32 else dtype


def _position(op: Reduce, kept: list[Any], reduced: Any) -> list[Any]:
    return [*kept[: op.place], reduced, *kept[op.place :]]


def _element(op: Reduce, kind: ReduceKind, kept: list[Any], reduced: Any) -> Any:
    return kind.element(ir.load(op.src.source, op.src_indices(_position(op, kept, reduced)), op.span))


def _start(op: Reduce, kind: ReduceKind, kept: list[Any]) -> Any:
    """The identity, or what dst holds."""
    if op.clear:
        return kind.identity()
    held = ir.load(op.dst.source, op.dst_indices(kept), op.span)
    return held if ir.dtype_of(held) == kind.dtype else ir.Cast(kind.dtype, held)


def _store(op: Reduce, value: Any, kept: list[Any]) -> ir.Stmt:
    dtype = ir.buffer_dtype(op.dst.source)
    rounded = value if ir.dtype_of(value) == dtype else ir.Cast(dtype, value)
    return ir.BufferStore(op.dst.source, rounded, op.dst_indices(kept), op.span)


def _reduce_row(op: Reduce, kind: ReduceKind, kept: list[Any]) -> ir.Stmt:
    total = ir.buffer((1,), kind.dtype, str(op.dst.source.name) + "_sum" if kind.name == "sum" else "best", "local.var")
    at = ir.load(total, [0])
    k = ir.var("k")
    step = ir.BufferStore(total, kind.combine(at, _element(op, kind, kept, k)), [0], op.span)
    plain = not kind.keeps_nan and kind.dtype != "bool"
    notes = {SIMD: 1, REDUCTION: _CLAUSES[kind.name]} if plain else {}
    loop = ir.For(k, ir.const(0), ir.const(op.shape[op.place]), ir.ForKind.SERIAL, step, annotations=notes, span=op.span)
    begin = ir.BufferStore(total, _start(op, kind, kept), [0], op.span)
    return ir.seq([ir.alloc(total, op.span), begin, loop, _store(op, at, kept)])


def _reduce_columns(op: Reduce, kind: ReduceKind, outer: list[Any]) -> ir.Stmt:
    width = op.kept[-1]
    row = ir.buffer((width,), kind.dtype, str(op.dst.source.name) + "_row", "local")

    def along(body: Callable[[Any], ir.Stmt]) -> ir.Stmt:
        j = ir.var("j")
        return ir.For(j, ir.const(0), ir.const(width), ir.ForKind.SERIAL, body(j), annotations={SIMD: 1}, span=op.span)

    k = ir.var("k")
    step = along(lambda j: ir.BufferStore(row, kind.combine(ir.load(row, [j]), _element(op, kind, [*outer, j], k)), [j], op.span))
    return ir.seq(
        [
            ir.alloc(row, op.span),
            along(lambda j: ir.BufferStore(row, _start(op, kind, [*outer, j]), [j], op.span)),
            ir.For(k, ir.const(0), ir.const(op.shape[op.place]), ir.ForKind.SERIAL, step, span=op.span),
            along(lambda j: _store(op, ir.load(row, [j]), [*outer, j])),
        ]
    )


def _for_each(variables: list[Any], extents: Any, body: ir.Stmt, span: Any) -> ir.Stmt:
    for var, extent in reversed(list(zip(variables, extents))):
        body = ir.For(var, ir.const(0), ir.const(extent), ir.ForKind.SERIAL, body, span=span)
    return body

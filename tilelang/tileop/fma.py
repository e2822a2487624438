"""T.gemm without matrix instructions: each thread sums the products for its own elements of C."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import ir
from ..layout import Factor, Fragment, local, thread
from .base import LoweringContext, dtype_bits
from .digits import DimDigits, add, guarded, nest, walk_dim
from .view import view

if TYPE_CHECKING:
    from .gemm import Gemm
    from .operand import Operand


def fma_c_layout(shape: tuple[int, int], num_threads: int) -> Fragment:
    """C over the threads: fewest elements per thread, then fewest loads of A and B for them, columns on neighbouring threads."""
    m, n = shape

    def grid(columns: int) -> tuple[Any, ...]:
        rows = min(num_threads // columns, m)
        high, wide = -(-m // rows), -(-n // columns)
        odd = (rows & (rows - 1) != 0) + (columns & (columns - 1) != 0)
        return high * wide, high + wide, odd, rows * columns, rows, columns, high, wide

    *_, rows, columns, high, wide = min(grid(c) for c in range(1, min(num_threads, n) + 1))
    return Fragment(shape, (_trimmed(local(high, wide), thread(rows, columns)), _trimmed(local(wide, 1), thread(columns, 1))))


def _trimmed(*factors: Factor) -> tuple[Factor, ...]:
    return tuple(f for f in factors if f.extent > 1)


def fma_operand_layout(c: Fragment, letter: str, shape: tuple[int, int]) -> Fragment:
    """A or B in registers for a C in layout `c`: each thread holds all of k for its rows (A) or columns (B) of C."""
    mine, other = (0, 1) if letter == "A" else (1, 0)
    k = shape[other]
    kept = tuple(f if f.is_thread else replace(f, stride=f.stride * k) for f in c.dims[mine])
    along_k = _trimmed(local(k, 1))
    replication = c.replication + tuple(f for f in c.dims[other] if f.is_thread and f.extent > 1)
    return Fragment(shape, (kept, along_k) if letter == "A" else (along_k, kept), replication).compacted()


def accumulation_dtype(dtype: str) -> str:
    """Where products are summed: C's dtype, or 32 bits for narrower ones."""
    if dtype_bits(dtype) >= 32:
        return dtype
    return "int32" if dtype.startswith(("int", "uint")) else "float32"


@dataclass(frozen=True)
class _Line:
    """One operand's values for one k: an array over the rows (A) or columns (B) of C that a thread owns."""

    array: ir.Var
    layout: Fragment  # of the rows or columns alone, registers packed

    @staticmethod
    def make(c: Fragment, dim: int, dtype: str, name: str) -> _Line:
        layout = Fragment((c.shape[dim],), (c.dims[dim],)).compacted()
        return _Line(ir.buffer((layout.local_size,), dtype, name, "local"), layout)


def lower_fma(op: Gemm, ctx: LoweringContext) -> ir.Stmt:
    """`C += A @ B` as a loop along k over the thread's rows and columns."""
    c, span = op.c, op.span
    k_extent = op.a.shape[1]
    if c.in_registers:
        found = view(ctx.fragments[c.buffer], c.region, c.dims, ctx, op.source)
        layout, base = found.layout, found.base
    else:
        layout, base = fma_c_layout(c.shape, ctx.num_threads), 0
    dtype = accumulation_dtype(c.dtype)
    direct = c.in_registers and dtype == c.dtype
    prologue: list[Any] = []
    if direct:
        sums, sum_layout = ctx.registers_of(c.buffer), layout
        clear = op.clear_accum
    else:
        sum_layout, base = layout.compacted(), 0
        sums = ir.buffer((sum_layout.local_size,), dtype, f"{c.buffer.name}_sum", "local")
        prologue.append(ir.alloc(sums))
        clear = True
    rows, columns = walk_dim(sum_layout, 0, ctx.tid), walk_dim(sum_layout, 1, ctx.tid, "j")
    place = [add(add(base, rows.register), columns.register)]
    zero = ir.BufferStore(sums, ir.zero(dtype), place)
    known = ir.const_int(clear)
    if known != 0:
        prologue.append(guarded([] if known else [clear], nest([*rows.loops, *columns.loops], zero, span), span))

    a_line, b_line = _Line.make(layout, 0, dtype, "a_line"), _Line.make(layout, 1, dtype, "b_line")
    prologue += [ir.alloc(a_line.array), ir.alloc(b_line.array)]
    k = ir.var("k")
    loads = [_load_line(op.a, a_line, k, op, ctx), _load_line(op.b, b_line, k, op, ctx)]
    product = _product(sums, base, sum_layout, a_line, b_line, ctx, span)
    unroll = op.a.in_registers or op.b.in_registers  # their registers are indexed by k
    kind = ir.ForKind.UNROLLED if unroll else ir.ForKind.SERIAL
    body = ir.For(k, ir.const(0), ir.const(k_extent), kind, ir.seq([*loads, product]), span=span)
    epilogue = None if direct else _add_to_c(op, sums, sum_layout, layout, ctx)
    active = guarded(layout.idle_conditions(ctx.tid, ctx.num_threads), ir.seq([body, epilogue]), span)
    return ir.seq([*prologue, active])


def _load_line(operand: Operand, line: _Line, k: Any, op: Gemm, ctx: LoweringContext) -> ir.Stmt:
    """The operand's values at `k`, cast to the accumulator's dtype."""
    mine, other = (0, 1) if operand.letter == "A" else (1, 0)
    own = walk_dim(line.layout, 0, ctx.tid)
    if operand.in_registers:
        found = view(ctx.fragments[operand.buffer], operand.region, operand.dims, ctx, op.source)
        held = walk_dim(found.layout, mine, ctx.tid, like=own)
        k_stride = next((f.stride for f in found.layout.dims[other] if f.extent > 1), 0)
        value: Any = ir.load(ctx.registers_of(operand.buffer), [add(add(found.base, held.register), k * k_stride)])
    else:
        value = operand.shared.at(own.index, k) if operand.letter == "A" else operand.shared.at(k, own.index)
    store = ir.BufferStore(line.array, _cast(value, ir.buffer_dtype(line.array)), [ir.as_expr(own.register)])
    return nest(own.loops, guarded([own.padding], store, op.span), op.span)


def _product(sums: ir.Var, base: Any, layout: Fragment, a: _Line, b: _Line, ctx: LoweringContext, span: Any) -> ir.Stmt:
    rows, columns = walk_dim(layout, 0, ctx.tid), walk_dim(layout, 1, ctx.tid, "j")
    a_row: DimDigits = walk_dim(a.layout, 0, ctx.tid, like=rows)
    b_column: DimDigits = walk_dim(b.layout, 0, ctx.tid, like=columns)
    place = [add(add(base, rows.register), columns.register)]
    value = ir.load(sums, place) + ir.load(a.array, [a_row.register]) * ir.load(b.array, [b_column.register])
    body = guarded([rows.padding, columns.padding], ir.BufferStore(sums, value, [ir.as_expr(p) for p in place]), span)
    return nest([*rows.loops, *columns.loops], body, span)


def _add_to_c(op: Gemm, sums: ir.Var, sum_layout: Fragment, layout: Fragment, ctx: LoweringContext) -> ir.Stmt:
    """C = (C or 0) + sums, rounded once."""
    c, dtype = op.c, ir.buffer_dtype(sums)
    rows, columns = walk_dim(layout, 0, ctx.tid), walk_dim(layout, 1, ctx.tid, "j")
    packed = [walk_dim(sum_layout, 0, ctx.tid, like=rows), walk_dim(sum_layout, 1, ctx.tid, like=columns)]
    if c.in_registers:
        found = view(ctx.fragments[c.buffer], c.region, c.dims, ctx, op.source)
        old = ir.load(ctx.registers_of(c.buffer), [add(add(found.base, rows.register), columns.register)])
    else:
        old = c.shared.at(rows.index, columns.index)
    value = ir.load(sums, [add(packed[0].register, packed[1].register)])
    known = ir.const_int(op.clear_accum)
    if known is None:
        value = ir.if_then_else(op.clear_accum, ir.zero(dtype), _cast(old, dtype)) + value
    elif not known:
        value = _cast(old, dtype) + value
    store = ir.BufferStore(old.source, _cast(value, c.dtype), list(old.indices))
    return nest([*rows.loops, *columns.loops], guarded([rows.padding, columns.padding], store, op.span), op.span)


def _cast(value: Any, dtype: str) -> Any:
    return value if ir.dtype_of(value) == dtype else ir.Cast(dtype, value)

"""T.atomic_add and its family on tiles: each element of a tile combined into memory exactly once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .. import ir
from ..errors import DTypeError, ShapeError, SourceSpan, UnsupportedError
from ..layout import Fragment
from ..target import Target
from ..transform.guards import GuardMemory
from ..transform.loop_layout import loop_layout
from ..transform.loop_nest import LoopNest
from ..transform.lower_nest import RegisterAccess, lower_nest
from ..transform.parallel_nest import ParallelNest
from ..transform.vector_width import access_width, widest_addition
from ..transform.vectorize import vectorize
from .base import Effects, LoweringContext, tile_op
from .digits import guarded, nest
from .elementwise import ElementwiseOp

PRIVATE = ("local", "local.var")
MEMORY = ("global", "shared.dyn", "shared")
ARITHMETIC = ("float16", "bfloat16", "float32", "float64", "int32", "uint32", "int64", "uint64")
BITWISE = ("int32", "uint32", "int64", "uint64")
VECTOR_WIDTHS = (4, 2)


@dataclass(frozen=True, eq=False)
class AtomicOp(ElementwiseOp):
    """`dst[...] = combine(dst[...], value[...])`, atomic for each element.

    Parameters
    ----------
    dst : TensorRegion
        In global or shared memory; what lies out of bounds is skipped.
    value : TensorRegion or Expr
        A tile with the extents of `dst` (extents of 1 dropped), or a scalar for every element. A fragment or a tile in
        memory is added once by the block; a `local` array once by each thread.
    options : mapping
        `memory_order`: relaxed unless given.
    """

    dst: ir.BufferRegion
    value: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    span: Any = None

    dtypes: ClassVar[tuple[str, ...]] = ARITHMETIC

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> Any:
        """The operator; None for the scalar form, which is a plain device call on an address."""
        if not isinstance(call.args[0], ir.BufferRegion):
            return None
        options = {} if call.attrs is None else {str(k): v for k, v in call.attrs.items()}
        return cls(call.args[0], call.args[1], options, span)

    def to_call(self) -> ir.Call:
        return ir.call(self.name, [self.dst, self.value], attrs=dict(self.options), span=self.span)

    @property
    def value_tile(self) -> ir.Var | None:
        """The buffer of the value, if it is a tile."""
        return self.value.source if isinstance(self.value, ir.BufferRegion) else None

    def check(self, target: Target) -> None:
        dst = self.dst.source
        short = self.name.removeprefix("tl.")
        if ir.scope_of(dst) not in MEMORY:
            raise UnsupportedError(
                f"{short} into {dst.name}, which is in {ir.scope_of(dst)}",
                fix="atomics act on global or shared memory; a register tile belongs to its threads: add with T.Parallel",
                span=self.source,
            )
        if ir.buffer_dtype(dst) not in self.dtypes:
            raise DTypeError(
                f"{short} into {dst.name}, which is {ir.buffer_dtype(dst)}",
                fix=f"use one of {', '.join(self.dtypes)}",
                span=self.source,
            )
        extents = _wide(self.dst)
        if any(n is None for n in extents):
            raise ShapeError(
                f"{short} into {self.dst} has an extent that is not a constant", fix="use a constant tile", span=self.source
            )
        if self.value_tile is not None and _wide(self.value) != extents:
            raise ShapeError(
                f"{short} of {self.value_tile.name} ({_times(_wide(self.value))}) into {dst.name} ({_times(extents)})",
                fix="slice the larger side, or allocate both with the same shape",
                span=self.source,
            )

    def effects(self) -> Effects:
        if self.value_tile is not None:
            reads: tuple[Any, ...] = (self.value,)
        else:
            loads = ir.collect(self.value, ir.BufferLoad)
            reads = tuple(ir.region(x.source, [(i, 1) for i in x.indices]) for x in loads)
        return Effects(reads=(*reads, self.dst), writes=(self.dst,))

    # ------------------------------------------------------------------ the nest

    def nest(self) -> ParallelNest:
        extents = [n or 0 for n in _wide(self.dst)] or [1]
        variables = tuple(ir.var("ijklmnop"[d] if d < 8 else f"i{d}") for d in range(len(extents)))
        place = ir.load(self.dst.source, _indices(self.dst, variables), self.span)
        body = ir.evaluate(self._device_call(place, self._value_at(variables)), self.span)
        return ParallelNest(variables, tuple(extents), body, {}, self.span)

    def _value_at(self, variables: tuple[ir.Var, ...]) -> Any:
        value = self.value
        if self.value_tile is not None:
            value = ir.load(self.value_tile, _indices(self.value, variables), self.span)
        dtype = ir.buffer_dtype(self.dst.source)
        return value if ir.dtype_of(value) == dtype else ir.Cast(dtype, value)

    def _device_call(self, place: Any, value: Any) -> ir.Call:
        return ir.call(self.name, [ir.address_of(place), value], ir.dtype_of(place), self._attrs(), self.span)

    def _attrs(self) -> dict[str, Any]:
        order = self.options.get("memory_order")
        return {} if order is None else {"memory_order": str(order)}

    # ------------------------------------------------------------------ lowering

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        if self.options.get("use_tma"):
            ctx.remark(
                self.span, f"{self.name.removeprefix('tl.')} of a tile uses element atomics: bulk reductions are not emitted"
            )
        if self.value_tile is not None and ir.scope_of(self.value_tile) in PRIVATE:
            return self._lower_private(ctx)
        tile = self.nest()
        layout = loop_layout(tile, ctx)
        width, run = self._vector(tile, layout, ctx)
        return lower_nest(tile, layout, ctx) if width == 1 else self._lower_vectors(tile, layout, width, run, ctx)

    def _lower_private(self, ctx: LoweringContext) -> ir.Stmt:
        """Each thread adds all of its own array."""
        tile = self.nest()
        body = GuardMemory(ctx.analyzer(tile.ranges)).visit(tile.body)
        return nest(zip(tile.vars, tile.extents), body, self.span)

    def _vector(self, tile: ParallelNest, layout: Fragment, ctx: LoweringContext) -> tuple[int, int]:
        """(elements per atomic, consecutive elements per thread); a width of 1 if vectors are not provably legal."""
        return 1, 1

    def _lower_vectors(self, tile: ParallelNest, layout: Fragment, width: int, run: int, ctx: LoweringContext) -> ir.Stmt:
        """Runs of `run` elements: values into a small array, then atomics of `width` elements."""
        loops = LoopNest(layout, ctx.tid, ctx.num_threads, run)
        guard = GuardMemory(ctx.analyzer(tile.ranges))
        value = tile.body.value.args[1]
        place = tile.body.value.args[0].args[0]
        conditions = guard.bounds(place.source, place.indices)
        value = RegisterAccess(tile, loops, ctx).visit(guard.visit(value))
        position = dict(zip(tile.vars, loops.indices))
        analyzer = ctx.analyzer(loops.ranges)

        def at(expr: Any, element: int) -> Any:
            found = ir.substitute(ir.substitute(ir.as_expr(expr), position), {loops.vector_var: element})
            return ir.simplify(found, analyzer)

        values = ir.buffer((run,), ir.buffer_dtype(self.dst.source), "values", "local")
        fill = ir.BufferStore(values, ir.substitute(value, position), [loops.vector_var], self.span)
        stmts: list[Any] = [ir.alloc(values), vectorize(fill, loops.vector_var, run, ctx, loops.ranges)]
        attrs = {"template": [str(width)], **self._attrs()}
        for first in range(0, run, width):
            pointer = ir.address_of(ir.load(place.source, [at(i, first) for i in place.indices]))
            call = ir.call("tl.atomic_add_vec", [pointer, ir.address_of(ir.load(values, [first]))], attrs=attrs, span=self.span)
            # Aligned vectors are in bounds as a whole (access_width has proved it): the first element speaks for all.
            stmts.append(guarded([at(c, first) for c in conditions], ir.evaluate(call, self.span), self.span))
        body = guarded(loops.replica_conditions(), ir.seq(stmts), self.span)
        return loops.wrap(body, self.span)


@tile_op("tl.atomic_add")
class AtomicAdd(AtomicOp):
    """`dst[...] += value[...]`."""

    def _vector(self, tile: ParallelNest, layout: Fragment, ctx: LoweringContext) -> tuple[int, int]:
        dst = self.dst.source
        dtype = ir.buffer_dtype(dst)
        if ir.scope_of(dst) != "global" or widest_addition(dtype, ctx.target.limits.capability) == 1:
            return 1, 1
        digits = layout.dims[-1] if layout.dims else ()
        if not digits or digits[-1].is_thread or digits[-1].extent > 16 or layout.shape[-1] % digits[-1].extent:
            return 1, 1
        run = digits[-1].extent
        place = tile.body.value.args[0].args[0]
        provable = access_width(
            dst, place.indices, tile.vars[-1], tile.extents[-1], ctx.analyzer(tile.ranges), ctx, together=True
        )
        return next((w for w in VECTOR_WIDTHS if run % w == 0 and w <= provable), 1), run


@tile_op("tl.atomic_max")
class AtomicMax(AtomicOp):
    """`dst[...] = max(dst[...], value[...])`."""


@tile_op("tl.atomic_min")
class AtomicMin(AtomicOp):
    """`dst[...] = min(dst[...], value[...])`."""


class _AtomicBits(AtomicOp):
    dtypes: ClassVar[tuple[str, ...]] = BITWISE


@tile_op("tl.atomic_and")
class AtomicAnd(_AtomicBits):
    """`dst[...] &= value[...]`."""


@tile_op("tl.atomic_or")
class AtomicOr(_AtomicBits):
    """`dst[...] |= value[...]`."""


@tile_op("tl.atomic_xor")
class AtomicXor(_AtomicBits):
    """`dst[...] ^= value[...]`."""


_DTYPES = {op.name: op.dtypes for op in (AtomicAdd, AtomicMax, AtomicMin, AtomicAnd, AtomicOr, AtomicXor)}
_DTYPES |= {name: ARITHMETIC for name in ("tl.atomic_add_lanes", "tl.atomic_fetch_add_lanes")}


def check_element(call: ir.Call, span: SourceSpan | None) -> None:
    """Refuse the scalar form of an atomic on an element type that has none; other calls pass."""
    dtypes = _DTYPES.get(ir.call_name(call))
    if dtypes is None or not ir.is_call(call.args[0], "tirx.address_of"):
        return
    element = call.args[0].args[0]
    if ir.dtype_of(element) not in dtypes:
        raise DTypeError(
            f"{call.op.name.removeprefix('tl.')} into {element.source.name}, which is {ir.dtype_of(element)}",
            fix=f"use one of {', '.join(dtypes)}",
            span=span,
        )


def _wide(region: ir.BufferRegion) -> list[int | None]:
    """Extents other than 1; None for a symbolic one."""
    found = [ir.const_int(ir.simplify(r.extent)) for r in region.region]
    return [n for n in found if n != 1]


def _indices(region: ir.BufferRegion, variables: tuple[ir.Var, ...]) -> list[Any]:
    """Element indices under loop variables for the extents other than 1."""
    remaining = iter(variables)
    out = []
    for r in region.region:
        if ir.const_int(ir.simplify(r.extent)) == 1:
            out.append(r.min)
        else:
            variable = next(remaining)
            out.append(variable if ir.const_int(r.min) == 0 else r.min + variable)
    return out


def _times(extents: list[int | None]) -> str:
    return " x ".join(str(n) for n in extents) or "1"

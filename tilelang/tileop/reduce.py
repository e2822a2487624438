"""T.reduce_*: combine a tile along one dimension."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

from .. import ir
from ..errors import DTypeError, SemanticError, ShapeError, UnsupportedError
from ..layout import Fragment
from ..target import Target
from .base import Effects, LoweringContext, TileOp, attribute, dtype_bits, scratch_of, tile_op
from .reduce_kind import KINDS, ReduceKind, accumulator
from .reduce_layout import free_source, private_source, serial_source, source_of, thread_steps
from .reduce_lower import lower_reduce
from .view import Region, extents, squeezed, starts, view, whole_layout

FRAGMENT = "local.fragment"
SHARED = ("shared.dyn", "shared")
PRIVATE = ("local", "local.var")
VECTOR_BYTES = 16


@tile_op("tl.reduce")
@dataclass(frozen=True, eq=False)
class Reduce(TileOp):
    """dst = src reduced along `dim`.

    Parameters
    ----------
    src, dst : TensorRegion
        `dst` has the shape of `src` without `dim`, or with extent 1 there. Fragment or shared tiles in any combination;
        `local` arrays are reduced by each thread for itself. A fragment's result is held by every thread that holds any
        element of its row. Elements are combined in dst's dtype, sums of narrower floats than float32 in float32.
    kind : str
        sum, max, min, absmax, abssum, bitand, bitor or bitxor.
    dim : int
        Counted over the dimensions of the region `src`; negative from the end.
    clear : bool
        False: combine with what dst holds.
    nan_propagate : bool
        A NaN wins in max, min and absmax.
    scratch_buffer : Var, optional
        Shared memory for what crosses warps, attached by layout inference.
    """

    src: Region
    dst: Region
    kind: str
    dim: int
    clear: bool = True
    nan_propagate: bool = False
    span: Any = None
    scratch_buffer: Any = None

    # ------------------------------------------------------------------ conversion

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> Reduce:
        src, dst = call.args
        flags = bool(attribute(call, "clear", True)), bool(attribute(call, "nan_propagate", False))
        return cls(src, dst, str(attribute(call, "kind")), int(attribute(call, "dim", -1)), *flags, span, scratch_of(call))

    def to_call(self) -> ir.Call:
        attrs = {"kind": self.kind, "dim": self.dim, "clear": self.clear, "nan_propagate": self.nan_propagate}
        if self.scratch_buffer is not None:
            attrs["scratch"] = self.scratch_buffer
        return ir.call("tl.reduce", [self.src, self.dst], attrs=attrs, span=self.span)

    # ------------------------------------------------------------------ shapes

    @cached_property
    def axis(self) -> int:
        """`dim`, counted from the front."""
        rank = len(self.src.region)
        if not -rank <= self.dim < rank:
            raise ShapeError(
                f"reduce of {self.src.source.name}, which has {rank} dimensions, along dim {self.dim}",
                fix=f"use a dim from {-rank} to {rank - 1}",
                span=self.source,
            )
        return self.dim % rank

    @cached_property
    def dims(self) -> tuple[int, ...]:
        """The dimensions of src that loops run over: the reduced one and all that are not a fixed index."""
        shape, whole = extents(self.src, self.source), ir.shape_of(self.src.source)
        return tuple(d for d in range(len(shape)) if d == self.axis or shape[d] > 1 or whole[d] == 1)

    @cached_property
    def place(self) -> int:
        """The position of the reduced dimension among `dims`."""
        return self.dims.index(self.axis)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Extents along `dims`."""
        found = extents(self.src, self.source)
        return tuple(found[d] for d in self.dims)

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """Extents of the result's dimensions."""
        return self.shape[: self.place] + self.shape[self.place + 1 :]

    @cached_property
    def dst_dims(self) -> tuple[int | None, ...]:
        """For each kept dimension the dimension of dst that it indexes; None for an extent of 1 that dst does not have."""
        shape, full = extents(self.dst, self.source), extents(self.src, self.source)
        without = full[: self.axis] + full[self.axis + 1 :]
        keeping = full[: self.axis] + (1,) + full[self.axis + 1 :]
        keep = squeezed(shape) == squeezed(keeping) and not (squeezed(shape) == squeezed(without) and len(shape) == len(without))
        if not keep and squeezed(shape) != squeezed(without):
            raise ShapeError(
                f"reduces {self.src.source.name} of shape {list(full)} along dim {self.dim} to {list(without)}, "
                f"but {self.dst.source.name} has {list(shape)}",
                fix=f"allocate {self.dst.source.name} with shape {list(without)} (or {list(keeping)})",
                span=self.source,
            )
        rank = len(full) if keep else len(without)
        out = []
        for d in self.dims:
            if d != self.axis:
                position = (d if keep or d < self.axis else d - 1) + len(shape) - rank
                out.append(position if position >= 0 else None)
        return tuple(out)

    @property
    def reduce_kind(self) -> ReduceKind:
        return ReduceKind(self.kind, accumulator(self.kind, ir.buffer_dtype(self.dst.source)), self.nan_propagate)

    @property
    def rounds(self) -> bool:
        """Whether the accumulator is wider than dst."""
        return self.reduce_kind.dtype != ir.buffer_dtype(self.dst.source)

    def check(self, target: Target) -> None:
        if self.kind not in KINDS:
            raise SemanticError(
                f"reduction kind {self.kind!r} is unknown", fix=f"use one of {', '.join(KINDS)}", span=self.source
            )
        _ = self.dst_dims
        src, dst = self.src.source, self.dst.source
        scopes = ir.scope_of(src), ir.scope_of(dst)
        private = [s in PRIVATE for s in scopes]
        for buf, scope in zip((src, dst), scopes):
            if scope != FRAGMENT and scope not in SHARED + PRIVATE:
                raise UnsupportedError(
                    f"reduce of {buf.name} in {scope} memory", fix="copy it to a fragment first", span=self.source
                )
        if private[0] != private[1] and not (private[1] and scopes[0] in SHARED):
            raise UnsupportedError(
                f"reduce from {scopes[0]} ({src.name}) to {scopes[1]} ({dst.name})",
                fix="allocate both with T.alloc_local, or both with T.alloc_fragment",
                span=self.source,
            )
        for buf in (src, dst):
            dtype = ir.buffer_dtype(buf)
            if self.reduce_kind.is_bitwise and "float" in dtype:
                raise DTypeError(f"{self.kind} of {buf.name}, which is {dtype}", fix="use an integer dtype", span=self.source)
        if "float" in ir.buffer_dtype(src) and "float" not in ir.buffer_dtype(dst):
            raise DTypeError(
                f"reduce of {src.name} ({ir.buffer_dtype(src)}) into {dst.name} ({ir.buffer_dtype(dst)})",
                fix=f"allocate {dst.name} with a float dtype",
                span=self.source,
            )

    def effects(self) -> Effects:
        scratch = () if self.scratch_buffer is None else (ir.full_region(self.scratch_buffer),)
        reads = (self.src,) if self.clear else (self.src, self.dst)
        return Effects(reads=reads + scratch, writes=(self.dst, *scratch))

    # ------------------------------------------------------------------ layouts

    def _in_registers(self, region: Region) -> bool:
        return ir.scope_of(region.source) == FRAGMENT

    @cached_property
    def _widened(self) -> Region:
        """src with the reduced dimension whole: a part of it is selected by conditions, not by cutting the layout."""
        ranges = [(r.min, r.extent) for r in self.src.region]
        ranges[self.axis] = (0, self.src.source.ty.shape[self.axis])
        return ir.region(self.src.source, ranges)

    def _view(self, layout: Fragment, ctx: LoweringContext) -> Any:
        return view(layout, self._widened, self.dims, ctx, self.source)

    def _result(self, source: Fragment, ctx: LoweringContext) -> Fragment:
        """dst's layout from the layout of src's view."""
        result = source.reduce(self.place)
        mapped = [(d, factors, n) for d, factors, n in zip(self.dst_dims, result.dims, result.shape) if d is not None]
        part = Fragment(tuple(n for _, _, n in mapped), tuple(f for _, f, _ in mapped), result.replication)
        return whole_layout(part, self.dst, [d for d, _, _ in mapped], ctx, self.source)

    def _dst_view(self, layout: Fragment, ctx: LoweringContext) -> Any:
        """dst's registers along the kept dimensions that dst has."""
        return view(layout, self.dst, [d for d in self.dst_dims if d is not None], ctx, self.source)

    def _dst_kept(self, layout: Fragment, ctx: LoweringContext) -> Fragment:
        """dst's layout along all kept dimensions (those that dst lacks have extent 1)."""
        found = self._dst_view(layout, ctx).layout
        dims = iter(found.dims)
        return Fragment(self.kept, tuple(() if d is None else next(dims) for d in self.dst_dims), found.replication)

    def _free(self, ctx: LoweringContext, vector: int = 1) -> Fragment:
        return free_source(self.shape, self.place, ctx.num_threads, vector)

    def derive_fragments(self, known: Mapping[ir.Var, Fragment], ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        src, dst = self.src.source, self.dst.source
        if not self._in_registers(self.dst) or dst in known or not (self._in_registers(self.src) and src in known):
            return {}
        return {dst: self._result(self._view(known[src], ctx).layout, ctx)}

    def default_fragments(self, known: Mapping[ir.Var, Fragment], ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        src, dst = self.src.source, self.dst.source
        found: dict[ir.Var, Fragment] = {}
        source = self._free(ctx)
        if self._in_registers(self.src) and src not in known:
            if self._in_registers(self.dst) and dst in known:
                source = source_of(self._dst_kept(known[dst], ctx), self.place, self.shape[self.place])
            else:
                source = self._free(ctx, max(1, VECTOR_BYTES * 8 // dtype_bits(ir.buffer_dtype(src))))
            whole = ir.static_shape(src)[self.axis]
            if whole == self.shape[self.place]:
                found[src] = whole_layout(source, self.src, self.dims, ctx, self.source)
            else:  # the layout covers the whole row, of which a part is reduced
                found[src] = self._whole_row(ctx)
            source = self._view(found[src], ctx).layout
        elif self._in_registers(self.src):
            source = self._view(known[src], ctx).layout
        if self._in_registers(self.dst) and dst not in known:
            found[dst] = self._result(source, ctx)
        return found

    def _whole_row(self, ctx: LoweringContext) -> Fragment:
        shape = list(self.shape)
        shape[self.place] = ir.static_shape(self.src.source)[self.axis]
        return whole_layout(free_source(shape, self.place, ctx.num_threads), self._widened, self.dims, ctx, self.source)

    def required_fragments(self, ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        src, dst = self.src.source, self.dst.source
        if not (self._in_registers(self.src) and self._in_registers(self.dst)):
            return {}
        needed = self._result(self._view(ctx.fragments[src], ctx).layout, ctx)
        return {} if dst in ctx.fragments and ctx.fragments[dst].same_threads(needed) else {dst: needed}

    def source_layout(self, ctx: LoweringContext) -> tuple[Fragment, Any]:
        """Who combines what: the layout of src's view (or of the reads of a src in memory), and its first register."""
        if self._in_registers(self.src):
            found = self._view(ctx.fragments[self.src.source], ctx)
            return found.layout, found.base
        if ir.scope_of(self.dst.source) in PRIVATE:
            return private_source(self.shape), 0
        free = self._free(ctx)
        if self._in_registers(self.dst):
            layout = ctx.fragments[self.dst.source]
            if not layout.same_threads(self._result(free, ctx)):
                return serial_source(self._dst_kept(layout, ctx), self.place, self.shape[self.place]), 0
        return free, 0

    # ------------------------------------------------------------------ lowering

    def scratch(self, ctx: LoweringContext) -> tuple[tuple[int, ...], str] | None:
        layout, _ = self.source_layout(ctx)
        crossing = thread_steps(layout.dims[self.place]).crossing
        if not crossing:
            return None
        return (prod(f.extent for f in crossing), prod(self.kept)), self.reduce_kind.dtype

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        return lower_reduce(self, ctx)

    def src_indices(self, positions: Any) -> list[Any]:
        """Indices of src at positions along `dims`."""
        indices = starts(self.src)
        for d, position in zip(self.dims, positions):
            indices[d] = indices[d] + position
        return indices

    def dst_indices(self, positions: Any) -> list[Any]:
        """Indices of dst at positions along the kept dimensions."""
        indices = starts(self.dst)
        for d, position in zip(self.dst_dims, positions):
            if d is not None:
                indices[d] = indices[d] + position
        return indices

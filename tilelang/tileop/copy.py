"""T.copy: move a tile between any two scopes, converting the element type on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .. import ir
from ..errors import SemanticError, ShapeError
from ..layout import Fragment, SharedLayout, thread
from ..target import Target
from ..target.tcgen05 import QUARTER, has_tensor_memory
from ..transform import region as rg
from ..transform.guards import GuardMemory
from ..transform.loop_layout import loop_layout
from ..transform.loop_nest import LoopNest, conjunction
from ..transform.lower_nest import lower_nest
from ..transform.parallel_nest import ParallelNest
from ..transform.vector_width import access_width
from .base import Effects, LoweringContext, TileOp, dtype_bits, tile_op
from .elementwise import ElementwiseOp
from .matrix_copy import MatrixCopy
from .tcgen05 import TensorCopy
from .tma.box import BoxCopy
from .tma.store import lower_tensor_store, tensor_store

CP_ASYNC_BYTES = (16, 8, 4)  # PTX ISA, cp.async: cp-size


@tile_op("tl.copy")
@dataclass(frozen=True, eq=False)
class Copy(ElementwiseOp):
    """`dst[...] = cast(src[...])` over regions of equal extents (extents of 1 dropped)."""

    src: ir.BufferRegion
    dst: ir.BufferRegion
    options: Mapping[str, Any] = field(default_factory=dict)
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> TileOp:
        if TensorCopy.is_one(*call.args[:2]):
            return TensorCopy(call.args[0], call.args[1], span)
        options = {} if call.attrs is None else {str(k): v for k, v in call.attrs.items()}
        return cls(call.args[0], call.args[1], options, span)

    def to_call(self) -> ir.Call:
        return ir.call("tl.copy", [self.src, self.dst], attrs=dict(self.options), span=self.span)

    @property
    def asynchronous(self) -> bool:
        """True for copies that a pipeline has made asynchronous: it commits and waits for them."""
        return bool(self.options.get("async_group", False))

    def check(self, target: Target) -> None:
        src, dst = _extents(self.src), _extents(self.dst)
        if len(src) != len(dst) or any(not ir.can_prove(a == b) for a, b in zip(src, dst)):
            raise ShapeError(
                f"copy extents do not match: {self.src.source.name} is {_times(src)}, {self.dst.source.name} is {_times(dst)}",
                fix="slice the larger side, or allocate both with the same shape",
                span=self.source,
            )
        if any(ir.const_int(e) is None for e in dst):
            raise SemanticError(
                f"the extent {_times(dst)} of a copy is not a constant",
                fix="copy a constant tile; reads past the end of a tensor give zero and writes are skipped",
                span=self.source,
            )

        self._check_overlap()

    def _check_overlap(self) -> None:
        """A tile copied onto itself must not overlap: elements move in no particular order."""
        if not self.src.source.same_as(self.dst.source) or ir.scope_of(self.src.source) == "global":
            return
        src, dst = rg.ranges_of(self.src), rg.ranges_of(self.dst)
        if not rg.same(src, dst) and not rg.disjoint(src, dst, ir.analyzer_for({})):
            name = self.src.source.name
            pieces = " and writes ".join(f"{name}[{', '.join(f'{lo} : +{n}' for lo, n in part)}]" for part in (src, dst))
            raise SemanticError(
                f"a copy reads {pieces}, which may overlap, and their order is not defined",
                fix=f"copy {name} to another tile first",
                span=self.source,
            )

    def effects(self) -> Effects:
        return Effects(reads=(self.src,), writes=(self.dst,), asynchronous=self.asynchronous)

    def nest(self) -> ParallelNest:
        extents = [ir.const_int(ir.simplify(e)) or 0 for e in _extents(self.dst)] or [1]
        variables = tuple(ir.var(name) for name in _names(len(extents)))
        value = ir.load(self.src.source, _indices(self.src, variables), self.span)
        dtype = ir.buffer_dtype(self.dst.source)
        if ir.buffer_dtype(self.src.source) != dtype:
            value = ir.Cast(dtype, value)
        store = ir.BufferStore(self.dst.source, value, _indices(self.dst, variables), self.span)
        notes = {}
        if self.options.get("coalesced_width") is not None:
            notes["tl.coalesced_width"] = self.options["coalesced_width"]
        if self.options.get("loop_layout") is not None:
            notes["tl.loop_layout"] = self.options["loop_layout"]
        return ParallelNest(variables, tuple(extents), store, notes, self.span)

    def shared_layouts(self, ctx: LoweringContext) -> dict[ir.Var, SharedLayout]:
        """A swizzle for a shared tile that meets a matrix instruction's fragment: its rows would share banks."""
        sides = (self.src.source, self.dst.source)
        shared = [b for b in sides if ir.scope_of(b).startswith("shared")]
        fragments = [ctx.fragments[b] for b in sides if b in ctx.fragments]
        if len(shared) != 1 or len(fragments) != 1 or not fragments[0].dims or len(ir.static_shape(shared[0])) < 2:
            return {}
        rows = any(f.is_thread for d in fragments[0].dims[:-1] for f in d)
        spread = rows and any(f.is_thread for f in fragments[0].dims[-1])
        # A row in each thread, as tensor memory gives it: neighbours would meet in one bank.
        lanes = any(f == thread(QUARTER, 1) for d in fragments[0].dims[:-1] for f in d)
        own = rows and lanes and has_tensor_memory(ctx.target.limits)
        if not (spread or own):
            return {}
        return {shared[0]: SharedLayout.for_matrix(ir.static_shape(shared[0]), dtype_bits(ir.buffer_dtype(shared[0])))}

    # ------------------------------------------------------------------ cp.async

    may_be_async: ClassVar[bool] = True

    def async_width(self, ctx: LoweringContext) -> int:
        """Elements per cp.async, or 0 where the copy cannot be asynchronous: another scope or dtype, an unaligned row."""
        src, dst = self.src.source, self.dst.source
        if not ctx.target.limits.has_cp_async or ir.scope_of(src) != "global" or not ir.scope_of(dst).startswith("shared"):
            return 0
        if ir.buffer_dtype(src) != ir.buffer_dtype(dst):
            return 0
        nest = self.nest()
        analyzer = ctx.analyzer(nest.ranges)
        sides = [(nest.body.buffer, nest.body.indices), (nest.body.value.source, nest.body.value.indices)]
        widths = []
        for buf, indices in sides:
            if not ir.uses_var(indices[-1], {nest.vars[-1]}):
                return 0
            widths.append(access_width(buf, indices, nest.vars[-1], nest.extents[-1], analyzer, ctx, together=True))
        size = dtype_bits(ir.buffer_dtype(src)) // 8
        return next((b // size for b in CP_ASYNC_BYTES if b % size == 0 and b // size <= min(widths)), 0)

    def can_be_async(self, ctx: LoweringContext) -> bool:
        """True if cp.async can do this copy (a guard per chunk is fine: it fills with zeros)."""
        return self.async_width(ctx) > 0

    def layout(self, ctx: LoweringContext) -> Fragment:
        width = self.async_width(ctx) if self.asynchronous else 0
        return Fragment.blocked(self.nest().extents, ctx.num_threads, width) if width else super().layout(ctx)

    # ------------------------------------------------------------------ TMA

    def tensor_store(self, ctx: LoweringContext) -> BoxCopy | None:
        """The boxes by which TMA stores the tile; None where another way is taken."""
        if self.options.get("disable_tma") or self.options.get("prefer_instruction") in ("cp_async", "sync"):
            return None
        boxes = tensor_store(self.src, self.dst, ctx)
        return None if isinstance(boxes, str) else boxes

    def reads_async_proxy(self, ctx: LoweringContext) -> bool:
        return self.tensor_store(ctx) is not None

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        """Where the layout of the tile leaves no room for cp.async, an asynchronous copy is done at once: its group is then
        complete when it is committed, and the pipeline's waits and barriers order it as they would any other."""
        width = self.async_width(ctx) if self.asynchronous else 0
        if width:
            return self._lower_async(ctx, width)
        if self.asynchronous:
            ctx.remark(self.span, f"{self.dst.source.name} is loaded synchronously: its layout keeps no 4 bytes side by side")
        boxes = self.tensor_store(ctx)
        if boxes is not None:
            policy = self.options.get("eviction_policy")
            return lower_tensor_store(boxes, ctx, self.span, policy and str(policy))
        nest = self.nest()
        matrix = MatrixCopy.of(nest, self.layout(ctx), ctx)
        return matrix.lower(ctx) if matrix is not None else lower_nest(nest, loop_layout(nest, ctx), ctx)

    def _lower_async(self, ctx: LoweringContext, width: int) -> ir.Stmt:
        nest = self.nest()
        loops = LoopNest(self.layout(ctx), ctx.tid, ctx.num_threads, width)
        at_start = dict(zip(nest.vars, loops.indices))
        analyzer = ctx.analyzer(nest.ranges)
        store, load = nest.body, nest.body.value
        # Aligned chunks are in bounds together (access_width has proved it), so the first element speaks for all.
        conditions = GuardMemory(analyzer).bounds(load.source, load.indices)
        if loops.vector_var is not None:
            at_start = {v: ir.substitute(ir.as_expr(e), {loops.vector_var: 0}) for v, e in at_start.items()}

        def place(access_buf: ir.Var, indices: Any) -> Any:
            return ir.address_of(ir.load(access_buf, [ir.simplify(ir.substitute(i, at_start)) for i in indices]))

        args = [place(store.buffer, store.indices), place(load.source, load.indices)]
        if conditions:
            args.append(ir.simplify(ir.substitute(conjunction(conditions), at_start)))
        size = width * dtype_bits(ir.buffer_dtype(load.source)) // 8
        body = ir.evaluate(ir.call("tl.cp_async", args, attrs={"template": [str(size)]}), self.span)
        return loops.wrap(body, self.span)


def _extents(region: ir.BufferRegion) -> list[Any]:
    """Extents of a region without those of 1; one extent of 1 stays if there is no other."""
    return [r.extent for r in ir.items(region.region) if ir.const_int(r.extent) != 1]


def _indices(region: ir.BufferRegion, variables: tuple[ir.Var, ...]) -> list[Any]:
    """Element indices of a region under loop variables for its extents above 1."""
    remaining = list(variables) if _extents(region) else []
    out = []
    for r in region.region:
        if ir.const_int(r.extent) == 1 or not remaining:
            out.append(r.min)
        else:
            var = remaining.pop(0)
            out.append(var if ir.const_int(r.min) == 0 else r.min + var)
    return out


def _names(rank: int) -> list[str]:
    return list("ijklmnop"[:rank]) if rank <= 8 else [f"i{d}" for d in range(rank)]


def _times(extents: Any) -> str:
    return " x ".join(str(e) for e in extents) or "1"

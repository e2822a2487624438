"""Copies between shared tiles and matrix-instruction fragments by ldmatrix and stmatrix: 8x8 blocks of 16-bit elements.

Where the shared tile is the fragment's transpose, so is each block: the instruction's .trans form.

PTX ISA, "Warp-level matrix load/store": row r of block b comes from the address that lane 8 b + r passes; in each block lane
l holds elements (l / 4, 2 (l % 4)) and the next one, which is what a fragment whose two last dimensions end in the digits
thread(8, 4) and thread(4, 1) local(2, 1) says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .. import ir
from ..layout import Factor, Fragment, local, piece_factors, thread
from ..transform.guards import GuardMemory
from ..transform.loop_nest import LoopNest
from ..transform.parallel_nest import ParallelNest
from ..transform.vector_width import is_aligned
from .base import LoweringContext, dtype_bits

_ROW = thread(8, 4)
_COLUMN = (thread(4, 1), local(2, 1))


@dataclass(frozen=True)
class MatrixCopy:
    """A legal ldmatrix or stmatrix copy.

    `blocks` are the register digits (dimension, position) that one instruction covers, most significant first; their
    extents multiply to 1, 2 or 4 and their registers are adjacent. `first_register` is where the part of the fragment that
    the copy touches begins. `transposed`: rows of a block are columns of the shared tile.
    """

    nest: ParallelNest
    layout: Fragment
    fragment: ir.Var
    shared: ir.Var
    shared_indices: tuple[Any, ...]
    blocks: tuple[tuple[int, int], ...]
    load: bool
    first_register: Any = 0
    transposed: bool = False

    @staticmethod
    def of(nest: ParallelNest, layout: Fragment, ctx: LoweringContext) -> MatrixCopy | None:
        """The copy as a matrix copy, or None where the instruction cannot do it; `layout` is of the nest's iterations."""
        store = nest.body
        if not isinstance(store, ir.BufferStore):
            return None
        value = store.value.value if isinstance(store.value, ir.Cast) else store.value
        if not isinstance(value, ir.BufferLoad):
            return None
        scopes = ir.scope_of(value.source), ir.scope_of(store.buffer)
        load = scopes[1] == "local.fragment"
        shared, indices = (value.source, value.indices) if load else (store.buffer, store.indices)
        fragment = store.buffer if load else value.source
        if sorted(scopes) != ["local.fragment", "shared.dyn"] or dtype_bits(ir.buffer_dtype(shared)) != 16:
            return None
        if load and isinstance(store.value, ir.Cast) or not load and not ctx.target.limits.has_stmatrix:
            return None
        use = nest.uses[fragment]
        index = use.index or ()
        if len(nest.extents) < 2 or not use.plain or any(kind not in ("loop", "piece") for kind, _ in index):
            return None
        order = [v if kind == "loop" else v[0] for kind, v in index]
        if sorted(order) != list(range(len(nest.extents))):
            return None
        if order != sorted(order):  # the nest counts in the shared tile's order
            nest = replace(nest, vars=tuple(nest.vars[d] for d in order), extents=tuple(nest.extents[d] for d in order))
            layout = Fragment(nest.extents, tuple(layout.dims[d] for d in order), layout.replication)
            index = nest.uses[fragment].index or ()
        rows, columns = layout.dims[-2], layout.dims[-1]
        if not rows or rows[-1] != _ROW or columns[-2:] != _COLUMN or ctx.num_threads % 32 or layout.num_threads % 32:
            return None
        if any(layout.is_padded(d) for d in range(len(nest.extents))) or _partial_warps(layout, ctx):
            return None
        analyzer = ctx.analyzer(nest.ranges)
        transposed = ir.uses_var(indices[-1], {nest.vars[-2]})
        along = -2 if transposed else -1
        start = [ir.substitute(i, {nest.vars[along]: 0}) for i in indices]
        aligned = is_aligned(shared, start, 8, nest.extents[along], analyzer, ctx)
        if not aligned or not _steps_by_one(nest.vars[along], indices, analyzer):
            return None
        if GuardMemory(analyzer).bounds(shared, indices):
            return None
        touched = _touched(ctx.fragments[fragment], index, nest.extents)
        if touched is None:
            return None
        registers = Fragment(layout.shape, touched[0], layout.replication)  # strides of the whole fragment: a part may have gaps
        if layout.dims not in (registers.dims, registers.compacted().dims):
            return None
        layout = _split_blocks(registers)
        return MatrixCopy(nest, layout, fragment, shared, tuple(indices), _adjacent_blocks(layout), load, touched[1], transposed)

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        """One instruction for every combination of the remaining register digits."""
        count = 1
        for d, k in self.blocks:
            count *= self.layout.dims[d][k].extent
        lane = ctx.tid % 32
        # Outer digits loop; block digits and the row digit come from the lane for addresses, and are 0 for registers.
        outer = LoopNest(self._without_blocks(), ctx.tid, ctx.num_threads)
        dims = [("loop", d) for d in range(len(self.layout.dims))]
        registers = ir.simplify(self.first_register + outer.register_index(_strip(self.layout, self.blocks), dims))
        at = dict(zip(self.nest.vars, self._addresses(outer, lane)))
        analyzer = ctx.analyzer(outer.ranges)
        address = ir.address_of(
            ir.load(self.shared, [ir.simplify(ir.substitute(i, at), analyzer) for i in self.shared_indices], self.nest.span)
        )
        array = ctx.registers_of(self.fragment)
        name = f"{'ldmatrix' if self.load else 'stmatrix'}_x{count}{'_trans' if self.transposed else ''}"
        if self.load:
            body = self._call(f"tl.{name}", [ir.address_of(ir.load(array, [registers])), address])
        elif ir.buffer_dtype(self.shared) == ir.buffer_dtype(self.fragment):
            body = self._call(f"tl.{name}", [address, ir.address_of(ir.load(array, [registers]))])
        else:
            body = self._converted(name, address, array, registers, 2 * count)
        return outer.wrap(body, self.nest.span)

    def _call(self, name: str, args: list[Any]) -> ir.Stmt:
        return ir.evaluate(ir.call(name, args, span=self.nest.span), self.nest.span)

    def _converted(self, name: str, address: Any, array: ir.Var, start: Any, size: int) -> ir.Stmt:
        """stmatrix of elements converted on the way."""
        dtype = ir.buffer_dtype(self.shared)
        packed = ir.buffer((size,), dtype, f"{self.fragment.name}_{'bf16' if dtype == 'bfloat16' else 'half'}", "local")
        index = ir.var("e")
        convert = ir.BufferStore(packed, ir.Cast(dtype, ir.load(array, [ir.simplify(start + index)])), [index], self.nest.span)
        loop = ir.For(index, ir.const(0), ir.const(size), ir.ForKind.UNROLLED, convert, span=self.nest.span)
        return ir.seq([ir.alloc(packed), loop, self._call(f"tl.{name}", [address, ir.address_of(ir.load(packed, [0]))])])

    def _without_blocks(self) -> Fragment:
        """The layout with the digits that one instruction covers set to extent 1."""
        return _strip(self.layout, (*self.blocks, (len(self.layout.dims) - 1, len(self.layout.dims[-1]) - 1)))

    def _addresses(self, outer: LoopNest, lane: Any) -> list[Any]:
        """The loop variables' values at the row whose address this lane passes."""
        count = 1
        digit: dict[tuple[int, int], Any] = {}
        for d, k in reversed(self.blocks):
            extent = self.layout.dims[d][k].extent
            digit[d, k] = lane // (8 * count) % extent
            count *= extent
        values = []
        last = len(self.layout.dims) - 1
        for d, factors in enumerate(self.layout.dims):
            total: Any = ir.const(0)
            inner = 1
            for k in reversed(range(len(factors))):
                if (d, k) in digit:
                    value = digit[d, k]
                elif d == (last if self.transposed else last - 1) and k == len(factors) - 1:
                    value = lane % 8
                elif d == last and k >= len(factors) - 2 or d == last - 1 and k == len(factors) - 1:
                    value = 0
                else:
                    value = outer.digit(d, k)
                total = total + value * inner
                inner *= factors[k].extent
            values.append(total)
        return values


def _strip(layout: Fragment, digits: Any) -> Fragment:
    """The layout with some digits reduced to extent 1 in place (so that positions stay)."""
    dims = [list(factors) for factors in layout.dims]
    shape = list(layout.shape)
    for d, k in digits:
        shape[d] = -(-shape[d] // dims[d][k].extent)
        dims[d][k] = Factor(1, "local", 0)
    return Fragment(tuple(shape), tuple(tuple(f) for f in dims), layout.replication)


def _touched(fragment: Fragment, index: Any, extents: tuple[int, ...]) -> tuple[tuple[tuple[Factor, ...], ...], Any] | None:
    """The digits of a fragment that a nest counts, of whole dimensions or of parts, and the first register."""
    dims: list[tuple[Factor, ...]] = []
    first: Any = 0
    for factors, (kind, value) in zip(fragment.dims, index):
        part = piece_factors(factors, value[1], extents[value[0]]) if kind == "piece" else (factors, 0)
        if part is None:
            return None
        dims.append(part[0])
        first = first + part[1]
    return tuple(dims), first


def _split_blocks(layout: Fragment) -> Fragment:
    """The layout with register digits cut so that the four adjacent blocks from stride 2 are digits of their own."""
    dims = []
    for factors in layout.dims:
        row: list[Factor] = []
        for f in factors:
            inner = 8 // f.stride if not f.is_thread and f.stride in (2, 4) else 1
            if inner > 1 and f.extent > inner and f.extent % inner == 0:
                row += [local(f.extent // inner, f.stride * inner), local(inner, f.stride)]
            else:
                row.append(f)
        dims.append(tuple(row))
    return Fragment(layout.shape, tuple(dims), layout.replication)


def _adjacent_blocks(layout: Fragment) -> tuple[tuple[int, int], ...]:
    """Register digits of strides 2, 4 that together make two or four adjacent blocks."""
    chosen: list[tuple[int, int]] = []
    stride, count = 2, 1
    while count < 4:
        nxt = next(
            (
                (d, k)
                for d, factors in enumerate(layout.dims)
                for k, f in enumerate(factors)
                if not f.is_thread and f.stride == stride and f.extent * count <= 4 and f.extent > 1 and f.extent in (2, 4)
            ),
            None,
        )
        if nxt is None:
            break
        extent = layout.dims[nxt[0]][nxt[1]].extent
        chosen.insert(0, nxt)
        stride *= extent
        count *= extent
    return tuple(chosen)


def _partial_warps(layout: Fragment, ctx: LoweringContext) -> bool:
    """True if some warp has both idle and working threads."""
    position = 1
    for f in sorted(layout.thread_factors(), key=lambda f: f.stride):
        if f.stride != position and position < 32:
            return True
        position = f.stride * f.extent
    return position % 32 != 0


def _steps_by_one(var: ir.Var, indices: Any, analyzer: ir.Analyzer) -> bool:
    """True if the last index counts with the variable, and no other index uses it."""
    rest = ir.simplify(indices[-1] - var, analyzer)
    return not ir.uses_var(rest, {var}) and not any(ir.uses_var(i, {var}) for i in indices[:-1])

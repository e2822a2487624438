"""How TMA copies a region: a tensor map, and the boxes that tile the shared side.

A swizzled tile is column blocks of 32, 64 or 128 bytes, each row after row (`SharedLayout`): one box is some rows of one
block. A tile without swizzle is one block of all columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ... import ir
from ...layout import SharedLayout
from ...target import tma as rules
from ..base import LoweringContext, TensorMapSpec, dtype_bits
from ..digits import loop


@dataclass(frozen=True)
class Walk:
    """`count` boxes along dimension `tile_dim` of the tile and `tensor_dim` of the tensor, `step` elements apart."""

    count: int
    step: int
    tile_dim: int
    tensor_dim: int


@dataclass(frozen=True)
class BoxCopy:
    """A copy between a tensor and a shared tile as boxes of one tensor map.

    `spec` is the map; `tensor_start` and `tile_start` are the first elements of the regions; `walks` lead from box to box;
    `bytes` counts what all boxes bring (parts outside the tensor included); `row_dim` is the tensor's dimension along the tile's
    rows, where there is one.
    """

    spec: TensorMapSpec
    tile: ir.Var
    tensor_start: tuple[Any, ...]
    tile_start: tuple[Any, ...]
    walks: tuple[Walk, ...]
    bytes: int
    row_dim: int | None = None

    @staticmethod
    def of(
        tensor: ir.BufferRegion, tile: ir.BufferRegion, layout: Any, ctx: LoweringContext, *, promised: bool = False
    ) -> BoxCopy | str:
        """The boxes of a copy of equal regions (extents of 1 dropped) in global and shared memory, or why there are none.

        `promised`: the author answers for the alignment of a start that is known on the device only.
        """
        source, target = tensor.source, tile.source
        dtype, bits = ir.buffer_dtype(source), dtype_bits(ir.buffer_dtype(source))
        if ir.buffer_dtype(target) != dtype:
            return f"TMA converts nothing, and {source.name} is {dtype} while {target.name} is {ir.buffer_dtype(target)}"
        if bits not in rules.ELEMENT_BITS:
            return f"TMA has no elements of {bits} bits"
        if not isinstance(layout, SharedLayout):
            return f"{target.name} has a layout of the author's own"
        obstacle = _unmappable(source, bits, ctx)
        if obstacle is not None:
            return obstacle
        pairs = _paired_dims(tensor, tile)
        shape = ir.static_shape(target)
        last, rank = len(shape) - 1, len(ir.shape_of(source))
        if layout.swizzle and shape[-2] % rules.SWIZZLE_ROWS:
            # The hardware swizzles by address: column blocks and versions have to start where the pattern does.
            return f"{target.name} has {shape[-2]} rows, and swizzled rows come in {rules.SWIZZLE_ROWS}s"
        columns = pairs.get(last)
        if columns != rank - 1:
            return f"the last dimension of {target.name} does not run along the last one of {source.name}"
        obstacle = _misaligned(tensor, bits, promised, ctx)
        if obstacle is not None:
            return obstacle
        box = [1] * rank
        alone = all(ir.const_int(r.extent) == 1 for r in tile.region[:last])
        walks: list[Walk] = []
        for dim in range(len(shape)):
            start, extent = tile.region[dim].min, ir.const_int(tile.region[dim].extent)
            if extent is None:
                return "its extents are not constant"
            whole = ir.const_int(start) == 0 and extent == shape[dim]
            if dim == last - 1 and extent == 1 and not layout.swizzle and shape[-1] * bits // 8 % rules.SHARED_ALIGNMENT == 0:
                whole = True  # a row of its own, as a slot of a ring of vectors is
            if dim == last and not layout.swizzle and ir.const_int(start) == 0 and alone:
                whole = True  # the row's first elements: what follows keeps the next row aligned
            if dim >= last - 1 and not whole:
                return f"it does not cover whole rows and columns of {target.name}"
            if dim not in pairs:
                continue
            if dim == last:
                chunk = layout.columns if layout.swizzle else rules.largest_chunk(extent, max(1, rules.ALIGNMENT * 8 // bits))
            elif dim == last - 1:
                chunk = rules.largest_chunk(extent, rules.SWIZZLE_ROWS if layout.swizzle else 1)
            else:
                chunk = 1
            if chunk is None or (dim == last and chunk * bits // 8 % rules.ALIGNMENT):
                return f"{extent} elements along dimension {dim} of {target.name} cannot be cut into boxes"
            box[pairs[dim]] = chunk
            if extent > chunk:
                walks.append(Walk(extent // chunk, chunk, dim, pairs[dim]))
        if not layout.swizzle and box[-1] != shape[-1] and any(b > 1 for b in box[:-1]):
            return f"rows of {target.name} are longer than a box"
        tile_bytes = shape[-1] * (shape[-2] if len(shape) > 1 else 1) * bits // 8
        if tile_bytes % rules.SHARED_ALIGNMENT and any(n > 1 for n in shape[:-2]):
            return f"tiles of {tile_bytes} bytes do not keep boxes on {rules.SHARED_ALIGNMENT} bytes"
        inner = [] if layout.swizzle else [w for w in walks if w.tile_dim >= last - 1]
        if any(_step_bytes(w, shape, bits) % rules.SHARED_ALIGNMENT for w in inner):
            return f"boxes of {target.name} would not start on {rules.SHARED_ALIGNMENT} bytes"
        total = bits // 8
        for r in tile.region:
            total *= ir.const_int(r.extent) or 0
        spec = TensorMapSpec(source, tuple(reversed(box)), layout.swizzle)
        starts = tuple(r.min for r in tensor.region), tuple(r.min for r in tile.region)
        return BoxCopy(spec, target, *starts, tuple(walks), total, pairs.get(last - 1))

    def part(self, index: Any, count: int) -> BoxCopy | None:
        """The `index`-th of `count` equal parts along the tile's rows; None if boxes cannot be cut so."""
        at, tensor_dim = len(self.tile_start) - 2, self.row_dim
        if tensor_dim is None:
            return None
        box = list(reversed(self.spec.box))
        walk = next((w for w in self.walks if w.tile_dim == at), None)
        rows, rest = divmod(box[tensor_dim] * (1 if walk is None else walk.count), count)
        step = rules.SWIZZLE_ROWS if self.spec.swizzle else 1
        chunk = None if rest or rows % step else rules.largest_chunk(rows, step)
        if chunk is None:
            return None
        box[tensor_dim] = chunk
        walks = [w for w in self.walks if w is not walk]
        if rows > chunk:
            walks.append(Walk(rows // chunk, chunk, at, tensor_dim))
        tile, tensor = list(self.tile_start), list(self.tensor_start)
        tile[at], tensor[tensor_dim] = tile[at] + index * rows, tensor[tensor_dim] + index * rows
        spec = replace(self.spec, box=tuple(reversed(box)))
        return replace(
            self, spec=spec, tensor_start=tuple(tensor), tile_start=tuple(tile), walks=tuple(walks), bytes=self.bytes // count
        )

    def each_box(self, issue: Callable[[Any, list[Any]], ir.Stmt], span: Any = None) -> ir.Stmt:
        """`issue(address, coordinates)` for every box; coordinates are innermost first."""

        def visit(walks: tuple[Walk, ...], tile_index: list[Any], tensor_index: list[Any]) -> ir.Stmt:
            if not walks:
                address = ir.address_of(ir.load(self.tile, tile_index))
                return issue(address, [ir.simplify(ir.as_expr(i)) for i in reversed(tensor_index)])
            walk = walks[0]

            def step(i: Any) -> ir.Stmt:
                inner, outer = list(tile_index), list(tensor_index)
                inner[walk.tile_dim] = inner[walk.tile_dim] + i * walk.step
                outer[walk.tensor_dim] = outer[walk.tensor_dim] + i * walk.step
                return visit(walks[1:], inner, outer)

            return loop("box", walk.count, step, span)

        return visit(self.walks, list(self.tile_start), list(self.tensor_start))


def _unmappable(tensor: ir.Var, bits: int, ctx: LoweringContext) -> str | None:
    """Why a tensor has no tensor map; None if it has one."""
    if tensor in ctx.device_tensors:
        return f"the address of {tensor.name} is known on the device only"
    if tensor in ctx.tensors:
        return f"{tensor.name} has a layout of the author's own"
    if tensor in ctx.views:
        return f"{tensor.name} is a view of {ctx.views[tensor].name}"
    strides = ir.strides_of(tensor)
    if len(strides) > rules.MAX_RANK:
        return f"{tensor.name} has {len(strides)} dimensions; a tensor map has at most {rules.MAX_RANK}"
    if strides[-1] != 1:
        return f"the last dimension of {tensor.name} is not contiguous"
    analyzer = ctx.proofs
    for dim, stride in enumerate(strides[:-1]):
        if not ir.can_prove(ir.as_expr(stride * (bits // 8) % rules.ALIGNMENT == 0), analyzer):
            return f"the stride of dimension {dim} of {tensor.name} is not provably a multiple of {rules.ALIGNMENT} bytes"
    return None


def _misaligned(tensor: ir.BufferRegion, bits: int, promised: bool, ctx: LoweringContext) -> str | None:
    """Why a box cannot start in its row; the hardware takes a box that starts between 16 bytes for an illegal instruction."""
    step = rules.ALIGNMENT * 8 // bits
    rest = ir.as_expr(tensor.region[-1].min % step)
    analyzer = ctx.proofs
    if promised and not ir.can_prove(rest != 0, analyzer):
        return None
    if ir.can_prove(rest == 0, analyzer):
        return None
    how = "does not" if promised else "does not provably"
    place = f"a multiple of {step} elements ({rules.ALIGNMENT} bytes) in its last dimension"
    return f"the region of {tensor.source.name} {how} start on {place}"


def below_zero(tensor: ir.BufferRegion, ctx: LoweringContext) -> str | None:
    """Why a box cannot be stored here: its corner may be negative, which only loads allow."""
    analyzer = ctx.proofs
    for dim, r in enumerate(tensor.region):
        if not ir.can_prove(ir.as_expr(r.min >= 0), analyzer):
            return f"the region of {tensor.source.name} may start below 0 in dimension {dim}, where TMA does not store"
    return None


def _paired_dims(tensor: ir.BufferRegion, tile: ir.BufferRegion) -> dict[int, int]:
    """The dimension of the tensor behind each dimension of the tile; both list their extents above 1 in the same order."""
    wide = [[d for d, r in enumerate(region.region) if ir.const_int(r.extent) != 1] for region in (tile, tensor)]
    if not wide[0]:  # a single element lies along the last dimensions
        return {len(tile.region) - 1: len(tensor.region) - 1}
    return dict(zip(*wide))


def _step_bytes(walk: Walk, shape: tuple[int, ...], bits: int) -> int:
    """Bytes between two boxes of a tile without swizzle."""
    row = shape[-1] * bits // 8
    return walk.step * row if walk.tile_dim == len(shape) - 2 else walk.step * bits // 8

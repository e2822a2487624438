"""A region of a register tile as a tile of its own, and back: the layout of the whole from the layout of a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

from .. import ir
from ..errors import ShapeError, SourceSpan, UnsupportedError
from ..layout import Factor, Fragment, local
from .base import LoweringContext

Region: TypeAlias = ir.BufferRegion


def extents(region: Region, span: SourceSpan | None = None) -> tuple[int, ...]:
    """The region's extents, which must be constant."""
    found = [ir.const_int(ir.simplify(r.extent)) for r in ir.items(region.region)]
    if any(n is None for n in found):
        raise ShapeError(
            f"the region of {region.source.name} has symbolic extents {[str(r.extent) for r in region.region]}",
            fix="tiles in shared memory and registers have constant extents; guard the tail inside a constant tile",
            span=span,
        )
    return tuple(found)  # type: ignore[arg-type]


def starts(region: Region) -> list[Any]:
    """The region's first indices; constants as Python ints."""
    return [c if (c := ir.const_int(r.min)) is not None else r.min for r in region.region]


def squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape without its leading extents of 1."""
    lead = 0
    while lead < len(shape) and shape[lead] == 1:
        lead += 1
    return tuple(shape[lead:])


def matrix_dims(region: Region, span: SourceSpan | None = None) -> tuple[int, int]:
    """The two dimensions of a region that make the matrix: the last two, or the only two that are not 1."""
    shape = extents(region, span)
    if len(shape) >= 2:
        if prod(shape[:-2]) == 1:
            return len(shape) - 2, len(shape) - 1
        wide = [d for d, n in enumerate(shape) if n > 1]
        if len(wide) == 2:
            return wide[0], wide[1]
    raise ShapeError(
        f"a matrix operand has two dimensions, but the region of {region.source.name} has extents {list(shape)}",
        fix="slice the other dimensions to extent 1",
        span=span,
    )


@dataclass(frozen=True)
class FragmentView:
    """The registers of a region of a fragment: element `i` of the region is register `base + layout.local_of(i)`."""

    layout: Fragment
    base: Any


def _misaligned(region: Region, dim: int, why: str, span: SourceSpan | None) -> UnsupportedError:
    return UnsupportedError(
        f"the region of fragment {region.source.name} along dimension {dim} {why}",
        fix="slice equal blocks (the extent divides the tile's, the start is a multiple of it), or use a fragment of its own",
        span=span,
    )


def whole_layout(
    part: Fragment, region: Region, dims: Sequence[int], ctx: LoweringContext, span: SourceSpan | None = None
) -> Fragment:
    """The layout of the whole buffer in which `region`, along `dims`, is laid out as `part`.

    Other dimensions, and the blocks of which the region is one, are further registers of the same threads.
    """
    shape, region_shape, low = ir.static_shape(region.source), extents(region, span), starts(region)
    step = part.local_size
    factors: list[tuple[Factor, ...]] = [()] * len(shape)
    for d in reversed(range(len(shape))):
        inner = part.dims[dims.index(d)] if d in dims else ()
        blocks = shape[d] // region_shape[d]
        if shape[d] != region_shape[d] and d in dims:
            if shape[d] % region_shape[d] or not ir.can_prove(ir.as_expr(low[d] % region_shape[d] == 0), ctx.proofs):
                raise _misaligned(region, d, f"[{low[d]} : +{region_shape[d]}] is not one of equal blocks of {shape[d]}", span)
            if part.is_padded(dims.index(d)):
                raise _misaligned(region, d, f"of extent {region_shape[d]} is not a multiple of the instruction's tiles", span)
        factors[d] = ((local(blocks, step),) if blocks > 1 else ()) + inner
        step *= blocks
    return Fragment(shape, tuple(factors), part.replication)


def view(
    whole: Fragment, region: Region, dims: Sequence[int], ctx: LoweringContext, span: SourceSpan | None = None
) -> FragmentView:
    """The layout of `region` along `dims`, given that of the whole buffer; raises if the region cuts through threads."""
    region_shape, low = extents(region, span), starts(region)
    base: Any = 0
    kept: list[tuple[Factor, ...]] = []
    for d, factors in enumerate(whole.dims):
        if d in dims and region_shape[d] == whole.shape[d]:
            kept.append(factors)
            continue
        outer, inner = _split(factors, region_shape[d], whole.shape[d])
        if outer is None:
            raise _misaligned(region, d, f"of extent {region_shape[d]} of {whole.shape[d]} cuts through threads", span)
        if region_shape[d] > 1 and not ir.can_prove(ir.as_expr(low[d] % region_shape[d] == 0), ctx.proofs):
            raise _misaligned(region, d, f"starts at {low[d]}, not at a multiple of {region_shape[d]}", span)
        block = low[d] // region_shape[d] if region_shape[d] > 1 else low[d]
        for f, digit in zip(outer, Fragment((1,), (outer,)).digits(0, block)):
            base = base + digit * f.stride
        if d in dims:
            kept.append(inner)
    ordered = sorted(dims)
    layout = Fragment(tuple(region_shape[d] for d in ordered), tuple(kept), whole.replication)
    return FragmentView(layout.permuted([ordered.index(d) for d in dims]), ir.simplify(base, ctx.proofs))


def _split(factors: Sequence[Factor], extent: int, total: int) -> tuple[Any, tuple[Factor, ...]]:
    """Factors as (register digits that select a block, digits inside a block of `extent`); (None, ()) if there is no such cut."""
    if extent == 1 and all(not f.is_thread or f.extent == 1 for f in factors):
        return tuple(factors), ()
    inner: list[Factor] = []
    count = 1
    for k in reversed(range(len(factors))):
        f = factors[k]
        if count == extent:
            outer = tuple(factors[: k + 1])
            return (outer, tuple(inner)) if all(not g.is_thread for g in outer) else (None, ())
        need = extent // count
        if extent % count == 0 and f.extent > need and f.extent % need == 0 and not f.is_thread:
            inner.insert(0, local(need, f.stride))
            outer = (*factors[:k], local(f.extent // need, f.stride * need))
            return (outer, tuple(inner)) if all(not g.is_thread for g in outer) else (None, ())
        inner.insert(0, f)
        count *= f.extent
    return ((), tuple(inner)) if count >= extent and extent == total else (None, ())

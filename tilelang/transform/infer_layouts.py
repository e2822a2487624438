"""Give every register tile a Fragment and every shared tile a layout; convert where two uses disagree.

Strict rules first (annotations, matrix instructions), then propagation through nests, copies and reductions, then a free
choice for the operator that moves most memory, and propagation again. Inference never gives up: a use that its fragment
cannot serve goes through a shared-memory tile, with a remark.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..layout import Fragment, SharedLayout, view_fragment, view_layout
from ..tileop.base import LoweringContext, dtype_bits
from ..tileop.elementwise import default_for_nest, derive_from_nest
from ..tileop.matrix_copy import MatrixCopy
from .annotations import apply_annotations
from .convert_fragments import convert_uses
from .kernel_program import KernelProgram
from .loop_layout import covering_layout
from .units import Unit, units_of


def infer_layouts(program: KernelProgram) -> KernelProgram:
    """Fill `ctx.fragments` and `ctx.shared`; the body gains the conversions and scratch tiles that they need."""
    return replace(program, body=infer_body(program.body, program.ctx))


def infer_body(body: ir.Stmt, ctx: LoweringContext) -> ir.Stmt:
    """`infer_layouts` of a launch's body."""
    body = apply_annotations(body, ctx)
    units = units_of(body)
    for unit in units:
        if unit.op is not None:
            unit.op.check(ctx.target)
    _shared_layouts(units, ctx)
    _fragments(units, body, ctx)
    _shared_layouts(units, ctx)
    _layouts_of_matrix_nests(units, ctx)
    return convert_uses(body, ctx)


def _shared_layouts(units: list[Unit], ctx: LoweringContext) -> None:
    for unit in units:
        if unit.op is not None:
            with unit.within(ctx):
                for buf, layout in unit.op.shared_layouts(ctx).items():
                    _ask_shared(buf, layout, ctx)


def _layouts_of_matrix_nests(units: list[Unit], ctx: LoweringContext) -> None:
    """A swizzle for tiles that nests copy to or from matrix fragments: the rows of a block would share banks."""
    for unit in units:
        if unit.nest is None or not isinstance(unit.nest.body, ir.BufferStore):
            continue
        with unit.within(ctx):
            layout = covering_layout(unit.nest, ctx.fragments)
            matrix = None if layout is None else MatrixCopy.of(unit.nest, layout, ctx)
        if matrix is not None:
            shape, bits = ir.static_shape(matrix.shared), dtype_bits(ir.buffer_dtype(matrix.shared))
            if len(shape) >= 2:
                _ask_shared(matrix.shared, SharedLayout.for_matrix(shape, bits), ctx)


def _ask_shared(buf: ir.Var, layout: SharedLayout, ctx: LoweringContext) -> None:
    """Grant what an operator asks for, unless something was there first; a view asks for the buffer behind it."""
    root = ctx.root(buf)
    if buf.same_as(root):
        ctx.shared.setdefault(buf, layout)
    elif root not in ctx.shared and layout.swizzle:
        shape, bits = ir.static_shape(root), dtype_bits(ir.buffer_dtype(root))
        if len(shape) >= 2 and shape[-1] * bits // 8 % layout.swizzle == 0:
            whole = SharedLayout(shape, bits, layout.swizzle)
            if view_layout(whole, layout.shape, layout.bits) == layout:
                ctx.shared[root] = whole


def _fragments(units: list[Unit], body: ir.Stmt, ctx: LoweringContext) -> None:
    for buf, layout in list(ctx.fragments.items()):
        ctx.fragments.update(_family(buf, layout, ctx) or {})
    declared = [*ir.declared_buffers(body), *ctx.views]
    missing = {b for b in declared if ir.scope_of(b) == "local.fragment"} - set(ctx.fragments)
    touching = [(u, names) for u in units if (names := fragments_of(u))]
    for unit, _ in touching:
        if unit.op is not None:
            with unit.within(ctx):
                _accept(unit.op.strict_fragments(ctx), missing, ctx)
    _propagate(touching, missing, ctx)
    for unit, names in sorted(touching, key=_weight, reverse=True):
        if names & missing and (unit.op is not None or unit.nest is not None):
            with unit.within(ctx):
                rule = unit.op.default_fragments if unit.op is not None else lambda k, c, n=unit.nest: default_for_nest(n, k, c)
                chosen = rule(ctx.fragments, ctx)
            if _accept(chosen, missing, ctx):
                _propagate(touching, missing, ctx)
    for buf in list(missing):  # touched only by scalar code, or through indices or views that no layout follows
        shape = ir.static_shape(buf)
        scalar_only = not any(buf in names and (u.op or u.nest) for u, names in touching)
        replicated = Fragment.replicated(shape, ctx.num_threads)
        if scalar_only or not _accept({buf: Fragment.blocked(shape, ctx.num_threads)}, missing, ctx):
            _accept({buf: replicated}, missing, ctx)


def _accept(found: dict[ir.Var, Fragment], missing: set[ir.Var], ctx: LoweringContext) -> bool:
    """Take the layouts of fragments that have none yet; True if there was one."""
    taken = False
    for buf, layout in found.items():
        family = _family(buf, layout, ctx) if buf in missing else None
        if family is not None:
            ctx.fragments.update(family)
            missing -= set(family)
            taken = True
    return taken


def _family(buf: ir.Var, layout: Fragment, ctx: LoweringContext) -> dict[ir.Var, Fragment] | None:
    """The layouts of a fragment and all views of the same registers, given one of them; None if there is none for some."""
    root = ctx.root(buf)
    of_root = layout if buf.same_as(root) else _seen_as(root, buf, layout)
    out = {} if of_root is None else {root: of_root}
    for made in (v for v, behind in ctx.views.items() if behind.same_as(root)):
        found = None if of_root is None else _seen_as(made, root, of_root)
        if found is None:
            return None
        out[made] = found
    return out or None


def _seen_as(buf: ir.Var, other: ir.Var, layout: Fragment) -> Fragment | None:
    """The layout of `buf`, whose registers are those of `other` under `layout`."""
    bits = [dtype_bits(ir.buffer_dtype(b)) for b in (other, buf)]
    return view_fragment(layout, ir.static_shape(buf), *bits)


def _propagate(touching: list[tuple[Unit, set[ir.Var]]], missing: set[ir.Var], ctx: LoweringContext) -> None:
    """Derive layouts from known ones until nothing changes."""
    changed = True
    while changed and missing:
        changed = False
        for unit, names in touching:
            if not names & missing or not names - missing:
                continue
            with unit.within(ctx):
                if unit.op is not None:
                    found = unit.op.derive_fragments(ctx.fragments, ctx)
                elif unit.nest is not None:
                    found = derive_from_nest(unit.nest, ctx.fragments, ctx)
                else:
                    continue
            changed = _accept(found, missing, ctx) or changed


def _weight(item: tuple[Unit, set[ir.Var]]) -> tuple[bool, int]:
    """Order of free choice: what touches memory first, then by elements touched."""
    unit, names = item
    size = max(_elements(b) for b in names)
    memory = any(ir.scope_of(b) == "global" for b in _buffers(unit.stmt))
    return memory, size


def _elements(buf: ir.Var) -> int:
    total = 1
    for n in ir.static_shape(buf):
        total *= n
    return total


def _buffers(stmt: Any) -> set[ir.Var]:
    """Every buffer that a statement names."""
    out: set[ir.Var] = set()

    def note(node: Any) -> None:
        if isinstance(node, (ir.BufferLoad, ir.BufferRegion)):
            out.add(node.source)
        elif isinstance(node, ir.BufferStore):
            out.add(node.buffer)

    ir.walk(stmt, note)
    return out


def fragments_of(unit: Unit) -> set[ir.Var]:
    """The register tiles that a unit touches."""
    return {b for b in _buffers(unit.stmt) if ir.scope_of(b) == "local.fragment"}

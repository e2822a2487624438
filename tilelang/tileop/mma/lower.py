"""Emission of a gemm on matrix instructions: for each step along k, operand tiles into registers, then the products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ... import ir
from ..base import LoweringContext
from ..digits import add, guarded, loop, scale
from .metadata import Metadata
from .operand import SharedMatrix, ldmatrix_form, load_elements, load_ldmatrix
from .plan import WARP, MmaPlan
from .scales import ScaledOperands


@dataclass(frozen=True)
class RegisterTiles:
    """An operand as instruction tiles in a register array: tile `t` of step `s` starts at `base + t * tile + s * step`."""

    buffer: ir.Var
    base: Any
    tile: int
    step: int

    def at(self, tile: Any, step: Any) -> Any:
        """The address of a tile's first register."""
        offset = add(add(self.base, scale(tile, self.tile)), scale(step, self.step))
        return ir.address_of(ir.load(self.buffer, [offset]))


@dataclass(frozen=True)
class _Place:
    """Where the calling thread stands: its lane, and its warp's row and column in the grid."""

    lane: Any
    row: Any
    column: Any


def lower_mma(
    plan: MmaPlan,
    a: SharedMatrix | RegisterTiles,
    b: SharedMatrix | RegisterTiles,
    c: RegisterTiles,
    ctx: LoweringContext,
    span: Any = None,
    metadata: Metadata | None = None,
    scales: ScaledOperands | None = None,
) -> ir.Stmt:
    """`c += a * b`. Shared operands pass through registers; a fragment is read where it is (its layout is the plan's).

    `metadata`: of a 2:4 sparse a. `scales`: of the blocks of a and b.
    """
    grid, tile = plan.grid, plan.instruction
    lane, warp = ir.var("lane"), ir.var("warp")
    prologue: list[Any] = [ir.Bind(lane, ctx.tid % WARP, span), ir.Bind(warp, ctx.tid // WARP, span)]
    row = warp // grid.columns if grid.columns > 1 else warp
    column = warp % grid.columns if grid.columns > 1 else 0
    place = _Place(lane, row if grid.rows > 1 else 0, column)

    def row_tile(i: Any) -> Any:
        return add(scale(i, grid.rows), place.row)

    def column_tile(j: Any) -> Any:
        return add(scale(place.column, grid.column_tiles), j)

    def row_guard(i: Any) -> list[Any]:
        return [row_tile(i) < plan.m // tile.m] if plan.rows_padded else []

    def column_guard(j: Any) -> list[Any]:
        return [column_tile(j) < plan.n // tile.n] if plan.columns_padded else []

    loaders: list[Callable[[Any], ir.Stmt]] = []
    if isinstance(a, SharedMatrix):
        a_tiles = _scratch(a, "a_tile", grid.row_tiles, tile.a.local_size)
        prologue.append(ir.alloc(a_tiles.buffer))
        loaders.append(_a_loader(plan, a, a_tiles, place, row_tile, row_guard, ctx, span))
    else:
        a_tiles = a
    if isinstance(b, SharedMatrix):
        b_tiles = _scratch(b, "b_tile", grid.column_tiles, tile.b.local_size)
        prologue.append(ir.alloc(b_tiles.buffer))
        loaders.append(_b_loader(plan, b, b_tiles, place, column_tile, column_guard, ctx, span))
    else:
        b_tiles = b

    # Words that a product passes beside its operands: one for each row tile (0) or column tile (1).
    registers: list[tuple[ir.Var, int]] = []

    def pass_along(name: str, axis: int, word: Callable[[Any, Any], Any]) -> None:
        tiles, index, guard, count = (
            (tile.m, row_tile, row_guard, grid.row_tiles) if axis == 0 else (tile.n, column_tile, column_guard, grid.column_tiles)
        )
        words = ir.buffer((count,), "uint32", name, "local")
        prologue.append(ir.alloc(words))
        registers.append((words, axis))

        def load(s: Any) -> ir.Stmt:
            def one(i: Any) -> ir.Stmt:
                store = ir.BufferStore(words, word(scale(index(i), tiles), s), [ir.as_expr(i)], span)
                return guarded(guard(i), store, span)

            return loop(("mi", "ni")[axis], count, one, span)

        loaders.append(load)

    if metadata is not None:
        pass_along("metadata", 0, lambda row, s: metadata.register(row, s, lane))
    if scales is not None:
        pass_along("a_scales", 0, lambda row, s: scales.a_register(row, s, lane, ctx))
        pass_along("b_scales", 1, lambda column, s: scales.b_register(column, s, lane, ctx))
    attrs = None if scales is None else {"template": list(scales.instruction.template)}

    def product(i: Any, j: Any, s: Any) -> ir.Stmt:
        c_at = add(scale(i, c.tile), scale(j, c.step))
        accumulator = ir.address_of(ir.load(c.buffer, [add(c.base, c_at)]))
        operands = [accumulator, a_tiles.at(i, s), b_tiles.at(j, s)]
        operands += [ir.load(words, [(i, j)[axis]]) for words, axis in registers]
        return ir.evaluate(ir.call(tile.function, operands, attrs=attrs, span=span), span)

    def columns(i: Any, s: Any) -> ir.Stmt:
        return loop("ni", grid.column_tiles, lambda j: guarded(column_guard(j), product(i, j, s), span), span)

    def step(s: Any) -> ir.Stmt:
        products = loop("mi", grid.row_tiles, lambda i: guarded(row_guard(i), columns(i, s), span), span)
        return ir.seq([*(load(s) for load in loaders), products])

    body = loop("ki", plan.steps, step, span)
    if grid.warps < ctx.num_warps:
        body = guarded([warp < grid.warps], body, span)
    return ir.seq([*prologue, body, ir.evaluate(ir.call("tl.mma_ready", span=span), span)])


def _scratch(matrix: SharedMatrix, name: str, tiles: int, size: int) -> RegisterTiles:
    """Registers for one step's tiles of a shared operand."""
    return RegisterTiles(ir.buffer((tiles * size,), ir.buffer_dtype(matrix.buffer), name, "local"), 0, size, 0)


def _a_loader(
    plan: MmaPlan,
    a: SharedMatrix,
    target: RegisterTiles,
    place: _Place,
    row_tile: Any,
    guard: Any,
    ctx: LoweringContext,
    span: Any,
) -> Callable[[Any], ir.Stmt]:
    tile = plan.instruction
    form = ldmatrix_form(a, 1, tile.a_k, ctx)

    def load(s: Any) -> ir.Stmt:
        def one(i: Any) -> ir.Stmt:
            m, k, offset = scale(row_tile(i), tile.m), scale(s, tile.a_k), scale(i, target.tile)
            if form:
                stmt = load_ldmatrix(target.buffer, offset, a, form, 1, m, k, 4, place.lane)
            else:
                stmt = load_elements(target.buffer, offset, a, tile.a, m, k, place.lane)
            return guarded(guard(i), stmt, span)

        return loop("mi", plan.grid.row_tiles, one, span)

    return load


def _b_loader(
    plan: MmaPlan,
    b: SharedMatrix,
    target: RegisterTiles,
    place: _Place,
    column_tile: Any,
    guard: Any,
    ctx: LoweringContext,
    span: Any,
) -> Callable[[Any], ir.Stmt]:
    tile, count = plan.instruction, plan.grid.column_tiles
    deep = tile.k // tile.a_k  # 32 bytes along k, once or twice
    form = ldmatrix_form(b, 0, tile.a_k, ctx)

    def load(s: Any) -> ir.Stmt:
        k = scale(s, tile.k)

        def one(j: Any) -> ir.Stmt:
            n, offset = scale(column_tile(j), tile.n), scale(j, target.tile)
            if form:
                stmt = load_ldmatrix(target.buffer, offset, b, form, 0, n, k, 2 * deep, place.lane)
            else:
                stmt = load_elements(target.buffer, offset, b, tile.b, k, n, place.lane)
            return guarded(guard(j), stmt, span)

        if form is None or plan.columns_padded or count == 1 or deep > 1:
            return loop("ni", count, one, span)

        def pair(p: Any) -> ir.Stmt:
            j = scale(p, 2)
            n, offset = scale(column_tile(j), tile.n), scale(j, target.tile)
            return load_ldmatrix(target.buffer, offset, b, form, 0, n, k, 4, place.lane, paired=tile.n)

        return ir.seq([loop("nj", count // 2, pair, span), one(count - 1) if count % 2 else None])

    return load

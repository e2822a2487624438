"""Persistent blocks: each walks over many tiles. T.Persistent as a loop, T.PersistentTileScheduler as an object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._lazy import ir
from ..errors import SemanticError, ShapeError
from ..frontend.builder import Frame, require
from .allocate import alloc_var
from .buffer import MutableScalar
from .dtypes import dtype
from .emit import snapshot
from .expr import Expr, as_condition, as_expr, binary, convert
from .loops import Loop
from .select import ceildiv
from .select import max as larger
from .select import min as smaller
from .shape import as_extent, node_of, product, simplify


def grouped(tile: Any, rows: Any, columns: Any, group: Any, beyond: bool = False) -> tuple[Any, Any]:
    """(row, column) of tile number `tile`: groups of `group` rows, column after column inside a group, so that the blocks
    that run together share rows and columns in L2. `beyond`: the number may be past the last tile, and has any place then."""
    span = columns * group
    if beyond and not isinstance(span, int):
        span = larger(span, 1)
    first = binary("floordiv", tile, span) * group
    height = smaller(rows - first, group)
    if beyond:
        height = larger(height, 1)
    inside = binary("floormod", tile, span)
    return first + binary("floormod", inside, height), binary("floordiv", inside, height)


def Persistent(
    domain: Sequence[Any],
    wave_size: Any,
    index: Any,
    group_size: Any = 8,
    num_stages: int = 0,
    *,
    annotations: dict[str, Any] | None = None,
) -> Loop:
    """A loop over the tiles of `domain` in which block `index` of `wave_size` takes every wave_size-th tile.

    Parameters
    ----------
    domain : sequence of int or Expr
        Extents of the tiles, one for each loop variable.
    wave_size : int or Expr
        Blocks that run the loop, such as the number of multiprocessors.
    index : Expr
        The number of this block among them.
    group_size : int
        Rows of tiles that are walked together (two-dimensional domains); 1 or None for row-major order.
    num_stages : int
        Accepted: tiles follow one another.

    Examples
    --------
    >>> with T.Kernel(132, threads=128) as block:
    ...     for bx, by in T.Persistent([T.ceildiv(M, 128), T.ceildiv(N, 128)], 132, block):
    ...         ...
    """
    extents = tuple(as_extent(e, f"extent {k} of T.Persistent") for k, e in enumerate(domain))
    if not extents:
        raise ShapeError("T.Persistent over an empty domain", fix="give one extent for each loop variable")
    if group_size is not None and isinstance(group_size, int) and group_size < 1:
        raise SemanticError(f"group_size={group_size} of T.Persistent", fix="give a positive number")
    details = {
        "wave": as_extent(wave_size, "wave_size of T.Persistent"),
        "index": as_expr(index, "index of T.Persistent"),
        "group": 1 if group_size is None else group_size,
    }
    return Loop("T.Persistent", "persistent", tuple((0, e, None) for e in extents), details)


class PersistentLoop:
    """T.Persistent under way: waves, and a guard for the last one."""

    def __init__(self, builder: Any, loop: Loop, hints: tuple[str, ...]) -> None:
        self.builder, self.loop, self.hints = builder, loop, hints
        builder.need_kernel("T.Persistent")

    def __iter__(self) -> Any:
        builder, details = self.builder, self.loop.annotations
        extents = [extent for _, extent, _ in self.loop.ranges]
        total = snapshot(simplify(product(tuple(extents))), "tiles")
        span = builder.span()
        wave = Expr(ir.var(builder.unique("wave"), "int32"), dtype("int32"))
        frame = builder.push(Frame("for", "T.Persistent", loop=Loop("T.Persistent", "serial", ((0, 1, None),))))
        tile = snapshot(convert(wave * details["wave"] + details["index"], dtype("int32")), "tile")
        guard = builder.push(Frame("if", "T.Persistent"))
        if len(extents) == 2 and not (isinstance(details["group"], int) and details["group"] == 1):
            place: Any = list(grouped(tile, extents[0], extents[1], details["group"]))
        else:
            place, rest = [], tile
            for extent in reversed(extents[1:]):
                place.insert(0, binary("floormod", rest, extent))
                rest = binary("floordiv", rest, extent)
            place.insert(0, rest)
        values = tuple(snapshot(p, h) for p, h in zip(place, [*self.hints, *["i"] * len(extents)]))
        yield values[0] if len(values) == 1 else values
        body = ir.IfThenElse(as_condition(tile < total).node, builder.pop(guard), None, span)
        builder.blocks[-1].append(body)
        waves = node_of(simplify(ceildiv(total, details["wave"])))
        builder.emit(
            ir.For(wave.node, ir.const(0, "int32"), waves, ir.ForKind.SERIAL, builder.pop(frame), None, None, None, span)
        )


class BaseTileScheduler:
    """A block's walk over tiles: `m_idx`, `n_idx`, `linear_idx` and `current_iter` are scalars of the kernel.

    Subclasses say in `place` where tile number `linear_idx` is.
    """

    def __init__(self, first: Any, step: Any, total: Any) -> None:
        require(f"T.{type(self).__name__}").need_kernel(f"T.{type(self).__name__}")
        self.first, self.step, self.total = first, step, total
        self.linear_idx, self.current_iter = self._scalar("linear_idx"), self._scalar("current_iter")
        self.m_idx, self.n_idx = self._scalar("m_idx"), self._scalar("n_idx")
        self.init()

    @staticmethod
    def _scalar(name: str) -> MutableScalar:
        require("a tile scheduler").pending = [name]
        found = alloc_var("int32")
        found.fresh = False
        return found

    def place(self) -> tuple[Any, Any]:
        """(m, n) of the current tile."""
        raise NotImplementedError

    def _move(self) -> None:
        m, n = self.place()
        self.m_idx.store(snapshot(convert(m, dtype("int32")), "m"))
        self.n_idx.store(snapshot(convert(n, dtype("int32")), "n"))

    def init(self, linear_init: Any = None) -> None:
        """Go to the block's first tile."""
        self.linear_idx.store(convert(self.first if linear_init is None else linear_init, dtype("int32")))
        self.current_iter.store(0)
        self._move()

    def next_tile(self) -> None:
        """Go to the block's next tile."""
        self.linear_idx.store(self.linear_idx + self.step)
        self.current_iter.store(self.current_iter + 1)
        self._move()

    def valid(self) -> Expr:
        """True while the current tile exists."""
        return as_condition(self.linear_idx < self.total)


class PersistentTileScheduler(BaseTileScheduler):
    """The walk of one block of a persistent grid over m x n tiles.

    Parameters
    ----------
    num_m_tiles, num_n_tiles : int or Expr
    num_blocks : int or Expr, optional
        Blocks of the grid; the launch's by default.
    block_id : Expr, optional
        This block; `blockIdx.x` by default.
    swizzle_size : int
        Rows (or columns) of tiles that are walked together, for reuse in L2.
    column_major : bool
        Group columns instead of rows.
    cluster_size : int
        Blocks of a cluster take neighbouring tiles along m.

    Examples
    --------
    >>> tiles = T.PersistentTileScheduler(T.ceildiv(M, 128), T.ceildiv(N, 128), swizzle_size=4)
    >>> while tiles.valid():
    ...     T.copy(A[tiles.m_idx * 128, 0], A_shared)
    ...     tiles.next_tile()
    """

    def __init__(
        self,
        num_m_tiles: Any,
        num_n_tiles: Any,
        num_blocks: Any = None,
        block_id: Any = None,
        *,
        swizzle_size: int = 8,
        column_major: bool = False,
        cluster_size: int = 1,
    ) -> None:
        from .kernel import get_block_binding, get_block_extents

        for name, value in (("swizzle_size", swizzle_size), ("cluster_size", cluster_size)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SemanticError(f"{name}={value!r} of T.PersistentTileScheduler", fix="give a positive int")
        self.rows = as_extent(num_m_tiles, "num_m_tiles of T.PersistentTileScheduler")
        self.columns = as_extent(num_n_tiles, "num_n_tiles of T.PersistentTileScheduler")
        self.swizzle_size, self.column_major, self.cluster_size = swizzle_size, column_major, cluster_size
        block = get_block_binding(0) if block_id is None else as_expr(block_id)
        blocks = (
            get_block_extents()[0] if num_blocks is None else as_extent(num_blocks, "num_blocks of T.PersistentTileScheduler")
        )
        self.rank: Any = 0
        if cluster_size > 1:
            self.rank, block = block % cluster_size, block // cluster_size
            blocks = simplify(binary("floordiv", blocks, cluster_size)) if isinstance(blocks, Expr) else blocks // cluster_size
            self.rows = simplify(ceildiv(self.rows, cluster_size))
        super().__init__(block, blocks, simplify(self.rows * self.columns))

    def place(self) -> tuple[Any, Any]:
        tile = snapshot(convert(self.linear_idx, dtype("int32")), "tile")
        if self.column_major:
            n, m = grouped(tile, self.columns, self.rows, self.swizzle_size, beyond=True)
        else:
            m, n = grouped(tile, self.rows, self.columns, self.swizzle_size, beyond=True)
        return (m * self.cluster_size + self.rank if self.cluster_size > 1 else m), n

"""One launch on its way through the passes: what `transform/pipeline.py` hands from pass to pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .. import ir
from ..resources import SharedBuffer, shared_lines
from ..tileop.base import LoweringContext
from .ring import Ring


@dataclass
class SharedPlan:
    """Where every shared buffer of a launch lies in its one dynamic arena.

    `offsets` maps a buffer to its byte offset, `sizes` to its bytes; `total_bytes` is the arena's size (what the launch asks
    for). `table` explains it.
    """

    offsets: dict[ir.Var, int] = field(default_factory=dict)
    total_bytes: int = 0
    sizes: dict[ir.Var, int] = field(default_factory=dict)
    table: tuple[SharedBuffer, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """The table as text."""
        return shared_lines(self.table)

    def overlap(self, a: ir.Var, b: ir.Var) -> bool:
        """True if two buffers share bytes of the arena."""
        if a not in self.offsets or b not in self.offsets:
            return False
        return self.offsets[a] < self.offsets[b] + self.sizes[b] and self.offsets[b] < self.offsets[a] + self.sizes[a]


@dataclass(frozen=True)
class Rasterization:
    """What `T.use_swizzle` put at the top of a body: block indices from those of the hardware, and the scalars bound for it."""

    blocks: tuple[ir.Var, ir.Var]
    hardware: tuple[ir.Var, ir.Var]
    scalars: frozenset[ir.Var]


@dataclass
class KernelProgram:
    """One `__global__` function in the making.

    Parameters
    ----------
    name : str
        Name of the device function.
    body : Stmt
        The statements inside the thread axes.
    grid : tuple of Expr or int
        Blocks along x, y, z; expressions over the function's symbols.
    block : tuple of int
        Threads along x, y, z.
    block_vars, thread_vars : tuple of Var
        The variables of blockIdx.{x,y,z} and threadIdx.{x,y,z}. In a one-dimensional block `thread_vars[0]` is `ctx.tid`.
    ctx : LoweringContext
        Layouts, target, thread count, remarks. `ctx.ranges` knows the block and thread variables from the start.
    params : tuple of Var
        Parameters of the whole function (buffers and scalars) and, behind them, its workspaces and the results of its calls.
    shared_plan : SharedPlan, optional
        Set by `plan_shared_memory`.
    min_blocks : int
        Blocks that should fit on one multiprocessor (second launch bound); 0 when nothing was asked.
    prelude : tuple of str
        Device source text of the user's that goes before the kernel.
    span : Span
        The user's `with T.Kernel(...)`.
    cluster : tuple of int
        Blocks of a cluster along x, y, z.
    producer : Stmt, optional
        What one thread of a producer warpgroup does beside the body, until `join_roles`.
    rings : tuple of Ring
        The barriers between producer and body.
    spare_bytes : int
        Shared memory of ring slots beyond the stages that the author asked for: it would be given up for a second block.
    persistent : bool
        Blocks walk over several tiles (`persist_blocks`).
    resized : bool
        A block's tile is not the author's (`resize_tiles`).
    raster : Rasterization, optional
        Set by `rasterize_blocks`.
    rotated : bool
        A loop's products run beside its other work (`overlap_gemms`).
    may_alias : frozenset of str
        Parameters that may overlap others.
    keep_registers : bool
        Warpgroups trade no registers unless the author's code does.
    cooperative : bool
        All blocks run at once, as T.sync_grid needs.
    overlaps : bool
        May start before the launches that it depends on have ended (T.pdl_sync).
    source : str, optional
        The author's own CUDA C++ instead of a body; `name` is a function in it. No pass sees it.
    workspaces : tuple of Var
        Global buffers that passes have added, behind all `params` that the launch came with; those in `zeroed` start as zero.
    declared : int
        How many of `params` the function declares; workspaces follow.
    """

    name: str
    body: ir.Stmt
    grid: tuple[Any, Any, Any]
    block: tuple[int, int, int]
    block_vars: tuple[ir.Var, ir.Var, ir.Var]
    thread_vars: tuple[ir.Var, ir.Var, ir.Var]
    ctx: LoweringContext
    params: tuple[ir.Var, ...] = ()
    shared_plan: SharedPlan | None = None
    min_blocks: int = 0
    prelude: tuple[str, ...] = ()
    span: Any = None
    cluster: tuple[int, int, int] = (1, 1, 1)
    producer: ir.Stmt | None = None
    rings: tuple[Ring, ...] = ()
    spare_bytes: int = 0
    persistent: bool = False
    resized: bool = False
    raster: Rasterization | None = None
    rotated: bool = False
    may_alias: frozenset[str] = frozenset()
    keep_registers: bool = False
    cooperative: bool = False
    overlaps: bool = False
    source: str | None = None
    workspaces: tuple[ir.Var, ...] = ()
    zeroed: frozenset[str] = frozenset()
    declared: int = 0

    @property
    def tid(self) -> ir.Var:
        """The linear thread id."""
        return self.ctx.tid

    def config(self, key: str, default: Any = None) -> Any:
        """A pass configuration."""
        return self.ctx.pass_configs.get(key, default)

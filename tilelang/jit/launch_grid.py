"""How a kernel is launched: blocks, threads, clusters, shared memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tilelang.codegen.launch_plan import KernelLaunch, LaunchPlan
from tilelang.errors import ArgumentError, LaunchConfigError
from tilelang.runtime.arguments import evaluate, solve_symbols


@dataclass(frozen=True)
class LaunchGrid:
    """One launch with all numbers known.

    Parameters
    ----------
    grid, block, cluster : tuple of int
        Blocks of the grid, threads of a block, blocks of a cluster, along x, y, z.
    dynamic_smem : int
        Bytes of dynamic shared memory of a block.
    """

    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    cluster: tuple[int, int, int] = (1, 1, 1)
    dynamic_smem: int = 0

    @property
    def num_threads(self) -> int:
        """Threads of a block."""
        return self.block[0] * self.block[1] * self.block[2]

    @property
    def num_blocks(self) -> int:
        return self.grid[0] * self.grid[1] * self.grid[2]


GRID_LIMITS = (2**31 - 1, 65535, 65535)


class LaunchConfig:
    """The launches of a program, as expressions over its symbols.

    The grid is what `T.Kernel` says (automatic); under `T.Kernel(launch="manual")` it is what was assigned to `grid` last. Block
    sizes are part of the layouts, so they are fixed when a kernel is compiled: `kernel.with_block` compiles it for another.

    Parameters
    ----------
    plan : LaunchPlan
        Of the program.

    Examples
    --------
    >>> kernel.launch_config.grid = (n * (n + 1) // 2,)
    >>> kernel(A)
    """

    def __init__(self, plan: LaunchPlan) -> None:
        self.plan = plan
        self._names = [p.name for p in plan.parameters if p.grid]
        self._grid: tuple[int, ...] | None = None

    @property
    def manual(self) -> bool:
        """Whether the caller says how many blocks run."""
        return bool(self._names)

    @property
    def grid(self) -> Any:
        """Blocks along x, y, z: numbers, or expressions over symbols; None before a manual launch's was assigned."""
        if self.manual:
            return self._grid
        return self.plan.kernels[0].grid if len(self.plan.kernels) == 1 else None

    @grid.setter
    def grid(self, extents: Any) -> None:
        given = (extents,) if isinstance(extents, int) else tuple(extents)
        if not self.manual:
            raise LaunchConfigError(
                f"the grid of `{self.plan.name}` is what its T.Kernel says", fix='write T.Kernel(launch="manual") to assign it'
            )
        if len(given) != len(self._names):
            raise LaunchConfigError(
                f"grid={given}: `{self.plan.name}` has {len(self._names)} block indices", fix="give an extent for each of them"
            )
        for axis, extent, limit in zip("xyz", given, GRID_LIMITS):
            if isinstance(extent, bool) or not isinstance(extent, int) or not 0 <= extent <= limit:
                raise LaunchConfigError(
                    f"grid={given}: {extent!r} blocks along {axis}; at most {limit} can be launched there",
                    fix="put the longest axis first, or let a block process several tiles",
                )
        cluster = self.plan.kernels[0].cluster if len(self.plan.kernels) == 1 else (1, 1, 1)
        for axis, extent, size in zip("xyz", given, cluster):
            if extent % size:
                raise LaunchConfigError(f"grid={given}: {extent} blocks along {axis} are no multiple of the cluster's {size}")
        self._grid = given

    @property
    def block(self) -> Any:
        """Threads of a block along x, y, z; None for a program of several launches."""
        return self.plan.kernels[0].block if len(self.plan.kernels) == 1 else None

    @block.setter
    def block(self, extents: Any) -> None:
        raise LaunchConfigError(
            f"the block of `{self.plan.name}` fixes its layouts", fix="kernel.with_block(threads=...) compiles it for another"
        )

    def manual_extents(self) -> tuple[int, ...]:
        """The extents that a call passes.

        Raises
        ------
        LaunchConfigError
            Where none were assigned.
        """
        if self._grid is None:
            raise LaunchConfigError(
                f"`{self.plan.name}` is launched by hand, and nothing says with how many blocks",
                fix=f"assign kernel.launch_config.grid = ({', '.join(self._names)},)",
            )
        return self._grid

    def evaluate(self, **sizes: Any) -> LaunchGrid:
        """The launch for given sizes, without launching.

        Parameters
        ----------
        **sizes
            Symbols and scalar parameters by name (ints), or tensors' shapes by the parameter's name (sequences of int).

        Raises
        ------
        ArgumentError
            When a size is missing, and for a program of several launches: use `evaluate_all`.
        """
        found = self.evaluate_all(**sizes)
        if len(found) != 1:
            raise ArgumentError(f"`{self.plan.name}` has {len(found)} launches", fix="use launch_config.evaluate_all")
        return found[0]

    def evaluate_all(self, **sizes: Any) -> list[LaunchGrid]:
        """As `evaluate`, for every launch in order."""
        shapes: Mapping[str, Sequence[int]] = {n: tuple(v) for n, v in sizes.items() if not isinstance(v, (int, float))}
        scalars = {n: v for n, v in sizes.items() if isinstance(v, (int, float))}
        if self.manual:
            scalars.update(zip(self._names, self.manual_extents()))
        values = solve_symbols(self.plan, shapes, scalars)
        return [self._evaluate(kernel, values) for kernel in self.plan.kernels]

    def _evaluate(self, kernel: KernelLaunch, values: Mapping[str, Any]) -> LaunchGrid:
        try:
            x, y, z = (evaluate(extent, values) for extent in kernel.grid)
        except KeyError as symbol:
            raise ArgumentError(
                f"the grid of `{kernel.name}` depends on `{symbol.args[0]}`", fix=f"evaluate({symbol.args[0]}=...)"
            ) from None
        return LaunchGrid((x, y, z), kernel.block, kernel.cluster, kernel.shared_bytes)

"""How a kernel is launched: blocks, threads, clusters, shared memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tilelang.codegen.launch_plan import KernelLaunch, LaunchPlan
from tilelang.errors import ArgumentError
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


@dataclass(frozen=True)
class LaunchConfig:
    """The launches of a program, as expressions over its symbols.

    The grid is what `T.Kernel` says (automatic). Block sizes are part of the layouts, so they are fixed when a kernel is
    compiled.

    Parameters
    ----------
    plan : LaunchPlan
        Of the program.
    """

    plan: LaunchPlan

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

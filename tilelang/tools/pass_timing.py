"""How long each pass takes: `TILELANG_PASS_PROFILE=1`, `tl.pass_profile`, or `pass_timing(program)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tilelang.errors import SemanticError
from tilelang.log import logger
from tilelang.tools.observe import observe

if TYPE_CHECKING:
    from tilelang.engine import Compilation


class PassTime(NamedTuple):
    """One line of the table.

    Parameters
    ----------
    name : str
        The pass, or a step around the passes.
    seconds : float
        Over all launches, those that started over included.
    runs : int
        How many of them there were.
    """

    name: str
    seconds: float
    runs: int


@dataclass(frozen=True)
class PassTiming:
    """What a compilation spent its time on; prints as a table.

    Parameters
    ----------
    name : str
        The function.
    seconds : float
        The whole, from the tile program to the text; no compiler has run.
    passes : tuple of PassTime
        The longest first.
    """

    name: str
    seconds: float
    passes: tuple[PassTime, ...]

    def table(self, threshold_ms: float = 0.0) -> str:
        """The passes that took at least `threshold_ms`, the others in one line, the whole."""
        shown = [p for p in self.passes if p.seconds * 1e3 >= threshold_ms]
        hidden = self.passes[len(shown) :]
        rows = [*shown]
        if hidden:
            rows.append(PassTime(f"{len(hidden)} others", sum(p.seconds for p in hidden), sum(p.runs for p in hidden)))
        width = max((len(row.name) for row in rows), default=5)
        whole = self.seconds or 1.0
        lines = [f"{'pass':{width}}  {'ms':>9}  {'share':>6}  runs"]
        lines += [f"{r.name:{width}}  {r.seconds * 1e3:9.2f}  {r.seconds / whole:6.1%}  {r.runs:4}" for r in rows]
        return "\n".join([*lines, f"{'whole':{width}}  {self.seconds * 1e3:9.2f}"])

    def __str__(self) -> str:
        return self.table()


def pass_timing(
    program: Any, target: Any = None, pass_configs: Mapping[Any, Any] | None = None, *, repeat: int = 1
) -> PassTiming:
    """Compile a program to its text and measure each pass.

    Parameters
    ----------
    program : PrimFunc or JITKernel
    target, pass_configs : optional
        As for `tilelang.compile`.
    repeat : int
        Compile so often and keep the fastest: the first compilation of a process also imports.

    Examples
    --------
    >>> print(pass_timing(matmul.get_tir(1024, 1024, 1024), "cuda", repeat=3))
    """
    if repeat < 1:
        raise SemanticError(f"repeat={repeat}", fix="compile at least once")
    return min((timing_of(observe(program, target, pass_configs)) for _ in range(repeat)), key=lambda timing: timing.seconds)


def timing_of(compilation: Compilation) -> PassTiming:
    """The times that a compilation recorded."""
    seconds: dict[str, float] = {}
    runs: dict[str, int] = {}
    for run in compilation.runs:
        if run.name != "trace":  # the launch as it was found
            seconds[run.name] = seconds.get(run.name, 0.0) + run.seconds
            runs[run.name] = runs.get(run.name, 0) + 1
    passes = [PassTime(name, spent, runs[name]) for name, spent in seconds.items()]
    return PassTiming(compilation.name, compilation.seconds, tuple(sorted(passes, key=lambda p: -p.seconds)))


def report(compilation: Compilation, threshold_ms: float) -> None:
    """Log the table, as a warning: whoever asked for it sees it without setting a log level."""
    logger.warning("passes of `%s` for %s\n%s", compilation.name, compilation.target, timing_of(compilation).table(threshold_ms))

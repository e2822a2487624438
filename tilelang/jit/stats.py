"""Counters of kernels and of functions under `tilelang.jit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from tilelang.errors import ArgumentError


@dataclass
class KernelStats:
    """What a kernel took.

    Parameters
    ----------
    compile_s : float
        Seconds from the call to the kernel: tracing, lowering, compiling, or finding it in the cache.
    run_s : float
        Seconds of one call, as the profiler measured last; 0 before it did.
    h2d_bytes, d2h_bytes : int
        Bytes that `auto_device` moved to the GPU and back.
    moved_calls : int
        Calls for which it moved something.
    """

    compile_s: float = 0.0
    run_s: float = 0.0
    h2d_bytes: int = 0
    d2h_bytes: int = 0
    moved_calls: int = 0

    def break_even_calls(self, other_s: float, run_s: float | None = None) -> float:
        """After how many calls compiling has paid off, against an alternative.

        Parameters
        ----------
        other_s : float
            Seconds of one call of the alternative.
        run_s : float, optional
            Seconds of one call of the kernel; what the profiler measured, if None.

        Returns
        -------
        float
            Infinity when the kernel is not the faster one.
        """
        run_s = self.run_s if run_s is None else run_s
        if not run_s:
            raise ArgumentError("nothing says how long a call takes", fix="measure it: kernel.get_profiler().do_bench()")
        return self.compile_s / (other_s - run_s) if other_s > run_s else float("inf")


@dataclass
class CompilationStats:
    """How often a function's kernel was there already.

    Parameters
    ----------
    hits, misses : int
        Calls that found a kernel in this process, and calls that did not.
    compile_s : float
        Seconds spent on the misses.
    """

    hits: int = 0
    misses: int = 0
    compile_s: float = 0.0

    @property
    def hit_rate(self) -> float:
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 0.0


class Signature(NamedTuple):
    """One specialization of a function.

    Parameters
    ----------
    args : tuple
        (name, dtype, shape, role) of every parameter of the kernel.
    consts : Any
        The compile-time values that led to it; empty for a kernel that was compiled directly.
    target : str
        What it was compiled for.
    digest : str
        Of its text and launch plan.
    """

    args: tuple[tuple[str, str, tuple, str], ...]
    consts: Any
    target: str
    digest: str


def is_jitted(function: Any) -> bool:
    """Whether at least one kernel of `function` (a `tilelang.jit` function or a kernel) has been compiled."""
    return hasattr(function, "signatures") and bool(function.signatures)

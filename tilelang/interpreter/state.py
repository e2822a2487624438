"""Where the interpreter is: the block, the values of variables, the arrays of buffers, which threads or iterations run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tilelang import ir
from tilelang.errors import SourceSpan, UnsupportedError

PRIVATE = ("local", "local.var")  # every thread has its own


def refuse(what: str, span: SourceSpan | None, fix: str = 'run it with execution_backend="simulator"') -> UnsupportedError:
    """The error for a construct that the interpreter does not know."""
    return UnsupportedError(f"{what} cannot be interpreted", fix=fix, span=span)


@dataclass
class State:
    """One block.

    Attributes
    ----------
    values : dict
        Variables: NumPy scalars, or arrays with one entry a lane.
    arrays : dict
        Buffers; private ones have the thread as first axis.
    lanes : {"threads", "thread", "iterations"}
        What the entries of arrays are: the block's threads, nothing (one thread alone), or the iterations of a T.Parallel.
    inside, gone : array of bool, optional
        The lanes that took the branches around this statement, and those that left the loops around it.
    thread : int
        The one that runs alone.
    place : SourceSpan, optional
        The statement that runs.
    """

    threads: int
    values: dict[Any, Any] = field(default_factory=dict)
    arrays: dict[Any, np.ndarray] = field(default_factory=dict)
    lanes: str = "threads"
    inside: Any = None
    gone: Any = None
    thread: int = 0
    place: SourceSpan | None = None

    @contextlib.contextmanager
    def masked(self, condition: Any) -> Iterator[None]:
        """Only the lanes of `condition` run."""
        before = self.inside
        self.inside = condition if before is None else before & condition
        try:
            yield
        finally:
            self.inside = before

    @property
    def mask(self) -> Any:
        """The lanes that run; None for all."""
        if self.gone is None:
            return self.inside
        return ~self.gone if self.inside is None else self.inside & ~self.gone

    @contextlib.contextmanager
    def running(self, lanes: str, mask: Any = None, thread: int = 0) -> Iterator[None]:
        before = self.lanes, self.inside, self.gone, self.thread
        self.lanes, self.inside, self.gone, self.thread = lanes, mask, None, thread
        try:
            yield
        finally:
            self.lanes, self.inside, self.gone, self.thread = before

    def anyone(self) -> bool:
        return self.mask is None or bool(np.any(self.mask))

    def uniform(self, value: Any, what: str) -> Any:
        """The value that all running lanes agree on.

        Raises
        ------
        Divergent
            When they do not.
        """
        if np.ndim(value) == 0:
            return value
        value = np.asarray(value)
        running = value if self.mask is None else value[np.broadcast_to(self.mask, value.shape)]
        if running.size and (running == running.flat[0]).all():
            return running.flat[0]
        raise Divergent(what)

    def private(self, buf: Any) -> bool:
        return ir.scope_of(buf) in PRIVATE


class Divergent(Exception):
    """A value that statements of whole blocks need differs between threads."""

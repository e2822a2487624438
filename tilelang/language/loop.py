"""The documented place of the loops, which are in `loops` and `scheduler`."""

from __future__ import annotations

from .loops import Parallel, Pipelined, Serial, Unroll, Vectorized, serial, unroll, vectorized
from .scheduler import Persistent

__all__ = ["Parallel", "Persistent", "Pipelined", "Serial", "Unroll", "Vectorized", "serial", "unroll", "vectorized"]

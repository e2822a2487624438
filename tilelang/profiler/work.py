"""What a tile program does, counted before it is compiled: operations, bytes, threads, memory.

Counts are estimates where the program decides at run time: a loop whose length depends on the block runs as long as in the
middle block, and both sides of a branch count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tilelang._lazy import ir


@dataclass
class LaunchWork:
    """One launch.

    Attributes
    ----------
    blocks, threads : int
        Of the grid; of one block.
    matrix_operations : dict
        Multiplies and adds of gemms, by operand dtype.
    plain_operations : float
        Arithmetic outside of gemms.
    global_read, global_written : float
        Bytes between global memory and the multiprocessors, repeated reads included.
    pipelined_bytes : int
        Shared memory that the largest pipelined loop keeps in flight: a block needs at least this.
    accumulator_bytes : int
        Register tiles that gemms add to, in a block.
    fragment_bytes : int
        All register tiles of a block.
    narrowest_row : int
        Bytes of the shortest contiguous row that a tile copy moves; 0 without copies.
    stages : int
        The largest `num_stages`.
    matrix_rows : int
        Rows of the smallest gemm; 0 without gemms.
    """

    blocks: float = 1
    threads: int = 1
    matrix_operations: dict[str, float] = field(default_factory=dict)
    plain_operations: float = 0
    global_read: float = 0
    global_written: float = 0
    pipelined_bytes: int = 0
    accumulator_bytes: int = 0
    fragment_bytes: int = 0
    narrowest_row: int = 0
    stages: int = 0
    matrix_rows: int = 0

    @property
    def registers(self) -> float:
        """32-bit registers of one thread that accumulators alone take."""
        return self.accumulator_bytes / 4 / max(1, self.threads)


@dataclass
class Work:
    """A whole program.

    Attributes
    ----------
    launches : list of LaunchWork
        In order.
    footprint : float
        Bytes of all tensor parameters: the least that device memory must move when nothing is in the cache.
    """

    launches: list[LaunchWork]
    footprint: float

    @property
    def operations(self) -> float:
        return sum(sum(w.matrix_operations.values()) + w.plain_operations for w in self.launches)

    @property
    def traffic(self) -> float:
        return sum(w.global_read + w.global_written for w in self.launches)


def count_work(func: Any, values: Mapping[str, int] | None = None) -> Work:
    """Count what a tile program does.

    Parameters
    ----------
    func : PrimFunc
        The traced program.
    values : mapping, optional
        Values of symbolic dimensions, by name; one without a value counts as 1.
    """
    import tilelang.tileop.registry  # noqa: F401 - gemms and copies are recognised by their classes

    symbols = dict(values or {})
    launches = []
    for stmt in ir.statements(func.body):
        if isinstance(stmt, ir.AttrStmt) and stmt.attr_key == "thread_extent":
            counter = _counter_class()(symbols)
            counter.visit(stmt)
            launches.append(counter.finish())
    footprint = sum(_buffer_bytes(p, symbols) for p in func.params if ir.is_buffer_var(p))
    return Work(launches, footprint)


def _buffer_bytes(buf: Any, symbols: Mapping[str, float]) -> float:
    from tilelang.tileop.base import dtype_bits

    elements = math.prod(evaluate(extent, {}, symbols) for extent in ir.shape_of(buf))
    return elements * dtype_bits(ir.buffer_dtype(buf)) / 8


def evaluate(expr: Any, variables: Mapping[Any, float], symbols: Mapping[str, float]) -> float:
    """The value of an integer expression; a variable without a value, or a load, counts as 1."""
    constant = ir.const_int(expr)
    if constant is not None:
        return constant
    if isinstance(expr, ir.Var):
        return variables.get(expr, symbols.get(str(expr.name), 1))
    if isinstance(expr, ir.Cast):
        return evaluate(expr.value, variables, symbols)
    rule = _arithmetic().get(type(expr))
    if rule is None:
        return 1
    return rule(evaluate(expr.a, variables, symbols), evaluate(expr.b, variables, symbols))


def _arithmetic() -> dict[Any, Any]:
    return {
        ir.Add: lambda a, b: a + b,
        ir.Sub: lambda a, b: a - b,
        ir.Mul: lambda a, b: a * b,
        ir.FloorDiv: lambda a, b: a // b if b else 1,
        ir.Div: lambda a, b: a // b if b else 1,
        ir.FloorMod: lambda a, b: a % b if b else 1,
        ir.Min: min,
        ir.Max: max,
    }


def _counter_class() -> Any:
    """The visitor, made at first use: its base class is TVM's side of the house."""
    from tilelang.profiler.work_visitor import WorkVisitor

    return WorkVisitor

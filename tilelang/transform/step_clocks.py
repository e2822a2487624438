"""How long one iteration of a loop of matrix products keeps a Hopper multiprocessor busy: an estimate in clocks."""

from __future__ import annotations

from math import prod

from .. import ir
from ..tileop.base import as_tile_op, dtype_bits
from ..tileop.gemm import Gemm
from .parallel_nest import ParallelNest
from .units import is_parallel

# Multiply-adds a clock of one multiprocessor, 16-bit operands (H100 whitepaper: 989 TFLOP/s, 132 multiprocessors, 1.83 GHz).
PRODUCTS_16 = 2048
# Results a clock of one multiprocessor (CUDA C++ Programming Guide, "Arithmetic Instructions", compute capability 9.0).
SPECIAL_FUNCTIONS = 16
_SPECIAL = ("exp", "exp2", "exp10", "log", "log2", "log10", "tanh", "sigmoid", "rsqrt", "sqrt", "sin", "cos", "erf")


def step_clocks(body: ir.Stmt) -> int:
    """Matrix products and special functions of one iteration, one after the other."""
    return product_clocks(body) + special_clocks(body)


def product_clocks(body: ir.Stmt) -> int:
    """The matrix products of one iteration."""
    clocks = 0.0
    for stmt in ir.collect(body, ir.Evaluate):
        op = as_tile_op(stmt)
        if isinstance(op, Gemm):
            (m, k), n = op.a.shape, op.c.shape[1]  # of a sparse A the kept half: twice as fast
            clocks += m * n * k * dtype_bits(op.a.dtype) / 16 / PRODUCTS_16
    return round(clocks)


def special_clocks(body: ir.Stmt) -> int:
    """The special functions of one iteration."""
    clocks = 0.0
    for loop in ir.collect(body, ir.For):
        if is_parallel(loop):
            calls = [c for c in ir.collect(loop, ir.Call) if ir.call_name(c).rpartition(".")[2] in _SPECIAL]
            clocks += len(calls) * prod(ParallelNest.of(loop).extents) / SPECIAL_FUNCTIONS
    return round(clocks)

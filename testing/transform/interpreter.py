"""Runs a tile program on numpy arrays, one unit after the other.

Allocated buffers start as NaN. An asynchronous copy makes its destination NaN at once and moves its data as late as the
waits allow, so that a copy that is waited for too late, overwritten, or read early shows in the result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tilelang import ir
from tilelang.transform.effects import is_unit, wait_depth


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


_BINARY = {
    ir.Add: lambda a, b: a + b,
    ir.Sub: lambda a, b: a - b,
    ir.Mul: lambda a, b: a * b,
    ir.FloorDiv: lambda a, b: a // b,
    ir.FloorMod: lambda a, b: a % b,
    ir.Min: min,
    ir.Max: max,
    ir.EQ: lambda a, b: a == b,
    ir.NE: lambda a, b: a != b,
    ir.LT: lambda a, b: a < b,
    ir.LE: lambda a, b: a <= b,
    ir.GT: lambda a, b: a > b,
    ir.GE: lambda a, b: a >= b,
    ir.And: lambda a, b: a and b,
    ir.Or: lambda a, b: a or b,
}


class Interpreter:
    """`arrays`: numpy arrays of the global buffers (modified); `scalars`: values of free variables.

    `observe(stmt, values)` is called before each unit with the current values of all scalars.
    """

    def __init__(self, arrays: Mapping, scalars: Mapping, observe=None) -> None:
        self.arrays, self.values = dict(arrays), dict(scalars)
        self.open, self.groups = [], []
        self.observe = observe

    def run(self, body) -> None:
        self.stmt(body)
        assert not any(group for group in [*self.groups, self.open]), "asynchronous copies were never waited for"

    # ------------------------------------------------------------------ expressions

    def expr(self, e):
        if isinstance(e, (int, float)):
            return e
        if isinstance(e, (ir.IntImm, ir.FloatImm)):
            return e.value
        if isinstance(e, ir.BufferLoad):
            return self.arrays[e.source][tuple(int(self.expr(i)) for i in e.indices)]
        if isinstance(e, ir.Not):
            return not self.expr(e.a)
        if isinstance(e, ir.Cast):
            return self.expr(e.value)
        if type(e) in _BINARY:
            return _BINARY[type(e)](self.expr(e.a), self.expr(e.b))
        return self.values[e]

    def box(self, region):
        """(array, start, extent) of a region."""
        starts = [int(self.expr(r.min)) for r in region.region]
        return self.arrays[region.source], starts, [int(self.expr(r.extent)) for r in region.region]

    @staticmethod
    def read(box):
        array, starts, extents = box
        out = np.zeros(extents)
        slices = [slice(max(0, s), max(0, min(s + n, size))) for s, n, size in zip(starts, extents, array.shape)]
        part = array[tuple(slices)]
        out[tuple(slice(max(0, -s), max(0, -s) + n) for s, n in zip(starts, part.shape))] = part
        return out

    @staticmethod
    def write(box, value):
        array, starts, extents = box
        value = np.broadcast_to(value, extents) if np.ndim(value) == 0 else np.reshape(value, extents)
        slices = [slice(s, min(s + n, size)) for s, n, size in zip(starts, extents, array.shape)]
        array[tuple(slices)] = value[tuple(slice(0, max(0, s.stop - s.start)) for s in slices)]

    # ------------------------------------------------------------------ statements

    def stmt(self, s) -> None:
        if is_unit(s) and self.observe is not None:
            self.observe(s, self.values)
            if isinstance(s, ir.For):  # a nest is one unit: its inside is not observed
                observe, self.observe = self.observe, None
                self.loop(s)
                self.observe = observe
                return
        if isinstance(s, ir.SeqStmt):
            for part in s.seq:
                self.stmt(part)
        elif isinstance(s, ir.AllocBuffer):
            self.arrays[s.buffer] = np.full(ir.static_shape(s.buffer), math.nan)
        elif isinstance(s, ir.For):
            self.loop(s)
        elif isinstance(s, ir.While):
            while self.expr(s.condition):
                try:
                    self.stmt(s.body)
                except _Continue:
                    continue
                except _Break:
                    break
        elif isinstance(s, ir.IfThenElse):
            if self.expr(s.condition):
                self.stmt(s.then_case)
            elif s.else_case is not None:
                self.stmt(s.else_case)
        elif isinstance(s, ir.Bind):
            self.values[s.var] = self.expr(s.value)
        elif isinstance(s, ir.BufferStore):
            self.arrays[s.buffer][tuple(int(self.expr(i)) for i in s.indices)] = self.expr(s.value)
        elif isinstance(s, ir.Break):
            raise _Break
        elif isinstance(s, ir.Continue):
            raise _Continue
        elif not ir.is_noop(s):
            self.call(s)

    def loop(self, s) -> None:
        start, extent = int(self.expr(s.min)), int(self.expr(s.extent))
        for value in range(start, start + extent, 1 if s.step is None else int(self.expr(s.step))):
            self.values[s.loop_var] = value
            try:
                self.stmt(s.body)
            except _Continue:
                continue
            except _Break:
                break

    def call(self, s) -> None:
        name, args = ir.call_name(s.value), s.value.args
        attrs = dict(s.value.attrs.items()) if s.value.attrs is not None else {}
        if name == "tl.copy":
            source, target = self.box(args[0]), self.box(args[1])
            if attrs.get("async_group"):
                self.write(target, math.nan)
                self.open.append(lambda: self.write(target, self.read(source)))
            else:
                self.write(target, self.read(source))
        elif name == "tl.fill":
            self.write(self.box(args[0]), self.expr(args[1]))
        elif name == "tl.gemm":
            a, b = (np.squeeze(self.read(self.box(r)), tuple(range(len(r.region) - 2))) for r in args[:2])
            c = self.box(args[2])
            self.write(c, self.read(c) + a @ (b.T if attrs["transpose_B"] else b))
        elif name == "tl.cp_async_commit":
            self.groups.append(self.open)
            self.open = []
        elif name == "tl.cp_async_wait":
            depth = wait_depth(s)
            done, self.groups = self.groups[: len(self.groups) - depth], self.groups[len(self.groups) - depth :] if depth else []
            for group in done:
                for finish in group:
                    finish()
        elif name not in ("tl.sync_threads", "tl.annotate_layout"):
            raise AssertionError(f"the interpreter has no {name}")

"""Runs the statements of a launch, block by block."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tilelang import ir
from tilelang.errors import SimulationError
from tilelang.interpreter.dtypes import cast, numpy_dtype
from tilelang.interpreter.effects import EFFECTS
from tilelang.interpreter.expressions import Evaluator, base_name
from tilelang.interpreter.memory import scatter
from tilelang.interpreter.operators import OPERATORS, attribute
from tilelang.interpreter.state import Divergent, State, refuse

if TYPE_CHECKING:
    from tilelang.interpreter.breakpoints import Breakpoint
    from tilelang.transform.kernel_program import KernelProgram


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Machine:
    """Interprets one launch.

    Parameters
    ----------
    program : KernelProgram
        As it was traced.
    values : mapping
        Symbols and scalar arguments.
    arrays : mapping
        Tensors and workspaces.
    breakpoints : sequence of Breakpoint
        Those of the function, by number.
    """

    def __init__(
        self, program: KernelProgram, values: Mapping[Any, Any], arrays: Mapping[Any, np.ndarray], breakpoints: list[Breakpoint]
    ) -> None:
        self.program, self.breakpoints = program, breakpoints
        self._values, self._arrays = dict(values), dict(arrays)
        self.reducers: dict[Any, str] = {}
        self._broken: list[Any] = []  # of each loop, the lanes that left it

    def run(self) -> None:
        """All blocks, in order; x is fastest."""
        x, y, z = self.program.block
        threads = np.arange(x * y * z, dtype=np.int32)
        places = (threads % x, threads // x % y, threads // (x * y))
        self._start(x * y * z, {})
        grid = [self.integer(extent, "the grid") for extent in self.program.grid]
        for block in itertools.product(*(range(n) for n in reversed(grid))):
            own = dict(zip(self.program.block_vars, (np.int32(i) for i in reversed(block))))
            for var, place, extent in zip(self.program.thread_vars, places, (x, y, z)):
                own[var] = place if extent > 1 else np.int32(0)
            own[self.program.ctx.tid] = threads if threads.size > 1 else np.int32(0)
            self._start(x * y * z, own)
            self.execute(self.program.body)

    def _start(self, threads: int, own: Mapping[Any, Any]) -> None:
        self.state = State(threads, {**self._values, **own}, dict(self._arrays))
        self.evaluate = Evaluator(self.state, self)

    def integer(self, expr: Any, what: str) -> int:
        return self.evaluate.integer(expr, what)

    def allocate(self, buf: Any) -> None:
        """A buffer with bytes that no program should read: NaN, or a large number."""
        shape = tuple(self.integer(s, "a shape") for s in buf.ty.shape)
        shape = (self.state.threads, *shape) if self.state.private(buf) else shape
        dtype = numpy_dtype(ir.buffer_dtype(buf))
        array = np.empty(shape, dtype)
        array.reshape(-1).view(np.uint8)[...] = 1 if dtype.kind == "b" else 0x7F if dtype.kind in "iu" else 0xFF
        self.state.arrays[buf] = array

    # -- statements ---------------------------------------------------------------------------------------------------
    def execute(self, stmt: Any) -> None:
        if not self.state.anyone():
            return
        place = ir.span_to_source(stmt.span) if stmt.span is not None else None
        self.state.place = place or self.state.place
        try:
            getattr(self, f"_{type(stmt).__name__}", self._unknown)(stmt)
        except Divergent as what:
            if self.state.lanes != "threads":
                raise refuse(f"`{what}`, which differs between iterations of T.Parallel,", self.state.place) from None
            for thread in self._running():
                with self._alone(thread):
                    self.execute(stmt)

    def _unknown(self, stmt: Any) -> None:
        raise refuse(f"the statement {type(stmt).__name__}", self.state.place)

    def _SeqStmt(self, stmt: Any) -> None:
        for inner in stmt.seq:
            self.execute(inner)

    def _AllocBuffer(self, stmt: Any) -> None:
        self.allocate(stmt.buffer)

    def _AttrStmt(self, stmt: Any) -> None:
        self.execute(stmt.body)

    def _Bind(self, stmt: Any) -> None:
        value = self.evaluate(stmt.value)
        before = self.state.values.get(stmt.var)
        if self.state.mask is not None and before is not None and np.ndim(before):
            value = np.where(self.state.mask, value, before)
        self.state.values[stmt.var] = value

    def _BufferStore(self, stmt: Any) -> None:
        state, buf = self.state, stmt.buffer
        index = tuple(self.evaluate(i) for i in stmt.indices)
        if state.lanes == "iterations" and not state.private(buf) and self._accumulates(stmt, index):
            for lane in self._running():
                with self._alone(lane):
                    self._BufferStore(stmt)
            return
        value = cast(self.evaluate(stmt.value), ir.buffer_dtype(buf))
        array = state.arrays[buf]
        if not state.private(buf):
            mask = state.mask if any(map(np.ndim, (*index, value))) else None
            scatter(array, index, value, mask)
        elif state.lanes == "thread":
            scatter(array[state.thread], index, value, None)
        else:
            scatter(array, (np.arange(state.threads), *index), value, state.mask)

    def _accumulates(self, stmt: Any, index: tuple) -> bool:
        """Whether iterations store to one element what they read from it."""
        loads = [load for load in ir.collect(stmt.value, ir.BufferLoad) if load.source.same_as(stmt.buffer)]
        if not loads:
            return False
        lanes = next((v.size for v in self.state.values.values() if np.ndim(v)), 1)
        places = np.stack([np.broadcast_to(i, (lanes,)) for i in index])
        return np.unique(places, axis=1).shape[1] < lanes

    def _IfThenElse(self, stmt: Any) -> None:
        condition = self.evaluate(stmt.condition)
        if np.ndim(condition) == 0:
            chosen = stmt.then_case if condition else stmt.else_case
            if chosen is not None:
                self.execute(chosen)
            return
        with self.state.masked(condition):
            self.execute(stmt.then_case)
        if stmt.else_case is not None:
            with self.state.masked(np.logical_not(condition)):
                self.execute(stmt.else_case)

    def _For(self, stmt: Any) -> None:
        if int(stmt.kind) == int(ir.ForKind.PARALLEL) and not self._stores_privately(stmt):
            self._parallel(stmt)
            return
        start, extent = self.evaluate(stmt.min), self.evaluate(stmt.extent)
        step = 1 if stmt.step is None else self.integer(stmt.step, "a step")
        dtype = numpy_dtype(ir.dtype_of(stmt.loop_var))
        with self._loop():
            for count in range(0, int(np.max(extent)) if np.size(extent) else 0, step):
                self.state.values[stmt.loop_var] = (np.asarray(start) + count).astype(dtype)[()]
                with self.state.masked(count < extent) if np.ndim(extent) else contextlib.nullcontext():
                    if not self._iterate(stmt.body):
                        break

    def _While(self, stmt: Any) -> None:
        with self._loop():
            while self.state.anyone():
                condition = self.evaluate(stmt.condition)
                if np.ndim(condition) == 0:
                    if not condition or not self._iterate(stmt.body):
                        return
                    continue
                with self.state.masked(condition):
                    if not self.state.anyone() or not self._iterate(stmt.body):
                        return

    @contextlib.contextmanager
    def _loop(self) -> Iterator[None]:
        before = self.state.gone
        self._broken.append(None)
        try:
            yield
        finally:
            self._broken.pop()
            self.state.gone = before

    def _iterate(self, body: Any) -> bool:
        """One iteration; False when all lanes left."""
        before = self.state.gone
        try:
            self.execute(body)
        except _Continue:
            pass
        except _Break:
            return False
        broken = self._broken[-1]
        self.state.gone = broken if before is None else before if broken is None else before | broken
        return self.state.anyone()

    def _Break(self, stmt: Any) -> None:
        self._leave(_Break())

    def _Continue(self, stmt: Any) -> None:
        self._leave(_Continue())

    def _leave(self, how: Exception) -> None:
        leaving = self.state.mask
        if leaving is None:
            raise how
        if isinstance(how, _Break):
            broken = self._broken[-1]
            self._broken[-1] = leaving if broken is None else broken | leaving
        self.state.gone = leaving if self.state.gone is None else self.state.gone | leaving

    def _AssertStmt(self, stmt: Any) -> None:
        self.check(stmt.condition, "assertion failed")

    def check(self, condition: Any, message: str) -> None:
        holds = self.evaluate(condition)
        if self.state.mask is not None:
            holds = holds | ~self.state.mask
        if not np.all(holds):
            raise SimulationError(message or "a device assertion does not hold", span=self.state.place)

    def _Evaluate(self, stmt: Any) -> None:
        call = stmt.value
        if not isinstance(call, ir.Call):
            return
        name = ir.call_name(call)
        if name == "tl.breakpoint":
            self.breakpoints[int(call.args[0].value)].stop(self)
        elif name == "tl.device_assert":
            self.check(call.args[0], str(attribute(call, "msg", "")))
        elif name in OPERATORS:
            OPERATORS[name](self, call)
        elif base_name(call) in EFFECTS:
            EFFECTS[base_name(call)](self, call, False)
        else:
            self.evaluate(call)

    # -- T.Parallel ---------------------------------------------------------------------------------------------------
    def _stores_privately(self, stmt: Any) -> bool:
        """Whether a nest is each thread's own loops: it stores into nothing but the threads' own arrays."""
        stores = ir.collect(stmt.body, ir.BufferStore)
        return bool(stores) and all(self.state.private(store.buffer) for store in stores)

    def _parallel(self, stmt: Any) -> None:
        loops = [stmt]
        while isinstance(loops[-1].body, ir.For) and int(loops[-1].body.kind) == int(ir.ForKind.PARALLEL):
            loops.append(loops[-1].body)
        starts = [self.integer(loop.min, "where T.Parallel starts") for loop in loops]
        extents = [self.integer(loop.extent, "the extent of T.Parallel") for loop in loops]
        if 0 in extents:
            return
        before = dict(self.state.values)
        grids = np.indices(extents, dtype=np.int32).reshape(len(extents), -1)
        for loop, start, grid in zip(loops, starts, grids):
            self.state.values[loop.loop_var] = (grid + start).astype(numpy_dtype(ir.dtype_of(loop.loop_var)))
        size = grids.shape[1]
        for var, value in before.items():  # what differs between threads has no meaning here
            if np.ndim(value):
                del self.state.values[var]
        try:
            with self.state.running("iterations", np.ones(size, bool)), self._loop():
                self._iterate(loops[-1].body)
        finally:
            self.state.values.clear()
            self.state.values.update(before)

    # -- one lane -----------------------------------------------------------------------------------------------------
    def _running(self) -> Iterator[int]:
        sizes = (v.size for v in self.state.values.values() if np.ndim(v))
        size = self.state.threads if self.state.lanes == "threads" else next(sizes, 1)
        mask = self.state.mask
        yield from range(size) if mask is None else np.flatnonzero(np.broadcast_to(mask, (size,))).tolist()

    @contextlib.contextmanager
    def _alone(self, lane: int) -> Iterator[None]:
        """One thread, or one iteration, with scalars for values."""
        before = dict(self.state.values)
        self.state.values.update({var: value[lane] for var, value in before.items() if np.ndim(value)})
        try:
            with self.state.running("thread" if self.state.lanes == "threads" else "iterations", None, lane):
                yield
        finally:
            self.state.values.clear()
            self.state.values.update(before)

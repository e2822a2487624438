"""Code that speaks of single threads runs as loops over the threads, between barriers.

Before: `s[tx] = A[tx]; sync_threads(); B[tx] = s[127 - tx]`
After:  `for tx in range(128): s[tx] = A[tx]` and then `for tx in range(128): B[tx] = s[127 - tx]`

A barrier, a tile operator or a parallel nest is the whole block's work; what stands between two of them and differs from thread
to thread is done for one thread after the other ("MCUDA": Stratton, Stone, Hwu, LCPC 2008). A thread's own variable that lives
across such a border gets an element for each thread. Loops and branches around borders must be the same for all threads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ... import ir
from ...errors import UnsupportedError
from ...tileop.base import as_tile_op
from ...tileop.elementwise import ElementwiseOp
from ..kernel_program import KernelProgram
from ..parallel_nest import ParallelNest
from ..uniformity import Uniformity
from ..units import is_parallel
from .lower_tiles import BARRIERS

_PRIVATE = ("local", "local.var")


def serialize_threads(program: KernelProgram) -> KernelProgram:
    """Loops over the threads around code that depends on them; tile programs pass unchanged."""
    threads = {program.tid, *program.thread_vars}
    known = Uniformity(program.body, threads)
    body = _PrivateOperators(known).body(program.body)
    if program.ctx.num_threads == 1:
        zero = {v: ir.const(0, ir.dtype_of(v)) for v in threads}
        return replace(program, body=ir.substitute(body, zero))
    body = _SpillValues(known).body(body)
    split = _Split(program, known)
    return replace(program, body=split.finish(split.block(body)))


class _PrivateOperators(ir.Mutator):
    """Copies and fills of arrays that differ between threads are what each thread does for itself."""

    def __init__(self, known: Uniformity) -> None:
        super().__init__()
        self.known = known

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        op = as_tile_op(node)
        if not isinstance(op, ElementwiseOp):
            return node
        effects = op.effects()
        buffers = [r.source for r in (*effects.reads, *effects.writes)]
        if not any(ir.scope_of(b) in _PRIVATE and b in self.known.varying for b in buffers):
            return node
        return _thread_loops(op.nest())


class _SpillValues(ir.Mutator):
    """Scalars that come from memory or atomics, and differ between threads, become variables: a later region of the thread may
    not compute them again.

    Before: `x = s[tx]`
    After:  `var x; x = s[tx]`, and loads of it
    """

    def __init__(self, known: Uniformity) -> None:
        super().__init__()
        self.known = known
        self.variables: dict[ir.Var, ir.Var] = {}

    def visit_For(self, node: ir.For) -> Any:
        return node if is_parallel(node) else self.descend(node)

    def visit_Bind(self, node: ir.Bind) -> Any:
        value = self.visit(node.value)
        if node.var in self.known.varying and ir.contains(value, (ir.BufferLoad, ir.Call)) and ir.dtype_of(value) != "handle":
            variable = ir.buffer((1,), ir.dtype_of(value), str(node.var.name), "local.var")
            self.variables[node.var] = variable
            self.known.varying.add(variable)
            return ir.seq([ir.alloc(variable, node.span), ir.BufferStore(variable, value, [0], node.span)])
        return node if value.same_as(node.value) else ir.Bind(node.var, value, node.span)

    def visit_Var(self, node: ir.Var) -> Any:
        variable = self.variables.get(node)
        return node if variable is None else ir.load(variable, [0])


def _thread_loops(nest: ParallelNest) -> ir.Stmt:
    body = nest.body
    for var, extent in reversed(list(zip(nest.vars, nest.extents))):
        body = ir.For(var, ir.const(0), ir.const(extent), ir.ForKind.SERIAL, body, span=nest.span)
    return body


def _is_border(stmt: Any) -> bool:
    """True for what all threads of the block do together."""
    if is_parallel(stmt) or as_tile_op(stmt) is not None:
        return True
    return isinstance(stmt, ir.Evaluate) and isinstance(stmt.value, ir.Call) and ir.call_name(stmt.value) in BARRIERS


class _Split:
    def __init__(self, program: KernelProgram, known: Uniformity) -> None:
        self.program, self.known = program, known
        self.regions: list[_Region] = []
        self.binds: dict[ir.Var, Any] = {}  # values that a thread can compute anew in each region
        self.loops = 0  # around the statement under way

    # ------------------------------------------------------------------ what is what

    def _holds_border(self, stmt: ir.Stmt) -> bool:
        return any(_is_border(s) for s in ir.collect(stmt, (ir.For, ir.Evaluate)))

    def _is_threads(self, stmt: ir.Stmt) -> bool:
        """True for statements that threads do each for themselves; the others are done once."""
        found: list[Any] = []
        ir.walk(stmt, found.append)
        for node in found:
            if isinstance(node, ir.Var) and node in self.known.varying:
                return True
            if isinstance(node, (ir.BufferLoad, ir.BufferStore, ir.AllocBuffer)):
                buf = node.source if isinstance(node, ir.BufferLoad) else node.buffer
                if buf in self.known.varying:
                    return True
            if isinstance(node, ir.Call) and ir.call_name(node).startswith(("tl.atomic", "tirx.call_extern")):
                return True
        return False

    def _require_uniform(self, value: Any, stmt: Any, what: str) -> None:
        if not self.known.is_uniform(value):
            raise UnsupportedError(
                f"{what} differs between the threads of a block, and the block's common work stands inside it",
                fix='move T.copy, T.gemm, T.Parallel and barriers out of it, or use target="cuda"',
                span=ir.span_to_source(stmt.span),
            )

    # ------------------------------------------------------------------ the walk

    def block(self, stmt: ir.Stmt) -> ir.Stmt:
        """The statements of a sequence, those of threads gathered into regions."""
        out: list[ir.Stmt] = []
        region: list[ir.Stmt] = []

        def close() -> None:
            if region:
                out.append(self._region(list(region)))
                region.clear()

        for part in ir.statements(stmt):
            if isinstance(part, ir.AllocBuffer):
                out.append(part)  # `finish` moves it into its region, or gives it an element for each thread
            elif self._holds_border(part):
                close()
                out.append(self._around_border(part))
            elif self._is_threads(part):
                region.append(part)
            else:
                close()
                out.append(part)
        close()
        return ir.seq(out)

    def _around_border(self, stmt: ir.Stmt) -> ir.Stmt:
        if _is_border(stmt):
            self._check_border(stmt)
            return stmt
        if isinstance(stmt, ir.For):
            for bound in (stmt.min, stmt.extent, ir.as_expr(1) if stmt.step is None else stmt.step):
                self._require_uniform(bound, stmt, "a loop's bound")
            return ir.For(
                stmt.loop_var, stmt.min, stmt.extent, stmt.kind, self._iteration(stmt.body),
                stmt.thread_binding, stmt.annotations, stmt.step, stmt.span,
            )  # fmt: skip
        if isinstance(stmt, ir.While):
            self._require_uniform(stmt.condition, stmt, "a loop's condition")
            return ir.While(stmt.condition, self._iteration(stmt.body), stmt.span)
        if isinstance(stmt, ir.IfThenElse):
            self._require_uniform(stmt.condition, stmt, "a condition")
            other = None if stmt.else_case is None else self.block(stmt.else_case)
            return ir.IfThenElse(stmt.condition, self.block(stmt.then_case), other, stmt.span)
        return self.block(stmt)

    def _iteration(self, body: ir.Stmt) -> ir.Stmt:
        self.loops += 1
        new = self.block(body)
        self.loops -= 1
        return new

    def _check_border(self, stmt: ir.Stmt) -> None:
        inner = ir.bound_vars(stmt)
        for var in ir.collect(stmt, ir.Var):
            if var in self.known.varying and var not in inner and not ir.is_buffer_var(var):
                raise UnsupportedError(
                    f"`{var.name}` differs between the threads of a block, and work of the whole block depends on it",
                    fix='use the block\'s indices and the loop variables of T.Parallel, or target="cuda"',
                    span=ir.span_to_source(stmt.span),
                )
        if isinstance(stmt, ir.Evaluate) and ir.is_call(stmt.value, "tl.sync_threads") and len(stmt.value.args) > 1:
            count = ir.const_int(stmt.value.args[1])
            if count != self.program.ctx.num_threads:
                raise UnsupportedError(
                    f"a barrier of {stmt.value.args[1]} of the block's {self.program.ctx.num_threads} threads",
                    fix='let all threads meet, or use target="cuda"',
                    span=ir.span_to_source(stmt.span),
                )

    # ------------------------------------------------------------------ regions

    def _region(self, parts: list[ir.Stmt]) -> ir.Stmt:
        """One loop over the threads; values of earlier regions that it needs are computed anew."""
        body = ir.seq(parts)
        used = set(ir.collect(body, ir.Var))
        own = {n.var for n in ir.collect(body, ir.Bind)}
        needed: list[ir.Stmt] = []
        for var in reversed(list(self.binds)):
            if var in used and var not in own:
                needed.insert(0, ir.Bind(var, self.binds[var]))
                used |= set(ir.collect(self.binds[var], ir.Var))
        self.binds.update((part.var, part.value) for part in parts if isinstance(part, ir.Bind))
        region = _Region(ir.seq([*needed, body]), self.loops, len(self.regions))
        self.regions.append(region)
        return region.place

    def finish(self, body: ir.Stmt) -> ir.Stmt:
        """Put the regions into the program, with the variables that belong to one of them inside it."""
        uses: dict[ir.Var, list[_Region | None]] = {}
        for region in self.regions:
            for buf in _buffers(region.body):
                uses.setdefault(buf, []).append(region)
        for buf in _buffers(body):
            uses.setdefault(buf, []).append(None)
        private = {b: u for b, u in uses.items() if ir.scope_of(b) in _PRIVATE and b in self.known.varying}
        # An iteration of T.Parallel has its variables to itself, whatever thread runs it.
        iterations = [loop for loop in ir.collect(body, ir.For) if is_parallel(loop)]
        inner_ones = {buf for loop in iterations for buf in ir.declared_buffers(loop)}
        allocated = {n.buffer: n for n in ir.collect(body, ir.AllocBuffer) if n.buffer not in inner_ones}
        expanded: dict[ir.Var, ir.Var] = {}
        inside: dict[ir.Var, _Region] = {}
        for buf, places in private.items():
            if buf not in allocated:
                continue
            only = places[0]
            # A loop around the region may carry its value from one iteration to the next.
            if len(places) == 1 and only is not None and (not only.loops or _written_first(only.body, buf)):
                inside[buf] = only
            else:
                shape = (self.program.ctx.num_threads, *ir.shape_of(buf))
                expanded[buf] = ir.buffer(shape, ir.buffer_dtype(buf), str(buf.name), "local", span=buf.span)
        loops: dict[Any, ir.Stmt] = {}
        for region in self.regions:
            mine = [allocated[b] for b, r in inside.items() if r is region]
            inner = _Expand(expanded, self.program.tid).body(region.body)
            loops[region.key] = self._thread_loop(ir.seq([*mine, inner]))
        return _Assemble(loops, set(inside), expanded).body(body)

    def _thread_loop(self, body: ir.Stmt) -> ir.Stmt:
        program, span = self.program, ir.statements(body)[0].span
        if _prints(body):
            axes = [v if n > 1 else ir.const(0) for v, n in zip(program.thread_vars, program.block)]
            body = ir.seq([ir.evaluate(ir.call("tl.set_thread", axes)), body])
        x, y, z = program.block
        if program.tid not in program.thread_vars:
            tx, ty, tz = (v if n > 1 else ir.const(0) for v, n in zip(program.thread_vars, program.block))
            body = ir.seq([ir.Bind(program.tid, tx + x * (ty + y * tz)), body])
        for var, extent in zip(program.thread_vars, (x, y, z)):
            if extent > 1 or var.same_as(program.tid):
                body = ir.For(var, ir.const(0), ir.const(extent), ir.ForKind.SERIAL, body, span=span)
        return body


class _Region:
    """A loop over threads to be; `place` stands for it until all of them are known."""

    def __init__(self, body: ir.Stmt, loops: int, key: int) -> None:
        self.body, self.loops, self.key = body, loops, key
        self.place = ir.evaluate(ir.call("tl.thread_region", [ir.const(self.key)]))


class _Assemble(ir.Mutator):
    def __init__(self, loops: dict[Any, ir.Stmt], moved: set[ir.Var], expanded: dict[ir.Var, ir.Var]) -> None:
        super().__init__()
        self.loops, self.moved, self.expanded = loops, moved, expanded

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if ir.is_call(node.value, "tl.thread_region"):
            return self.loops[ir.const_int(node.value.args[0])]
        return node

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        if node.buffer in self.moved:
            return None
        array = self.expanded.get(node.buffer)
        return node if array is None else ir.alloc(array, node.span)


class _Expand(ir.Mutator):
    """Accesses of a thread's own variable go to the thread's element."""

    def __init__(self, arrays: dict[ir.Var, ir.Var], tid: ir.Var) -> None:
        super().__init__()
        self.arrays, self.tid = arrays, tid

    def visit_BufferLoad(self, node: ir.BufferLoad) -> Any:
        indices, _ = self.visit_list(node.indices)
        array = self.arrays.get(node.source)
        return ir.load(node.source if array is None else array, indices if array is None else [self.tid, *indices], node.span)

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        indices, _ = self.visit_list(node.indices)
        array, value = self.arrays.get(node.buffer), self.visit(node.value)
        if array is None:
            return ir.BufferStore(node.buffer, value, indices, node.span)
        return ir.BufferStore(array, value, [self.tid, *indices], node.span)


def _buffers(stmt: Any) -> set[ir.Var]:
    found: set[ir.Var] = set()

    def note(node: Any) -> None:
        if isinstance(node, (ir.BufferLoad, ir.BufferRegion)):
            found.add(node.source)
        elif isinstance(node, ir.BufferStore):
            found.add(node.buffer)

    ir.walk(stmt, note)
    return found


def _written_first(body: ir.Stmt, buf: ir.Var) -> bool:
    """True if the region itself sets the one value of `buf` before anything reads it."""
    if ir.scope_of(buf) != "local.var":
        return False
    for part in ir.statements(body):
        if isinstance(part, ir.BufferStore) and part.buffer.same_as(buf):
            return buf not in _buffers(part.value)
        if buf in _buffers(part):
            return False
    return False


def _prints(body: ir.Stmt) -> bool:
    return any(ir.call_name(c) == "tl.print" for c in ir.collect(body, ir.Call))

"""Serve the consecutive iterations of a vector loop with wide loads and stores.

A statement `C[b + v] = f(A[c + v], r[v])` over `v < V` becomes: wide loads of A into a small array, a loop that computes into
another, wide stores to C. What is not provably contiguous, aligned and guarded alike stays an element loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import ir
from ..tileop.base import LoweringContext, dtype_bits
from .effects import accesses_within
from .loop_nest import conjunction
from .nest_load import CP_ASYNC_BYTES
from .part_lane import part_lane
from .unpack_codes import CodeTable, UnpackCodes
from .vector_width import MAX_VECTOR_BYTES, is_aligned, packed_run, widest_addition

_MEMORY = ("global", "shared.dyn", "shared")
_MOVABLE_CALLS = ("prim.if_then_else", "tirx.reinterpret", "prim.reinterpret")


def vectorize(
    body: ir.Stmt,
    var: ir.Var,
    extent: int,
    ctx: LoweringContext,
    ranges: Mapping[ir.Var, Any],
    asynchronous: bool = False,
) -> ir.Stmt:
    """All `extent` iterations of `body` over `var`, which are independent of one another.

    Where they are `asynchronous`, stores from global to shared memory are cp.async as far as it can move them.

    Bounds that a vector may straddle (the end of a tensor of 4093 elements) are tested once for the whole vector: full ones
    move wide, the last one element by element.
    """
    vectorizer = _Vectorizer(body, var, extent, ctx, ranges)
    vectorizer.asynchronous = asynchronous and ctx.target.limits.has_cp_async
    limits = vectorizer.straddled(body)
    if not limits or not vectorizer.moves_wide(body):
        return vectorizer.statement(body)
    full = conjunction([vectorizer.holds_for_all(c) for c in limits])
    wide = vectorizer.statement(_Assume(limits).body(body))
    return ir.IfThenElse(full, wide, vectorizer.elements(body), body.span)


@dataclass(frozen=True)
class _Vector:
    """A run of elements from `indices` (the vector variable at 0), one for `pack` iterations, moved `width` at a time."""

    buffer: ir.Var
    indices: tuple[Any, ...]
    width: int
    pack: int = 1


class _Vectorizer:
    asynchronous = False

    def __init__(self, body: ir.Stmt, var: ir.Var, extent: int, ctx: LoweringContext, ranges: Mapping[ir.Var, Any]) -> None:
        self.var, self.extent, self.ctx = var, extent, ctx
        self.written = {ctx.root(a.buffer) for a in accesses_within(body) if a.write}
        # The vector variable is left out: indices are compared at its value 0.
        self.analyzer = ctx.analyzer({v: r for v, r in ranges.items() if not v.same_as(var)})

    def statement(self, stmt: ir.Stmt) -> ir.Stmt:
        if isinstance(stmt, ir.SeqStmt):
            stmt = inline_scalars(stmt)
            if not isinstance(stmt, ir.SeqStmt):
                return self.statement(stmt)
            if self._fissionable(stmt):
                return ir.seq(self.statement(s) for s in stmt.seq)
            return self._loop(stmt)
        if isinstance(stmt, ir.IfThenElse) and stmt.else_case is None:
            if self._uniform_width(stmt.condition) == self.extent:
                inner = self.statement(stmt.then_case)
                return ir.IfThenElse(self._at(stmt.condition, 0), inner, None, stmt.span)
        if isinstance(stmt, ir.BufferStore):
            return self._store(stmt)
        if isinstance(stmt, ir.Evaluate) and ir.is_call(stmt.value, "tl.store_to_rank"):
            return self._store_to_rank(stmt)
        if isinstance(stmt, ir.Evaluate) and ir.is_call(stmt.value, "tl.atomic_add"):
            return self._atomic_add(stmt)
        return self._loop(stmt)

    # ------------------------------------------------------------------ bounds inside a vector

    def straddled(self, body: ir.Stmt) -> list[Any]:
        """Bounds that hold for the first or the last elements of a vector, and not provably for all or none."""
        found: list[Any] = []
        conditions = [n.condition for n in ir.collect(body, ir.IfThenElse)]
        conditions += [c.args[0] for c in ir.collect(body, ir.Call) if ir.is_call(c, "prim.if_then_else")]
        for part in (p for c in conditions for p in _conjuncts(c)):
            if self._is_bound(part) and not self._uniform(part, self.extent & -self.extent):
                if not any(ir.structural_equal(part, f) for f in found):
                    found.append(part)
        return found

    def _is_bound(self, part: Any) -> bool:
        """A comparison of what counts up by one with what does not change."""
        if not isinstance(part, (ir.LT, ir.LE, ir.GT, ir.GE)) or ir.contains(part, ir.BufferLoad):
            return False
        return self._start(part.a) is not None and not ir.uses_var(part.b, {self.var})

    def holds_for_all(self, bound: Any) -> Any:
        """The bound at the element where it is hardest to meet."""
        return self._at(bound, self.extent - 1 if isinstance(bound, (ir.LT, ir.LE)) else 0)

    def moves_wide(self, body: ir.Stmt) -> bool:
        """True if some access is a vector."""
        accesses = [(n.source, n.indices) for n in ir.collect(body, ir.BufferLoad)]
        accesses += [(n.buffer, n.indices) for n in ir.collect(body, ir.BufferStore)]
        return any(self._vector(buf, indices) is not None for buf, indices in accesses)

    def elements(self, stmt: ir.Stmt) -> ir.Stmt:
        """One element after the other."""
        return self._loop(stmt)

    def _loop(self, stmt: ir.Stmt) -> ir.Stmt:
        return ir.For(self.var, ir.const(0), ir.const(self.extent), ir.ForKind.UNROLLED, stmt)

    def _fissionable(self, seq: ir.SeqStmt) -> bool:
        """True if no statement passes a value to a later one through a scalar."""
        for node in ir.collect(seq, (ir.Bind, ir.BufferStore, ir.AllocBuffer, ir.While, ir.Break, ir.Continue)):
            if not isinstance(node, ir.BufferStore):
                return False
            if ir.scope_of(node.buffer).startswith("local") and not any(ir.uses_var(i, {self.var}) for i in node.indices):
                return False
        return True

    def _at(self, expr: Any, value: int) -> Any:
        return ir.simplify(ir.substitute(ir.as_expr(expr), {self.var: value}), self.analyzer)

    # ------------------------------------------------------------------ one store

    def _store(self, stmt: ir.BufferStore) -> ir.Stmt:
        if self.asynchronous and (moves := self._asynchronous(stmt)) is not None:
            return moves
        loads: list[ir.Stmt] = []
        value = _LiftLoads(self, loads, stmt.span).visit(stmt.value)
        unpacked = self._unpacked(stmt, value)
        if unpacked is not None:
            return ir.seq([*loads, unpacked])
        value = UnpackCodes(self.var, self.extent, self.analyzer, loads, stmt.span).visit(value)
        target = self._vector(stmt.buffer, stmt.indices)
        if target is not None and target.pack > 1:  # several iterations write one element: their order is the author's
            target = None
        if target is None:
            if isinstance(value, ir.BufferLoad) and loads:
                direct = self._direct_load(stmt, value, loads)
                if direct is not None:
                    return direct
            return ir.seq([*loads, self._loop(ir.BufferStore(stmt.buffer, value, list(stmt.indices), stmt.span))])
        source = self._register_run(value)
        if source is None:
            array = ir.buffer((self.extent,), ir.buffer_dtype(stmt.buffer), f"{stmt.buffer.name}_vec", "local")
            compute = self._loop(ir.BufferStore(array, value, [self.var], stmt.span))
            loads += [ir.alloc(array), compute]
            source = (array, ir.const(0))
        return ir.seq([*loads, *self._moves("tl.store", target, source, None, stmt.span)])

    def _asynchronous(self, stmt: ir.BufferStore) -> ir.Stmt | None:
        """The store as cp.async; None where it is no such copy, or leaves no 4 bytes side by side."""
        value, conditions = stmt.value, list[Any]()
        while ir.is_call(value, "prim.if_then_else") and ir.const_number(value.args[2]) == 0:
            conditions += [c for c in _conjuncts(value.args[0]) if not any(ir.structural_equal(c, o) for o in conditions)]
            value = value.args[1]
        condition = conjunction(conditions) if conditions else None
        if not isinstance(value, ir.BufferLoad) or ir.buffer_dtype(value.source) != ir.buffer_dtype(stmt.buffer):
            return None
        if ir.scope_of(value.source) != "global" or not ir.scope_of(stmt.buffer).startswith("shared"):
            return None
        source, target = self._vector(value.source, value.indices), self._vector(stmt.buffer, stmt.indices)
        if source is None or target is None or source.pack > 1 or target.pack > 1:
            return None
        bits, together = (
            dtype_bits(ir.buffer_dtype(stmt.buffer)),
            self.extent if condition is None else self._uniform_width(condition),
        )
        width = min(source.width, target.width, together & -together)
        if width * bits // 8 not in CP_ASYNC_BYTES:
            return None
        moves = []
        for offset in range(0, self.extent, width):
            ends = [(v.buffer, [*v.indices[:-1], ir.simplify(v.indices[-1] + offset)]) for v in (target, source)]
            args = [ir.address_of(ir.load(buf, indices)) for buf, indices in ends]
            args += [] if condition is None else [self._at(condition, offset)]
            call = ir.call("tl.cp_async", args, attrs={"template": [str(width * bits // 8)]}, span=stmt.span)
            moves.append(ir.evaluate(call, stmt.span))
        return ir.seq(moves)

    def _store_to_rank(self, stmt: ir.Evaluate) -> ir.Stmt:
        """A store to another block's shared memory, with wide moves where they are legal."""
        pointer, rank, value = stmt.value.args
        place = pointer.args[0]
        target = self._vector(place.source, place.indices)
        if target is None or target.pack > 1 or ir.uses_var(rank, {self.var}):
            return self._loop(stmt)
        size = str(target.width * dtype_bits(ir.buffer_dtype(place.source)) // 8)

        def store(at: Any, registers: Any) -> ir.Call:
            return ir.call("tl.store_wide_to_rank", [at, rank, registers], attrs={"template": [size]})

        return self._from_registers(stmt, value, target, target.width, store)

    def _atomic_add(self, stmt: ir.Evaluate) -> ir.Stmt:
        """Additions to neighbouring elements of global memory, whose previous values nobody reads, as vectors of them."""
        pointer, value, *_ = stmt.value.args
        place = pointer.args[0] if ir.is_call(pointer, "tirx.address_of") else None
        if place is None or len(stmt.value.args) != 2 or stmt.value.attrs:
            return self._loop(stmt)
        widest = widest_addition(ir.buffer_dtype(place.source), self.ctx.target.limits.capability)
        target = self._vector(place.source, place.indices) if ir.scope_of(place.source) == "global" else None
        width = 1 if target is None else min(target.width, widest)
        if target is None or width == 1 or target.pack > 1 or ir.dtype_of(value) != ir.buffer_dtype(place.source):
            return self._loop(stmt)

        def add(at: Any, registers: Any) -> ir.Call:
            return ir.call("tl.atomic_add_vec", [at, registers], attrs={"template": [str(width)]}, span=stmt.span)

        return self._from_registers(stmt, value, target, width, add)

    def _from_registers(
        self, stmt: ir.Evaluate, value: Any, target: _Vector, width: int, call: Callable[[Any, Any], ir.Call]
    ) -> ir.Stmt:
        """`call(address, registers)` for every `width` elements of a value's vector."""
        loads: list[ir.Stmt] = []
        value = _LiftLoads(self, loads, stmt.span).visit(value)
        source = self._register_run(value)
        if source is None:
            array = ir.buffer((self.extent,), ir.buffer_dtype(target.buffer), f"{target.buffer.name}_vec", "local")
            loads += [ir.alloc(array), self._loop(ir.BufferStore(array, value, [self.var], stmt.span))]
            source = (array, ir.const(0))
        out = []
        for offset in range(0, self.extent, width):
            at = ir.load(target.buffer, [*target.indices[:-1], ir.simplify(target.indices[-1] + offset)])
            registers = ir.address_of(ir.load(source[0], [ir.simplify(source[1] + offset)]))
            out.append(ir.evaluate(call(ir.address_of(at), registers), stmt.span))
        return ir.seq([*loads, *out])

    def _unpacked(self, stmt: ir.BufferStore, value: Any) -> ir.Stmt | None:
        """Codes unpacked into the destination registers themselves."""
        if ir.scope_of(stmt.buffer) != "local" or len(stmt.indices) != 1 or (start := self._start(stmt.indices[0])) is None:
            return None
        table = CodeTable.of(value, self.var, self.extent, self.analyzer)
        return None if table is None else table.call(stmt.buffer, start, stmt.span)

    def _register_run(self, value: Any) -> tuple[ir.Var, Any] | None:
        """(array, first element) if `value` is consecutive elements of a register array."""
        if not isinstance(value, ir.BufferLoad) or ir.scope_of(value.source) != "local" or len(value.indices) != 1:
            return None
        start = self._start(value.indices[0])
        return None if start is None else (value.source, start)

    def _direct_load(self, stmt: ir.BufferStore, value: Any, loads: list[ir.Stmt]) -> ir.Stmt | None:
        """Load into the destination registers themselves when nothing happens to the value on the way."""
        if ir.scope_of(stmt.buffer) != "local" or len(stmt.indices) != 1 or ir.buffer_dtype(stmt.buffer) != ir.dtype_of(value):
            return None
        start = self._start(stmt.indices[0])
        staged = loads[0].buffer if isinstance(loads[0], ir.AllocBuffer) else None
        if start is None or staged is None or not value.source.same_as(staged) or not value.indices[0].same_as(self.var):
            return None
        moved = []
        for load in loads[1:]:
            call = load.value
            offset = call.args[0].args[0].indices[0]
            pointer = ir.address_of(ir.load(stmt.buffer, [ir.simplify(start + offset)]))
            moved.append(
                ir.evaluate(ir.call("tl.load", [pointer, *list(call.args)[1:]], attrs=call.attrs, span=call.span), stmt.span)
            )
        return ir.seq(moved)

    def _start(self, index: Any) -> Any:
        """`index` at the vector's first element if it then counts up by one, else None."""
        start = self._at(index, 0)
        step = ir.simplify(index - start, self.analyzer)
        return start if step.same_as(self.var) else None

    def _parted(self, indices: Any) -> list[Any]:
        """Indices with the vector's lane outside of divisions and remainders."""
        return [ir.simplify(part_lane(i, self.var, self.extent, self.analyzer), self.analyzer) for i in indices]

    # ------------------------------------------------------------------ vectors

    def _vector(self, buf: ir.Var, indices: Any) -> _Vector | None:
        """The access as a vector of the widest legal moves; None if it is no contiguous run."""
        if ir.scope_of(buf) not in _MEMORY:
            return None
        if any(ir.uses_var(i, {self.var}) for i in indices[:-1]):
            indices = self._parted(indices)
            if any(ir.uses_var(i, {self.var}) for i in indices[:-1]):
                return None
        start, pack = self._start(indices[-1]), 1
        if start is None:
            run = packed_run(indices[-1], self.var, self.extent, self.analyzer)
            if run is None:
                indices = self._parted(indices)
                start = self._start(indices[-1])
                if start is None:
                    return None
            else:
                start, pack = run
        bits, count = dtype_bits(ir.buffer_dtype(buf)), self.extent // pack
        limit = min(count, MAX_VECTOR_BYTES * 8 // bits)
        width = 1 << (limit.bit_length() - 1)
        at_start = (*indices[:-1], start)
        while width > 1 and not is_aligned(buf, at_start, width, count, self.analyzer, self.ctx):
            width //= 2
        return _Vector(buf, at_start, width, pack) if width > 1 or pack > 1 else None

    def _moves(self, name: str, vector: _Vector, local: tuple[ir.Var, Any], condition: Any, span: Any) -> list[ir.Stmt]:
        """Wide moves between memory and a register array."""
        array, start = local
        size = str(vector.width * dtype_bits(ir.buffer_dtype(vector.buffer)) // 8)
        out = []
        for offset in range(0, self.extent // vector.pack, vector.width):
            last = ir.simplify(vector.indices[-1] + offset)
            memory = ir.address_of(ir.load(vector.buffer, [*vector.indices[:-1], last]))
            registers = ir.address_of(ir.load(array, [ir.simplify(start + offset)]))
            args = [registers, memory] if name == "tl.load" else [memory, registers]
            if condition is not None:
                args.append(self._at(condition, offset * vector.pack))
            out.append(ir.evaluate(ir.call(name, args, attrs={"template": [size]}), span))
        return out

    def lift(self, load: Any, condition: Any, out: list[ir.Stmt], span: Any) -> Any | None:
        """Emit wide loads for `load` (under `condition`, zero elsewhere); the element that replaces it, or None."""
        vector = self._vector(load.source, load.indices)
        if vector is None:
            return None
        if condition is not None:
            width = self._uniform_width(condition) // vector.pack
            if width * vector.pack < 2 or not width:
                return None
            vector = _Vector(vector.buffer, vector.indices, min(width, vector.width), vector.pack)
        array = ir.buffer((self.extent // vector.pack,), ir.buffer_dtype(load.source), f"{load.source.name}_vec", "local")
        out.append(ir.alloc(array))
        out += self._moves("tl.load", vector, (array, ir.const(0)), condition, load.span if load.span is not None else span)
        return ir.load(array, [self.var if vector.pack == 1 else self.var // vector.pack])

    def _uniform_width(self, condition: Any) -> int:
        """The widest aligned run of iterations over which the condition has one value."""
        width = self.extent & -self.extent  # chunks are powers of two
        for part in _conjuncts(condition):
            while width > 1 and not self._uniform(part, width):
                width //= 2
        return width

    def _uniform(self, part: Any, width: int) -> bool:
        if ir.uses_var(part, {self.var}):
            part = part_lane(part, self.var, self.extent, self.analyzer)
        if not ir.uses_var(part, {self.var}):  # an index of the tensor, for example, as long as no iteration changes it
            return not any(self.ctx.root(load.source) in self.written for load in ir.collect(part, ir.BufferLoad))
        if isinstance(part, (ir.LT, ir.GE)):
            start, bound = self._start(part.a), part.b
            if start is None and (run := packed_run(part.a, self.var, self.extent, self.analyzer)) is not None:
                start, width = run[0], max(1, width // run[1])
            if start is None or ir.uses_var(bound, {self.var}):
                return False
            return ir.can_prove(start % width == 0, self.analyzer) and ir.can_prove(bound % width == 0, self.analyzer)
        return False


def inline_scalars(seq: ir.SeqStmt) -> ir.Stmt:
    """Scalars that the author named and only one statement uses go where they are used, so that it can become a vector.

    Their values must not change on the way: nothing is called, and no statement writes what they read.
    """
    statements = list(seq.seq)
    written = {n.buffer for n in ir.collect(seq, ir.BufferStore)}
    for position in reversed(range(len(statements))):
        bind = statements[position]
        if not isinstance(bind, ir.Bind) or not _movable(bind.value, written):
            continue
        users = [k for k in range(position + 1, len(statements)) if ir.uses_var(statements[k], {bind.var})]
        if len(users) <= 1:
            for k in users:
                statements[k] = ir.substitute(statements[k], {bind.var: bind.value})
            del statements[position]
    return ir.seq(statements)


def _movable(value: Any, written: set[ir.Var]) -> bool:
    if any(load.source in written for load in ir.collect(value, ir.BufferLoad)):
        return False
    return all(ir.call_name(c) in _MOVABLE_CALLS for c in ir.collect(value, ir.Call))


class _Assume(ir.Mutator):
    """Drops conditions that are known to hold."""

    def __init__(self, known: list[Any]) -> None:
        super().__init__()
        self.known = known

    def _rest(self, condition: Any) -> Any | None:
        """What remains to be tested; None for nothing."""
        parts = [p for p in _conjuncts(condition) if not any(ir.structural_equal(p, k) for k in self.known)]
        return conjunction([self.visit(p) for p in parts]) if parts else None

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        condition = self._rest(node.condition)
        if condition is None:
            return self.body(node.then_case)
        other = None if node.else_case is None else self.body(node.else_case)
        return ir.IfThenElse(condition, self.body(node.then_case), other, node.span)

    def visit_Call(self, node: ir.Call) -> Any:
        if not ir.is_call(node, "prim.if_then_else"):
            return self.descend(node)
        condition = self._rest(node.args[0])
        then = self.visit(node.args[1])
        return then if condition is None else ir.if_then_else(condition, then, self.visit(node.args[2]))


class _LiftLoads(ir.Mutator):
    """Replaces memory loads in an expression by elements of arrays that wide loads have filled.

    `condition`: under which the expression counts; nothing is loaded where it does not hold.
    """

    def __init__(self, owner: _Vectorizer, out: list[ir.Stmt], span: Any, condition: Any = None) -> None:
        super().__init__()
        self.owner, self.out, self.span, self.condition = owner, out, span, condition
        self.lifted: list[tuple[Any, Any]] = []  # loads that happen whenever the condition holds, and what replaces them

    def visit_BufferLoad(self, node: Any) -> Any:
        for load, element in self.lifted:
            if ir.structural_equal(load, node):
                return element
        lifted = self.owner.lift(node, self.condition, self.out, self.span)
        if lifted is None:
            return node
        self.lifted.append((node, lifted))
        return lifted

    def visit_Call(self, node: ir.Call) -> Any:
        if ir.is_call(node, "tirx.address_of"):
            return node
        if ir.is_call(node, "prim.if_then_else"):
            condition, then, other = node.args
            while _is_guarded(then) and _is_guarded(node):  # a guard in a guard
                condition, then = ir.And(condition, then.args[0]), then.args[1]
            if isinstance(then, ir.BufferLoad) and ir.const_number(other) == 0:
                lifted = self.owner.lift(then, self._and(condition), self.out, self.span)
                return node if lifted is None else lifted
            return self._conditional(condition, then, other)
        return self.descend(node)

    def _and(self, condition: Any) -> Any:
        return condition if self.condition is None else ir.And(self.condition, condition)

    def _conditional(self, condition: Any, then: Any, other: Any) -> Any:
        """A branch that is not taken must not load: what both load is lifted, and under the condition what the first does."""
        inside = _LiftLoads(self.owner, self.out, self.span, self._and(condition))
        condition = self.visit(condition)
        second = ir.collect(other, ir.BufferLoad)
        for load in ir.collect(then, ir.BufferLoad):
            if any(ir.structural_equal(load, twin) for twin in second):
                self.visit(load)
        inside.lifted = list(self.lifted)
        return ir.if_then_else(condition, inside.visit(then), _KnownLoads(self.lifted).visit(other))

    def visit_Select(self, node: ir.Select) -> Any:
        return self.descend(node)


class _KnownLoads(ir.Mutator):
    """Replaces loads by elements that are in registers already."""

    def __init__(self, lifted: list[tuple[Any, Any]]) -> None:
        super().__init__()
        self.lifted = lifted

    def visit_BufferLoad(self, node: Any) -> Any:
        return next((element for load, element in self.lifted if ir.structural_equal(load, node)), node)

    def visit_Call(self, node: ir.Call) -> Any:
        return node if ir.is_call(node, "tirx.address_of") else self.descend(node)


def _is_guarded(value: Any) -> bool:
    """True for `condition ? value : 0`."""
    return ir.is_call(value, "prim.if_then_else") and ir.const_number(value.args[2]) == 0


def _conjuncts(condition: Any) -> list[Any]:
    if isinstance(condition, ir.And):
        return _conjuncts(condition.a) + _conjuncts(condition.b)
    return [condition]

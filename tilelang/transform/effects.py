"""What each unit of a tile program reads and writes.

A *unit* is a tile operator, a whole `T.Parallel` (or vectorised) nest, or a leaf statement. Operators answer for themselves
(`TileOp.effects`); the rest is read off loads, stores and calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from .. import ir
from ..codegen.functions import reads_only
from ..tileop.base import Effects, as_tile_op, attribute, scratch_of
from . import region as rg

# Statements that say something about the program and touch nothing.
_DECLARATIONS = (
    "tl.assume", "tl.known", "tl.use_swizzle", "tl.alias", "tl.make_tensor", "tl.ws_schedule", "tl.ws_pipeline_depth",
)  # fmt: skip
COMMIT, WAIT, BARRIER = "tl.cp_async_commit", "tl.cp_async_wait", "tl.sync_threads"


@dataclass(frozen=True)
class Access:
    """One read or write of a piece of a buffer.

    Parameters
    ----------
    buffer, ranges :
        The piece; thread indices and variables of enclosing loops may occur in it, variables of the unit's own loops not.
    write : bool
    atomic : bool
        Atomic accesses do not conflict with each other.
    own : bool
        Each thread executes the access for itself (leaf statements), so that thread indices in `ranges` name *its* piece;
        False for operators and nests, whose work is distributed later.
    asynchronous : bool
        Still under way when the unit is left (cp.async), until a wait.
    span : Span
        The statement.
    """

    buffer: ir.Var
    ranges: rg.Ranges = field(compare=False)
    write: bool
    atomic: bool = False
    own: bool = True
    asynchronous: bool = False
    span: Any = field(default=None, compare=False)

    @property
    def scope(self) -> str:
        return ir.scope_of(self.buffer)

    @property
    def region(self) -> ir.BufferRegion:
        return rg.to_region(self.buffer, self.ranges)

    def with_ranges(self, ranges: rg.Ranges) -> Access:
        return replace(self, ranges=ranges)

    def of_root(self, views: Mapping[ir.Var, ir.Var]) -> Access:
        """An access of a view as one of all of the buffer behind it."""
        root = views.get(self.buffer)
        return self if root is None else replace(self, buffer=root, ranges=rg.whole(root))


def is_unit(stmt: ir.Stmt) -> bool:
    """True for statements that are taken as a whole; False for those whose bodies are walked."""
    if isinstance(stmt, ir.For):
        return stmt.kind in (ir.ForKind.PARALLEL, ir.ForKind.VECTORIZED)
    return not isinstance(stmt, (ir.SeqStmt, ir.IfThenElse, ir.While, ir.AttrStmt))


def is_collective(stmt: ir.Stmt) -> bool:
    """True for units whose work is spread over the threads of the block."""
    op = as_tile_op(stmt)
    return (isinstance(stmt, ir.For) and stmt.kind == ir.ForKind.PARALLEL) or (op is not None and op.is_collective)


def ordering_call(stmt: ir.Stmt) -> ir.Call | None:
    """The call of a commit, a wait or a block barrier; None for any other statement."""
    if isinstance(stmt, ir.Evaluate) and isinstance(stmt.value, ir.Call):
        if ir.call_name(stmt.value) in (COMMIT, WAIT, BARRIER):
            return stmt.value
    return None


def is_block_barrier(stmt: ir.Stmt) -> bool:
    """True for a barrier of all threads of the block."""
    call = ordering_call(stmt)
    return call is not None and ir.call_name(call) == BARRIER and not len(call.args)


def is_wider_barrier(stmt: ir.Stmt) -> bool:
    """True for a barrier of all threads of the cluster, or of the grid."""
    return isinstance(stmt, ir.Evaluate) and any(ir.is_call(stmt.value, n) for n in ("tl.cluster_sync", "tl.grid_sync"))


def wait_depth(stmt: ir.Stmt) -> int | None:
    """How many groups `cp_async_wait<N>` leaves under way; None if the statement is no wait."""
    call = ordering_call(stmt)
    if call is None or ir.call_name(call) != WAIT:
        return None
    template = call.attrs["template"] if call.attrs is not None and "template" in call.attrs.keys() else [call.args[0]]
    return int(str(template[0]))


def commit() -> ir.Stmt:
    """Close a group of asynchronous copies."""
    return ir.evaluate(ir.call(COMMIT))


def wait(depth: int) -> ir.Stmt:
    """Wait until at most `depth` groups of this thread are under way."""
    return ir.evaluate(ir.call(WAIT, attrs={"template": [str(depth)]}))


def barrier() -> ir.Stmt:
    """All threads of the block."""
    return ir.evaluate(ir.call(BARRIER))


def unit_effects(stmt: ir.Stmt) -> Effects:
    """The regions that a unit reads and writes."""
    found = unit_accesses(stmt)
    return Effects(
        reads=tuple(a.region for a in found if not a.write),
        writes=tuple(a.region for a in found if a.write),
        asynchronous=any(a.asynchronous for a in found),
    )


def unit_accesses(stmt: ir.Stmt, binds: Mapping[ir.Var, Any] | None = None) -> list[Access]:
    """The accesses of a unit; `binds` are the scalars bound around it, which are replaced by their values."""
    if not binds:
        return list(_known_accesses(stmt))
    return [a.with_ranges(rg.known(a.buffer, rg.substitute(a.ranges, binds))) for a in _accesses(stmt)]


@lru_cache(maxsize=512)
def _known_accesses(stmt: ir.Stmt) -> tuple[Access, ...]:
    return tuple(a.with_ranges(rg.known(a.buffer, a.ranges)) for a in _accesses(stmt))


@lru_cache(maxsize=512)  # passes ask again about statements that did not change
def _accesses(stmt: ir.Stmt) -> tuple[Access, ...]:
    op = as_tile_op(stmt)
    if op is not None:
        return tuple(_operator_accesses(op, stmt))
    if ordering_call(stmt) is not None or isinstance(stmt, (ir.AllocBuffer, ir.DeclBuffer)):
        return ()
    found = expr_accesses(stmt, stmt.span)
    if isinstance(stmt, ir.For) and stmt.kind == ir.ForKind.PARALLEL:
        late = "tl.async_group" in stmt.annotations
        found = [replace(a, own=False, asynchronous=late) for a in found]
    return tuple(found)


def accesses_within(stmt: ir.Stmt) -> Iterator[Access]:
    """Every access of a statement and of all inside it, in order; conditions and trip counts included."""
    if is_unit(stmt):
        yield from unit_accesses(stmt)
    elif isinstance(stmt, ir.SeqStmt):
        for part in stmt.seq:
            yield from accesses_within(part)
    elif isinstance(stmt, ir.IfThenElse):
        yield from unit_accesses(ir.evaluate(stmt.condition))
        yield from accesses_within(stmt.then_case)
        if stmt.else_case is not None:
            yield from accesses_within(stmt.else_case)
    elif isinstance(stmt, ir.For):
        yield from unit_accesses(ir.evaluate(stmt.extent))
        yield from accesses_within(stmt.body)
    elif isinstance(stmt, ir.While):
        yield from unit_accesses(ir.evaluate(stmt.condition))
        yield from accesses_within(stmt.body)
    else:
        yield from accesses_within(stmt.body)


def _operator_accesses(op: Any, stmt: ir.Stmt) -> list[Access]:
    effects = op.effects()
    late = effects.asynchronous
    # The scalars among the operands (indices, values, predicates) are read by every thread.
    found = [a for r in (*effects.reads, *effects.writes) for e in r.region for a in _scalar_reads((e.min, e.extent), stmt.span)]
    found += [a for arg in stmt.value.args if not isinstance(arg, ir.BufferRegion) for a in _scalar_reads((arg,), stmt.span)]
    scratch = scratch_of(stmt.value)
    if scratch is not None:
        found += [Access(scratch, rg.whole(scratch), write, own=False, span=stmt.span) for write in (False, True)]
    for regions, write in ((effects.reads, False), (effects.writes, True)):
        for r in regions:
            atomic = effects.atomic and any(r.source.same_as(w.source) for w in effects.writes)
            found.append(Access(r.source, rg.ranges_of(r), write, atomic, False, late, stmt.span))
    return found


def _scalar_reads(exprs: tuple[Any, ...], span: Any) -> list[Access]:
    return [a for e in exprs if not isinstance(e, (ir.IntImm, ir.Var)) for a in expr_accesses(e, span)]


def expr_accesses(node: Any, span: Any = None) -> list[Access]:
    """The accesses of any tree without tile operators, widened over the loops inside it."""
    collector = _Collector(span)
    collector.visit(node)
    return collector.found


class _Collector(ir.Visitor):
    def __init__(self, span: Any) -> None:
        super().__init__()
        self.span = span
        self.found: list[Access] = []
        self.loops: list[ir.For] = []
        self.binds: dict[ir.Var, Any] = {}

    def note(self, buf: ir.Var, ranges: rg.Ranges, write: bool, atomic: bool = False, late: bool = False) -> None:
        ranges = rg.known(buf, rg.substitute(ranges, self.binds))
        for loop in reversed(self.loops):
            ranges = rg.widen(buf, ranges, loop.loop_var, loop.min, loop.extent)
        self.found.append(Access(buf, ranges, write, atomic, True, late, self.span))

    def note_whole(self, buf: ir.Var) -> None:
        self.note(buf, rg.whole(buf), False)
        self.note(buf, rg.whole(buf), True)

    def visit_For(self, node: ir.For) -> None:
        self.visit(node.min)
        self.visit(node.extent)
        self.loops.append(node)
        self.visit(node.body)
        self.loops.pop()

    def visit_Bind(self, node: ir.Bind) -> None:
        self.visit(node.value)
        self.binds[node.var] = ir.substitute(node.value, self.binds)

    def visit_BufferLoad(self, node: ir.BufferLoad) -> None:
        self.descend(node)
        self.note(node.source, _element(node.indices), False)

    def visit_BufferStore(self, node: ir.BufferStore) -> None:
        self.descend(node)
        self.note(node.buffer, _element(node.indices), True)

    def visit_BufferRegion(self, node: ir.BufferRegion) -> None:
        self.descend(node)
        self.note(node.source, rg.ranges_of(node), False)
        self.note(node.source, rg.ranges_of(node), True)

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> None:
        pass

    def visit_Var(self, node: ir.Var) -> None:
        if ir.is_buffer_var(node):  # a bare pointer: its callee may touch anything behind it
            self.note_whole(node)

    def visit_Call(self, node: ir.Call) -> None:
        name = ir.call_name(node)
        if name in _DECLARATIONS or name.startswith("tl.annotate_"):
            return
        if name == "tirx.address_of":
            self._pointer(node.args[0])
        elif name.startswith("tl.atomic_"):
            self._at(node.args[0], (False, True), atomic=True, lanes=int(attribute(node, "lanes", 1)))
            for arg in node.args[1:]:
                self.visit(arg)
        elif name == "tl.cp_async":
            self._at(node.args[0], (True,), late=True)
            self._at(node.args[1], (False,), late=True)
            for arg in node.args[2:]:
                self.visit(arg)
        else:
            for position, arg in enumerate(node.args):
                if ir.is_call(arg, "tirx.address_of"):
                    self._pointer(arg.args[0], name.startswith("tl.") and reads_only(name, position))
                else:
                    self.visit(arg)

    def _pointer(self, target: Any, read_only: bool = False) -> None:
        """The address of an element: whoever gets it may touch the whole buffer."""
        if isinstance(target, ir.BufferLoad):
            self.descend(target)
            self.note(target.source, rg.whole(target.source), False)
            if not read_only:
                self.note(target.source, rg.whole(target.source), True)
        else:
            self.visit(target)

    def _at(self, target: Any, kinds: tuple[bool, ...], atomic: bool = False, late: bool = False, lanes: int = 1) -> None:
        """An operand that names exactly the element (or region) that is touched."""
        if ir.is_call(target, "tirx.address_of"):
            target = target.args[0]
        if isinstance(target, ir.BufferLoad):
            ranges = rg.whole(target.source) if late else _element(target.indices)
            if lanes > 1:
                ranges = (*ranges[:-1], (ranges[-1][0], ir.const(lanes)))
        elif isinstance(target, ir.BufferRegion):
            ranges = rg.ranges_of(target)
        else:
            self.visit(target)
            return
        self.descend(target)
        for write in kinds:
            self.note(target.source, ranges, write, atomic, late)


def _element(indices: Any) -> rg.Ranges:
    """An element, or for a vector index (Ramp) the elements it spans."""
    out = []
    for index in indices:
        if isinstance(index, ir.Ramp):
            lanes, stride = ir.const_int(index.lanes), ir.const_int(index.stride)
            if lanes is not None and stride is not None and stride >= 0:
                out.append((index.base, ir.const((lanes - 1) * stride + 1)))
                continue
        out.append((index, ir.const(1)))
    return tuple(out)

"""A `T.Parallel` nest as data, and how it touches register tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from .. import ir
from ..errors import SemanticError

# Kinds of indices that a loop variable counts.
COUNTED = ("loop", "packed", "piece")


@dataclass(frozen=True)
class FragmentUse:
    """How a nest indexes one fragment.

    `index` has an entry for each dimension of the buffer: ("loop", loop dimension), ("packed", (loop dimension, p)) for its
    variable divided by p, ("piece", (loop dimension, number)) for one of several blocks of the dimension as long as the loop,
    ("const", value), ("outer", expression of variables outside the nest), or ("other", expression).
    Nests that index a fragment in two different ways have `index` None: those are staged through shared memory. `partial`:
    iterations combine into what their own thread holds (`tl.combine`), which is no single value yet; such a fragment follows
    the nest and never leads it.
    """

    buffer: ir.Var
    index: tuple[tuple[str, Any], ...] | None
    read: bool
    written: bool
    partial: bool = False

    @property
    def plain(self) -> bool:
        """True if every index is a loop variable (each at most once), constant 0 of extent 1, or an outer expression."""
        if self.index is None or any(kind == "other" for kind, _ in self.index):
            return False
        loops = [value if kind == "loop" else value[0] for kind, value in self.index if kind in COUNTED]
        if self.written and any(kind == "packed" for kind, _ in self.index):
            return False  # several iterations write one element
        return len(set(loops)) == len(loops)

    def loop_dims(self) -> set[int]:
        """Loop dimensions that count the elements, one by one or several to an element."""
        return {value if kind == "loop" else value[0] for kind, value in self.index or () if kind in COUNTED}


@dataclass(frozen=True)
class ParallelNest:
    """`for vars in T.Parallel(extents): body`: independent iterations, distributed over the threads of the block."""

    vars: tuple[ir.Var, ...]
    extents: tuple[int, ...]
    body: ir.Stmt
    annotations: Mapping[str, Any] = field(default_factory=dict)
    span: Any = None

    @staticmethod
    def of(loop: ir.For) -> ParallelNest:
        """The nest that starts at a For of kind PARALLEL."""
        depth = int(loop.annotations.get("tl.parallel_depth", 1))
        variables, extents, body = [], [], loop
        for _ in range(depth):
            extent = ir.const_int(ir.simplify(body.extent))
            if extent is None:
                raise SemanticError(
                    f"T.Parallel over a symbolic extent {body.extent}",
                    fix="make the tile's extent a constant and guard the tail with an if",
                    span=ir.span_to_source(loop.span),
                )
            variables.append(body.loop_var)
            extents.append(extent)
            inner = (
                body.body if ir.const_int(body.min) == 0 else ir.substitute(body.body, {body.loop_var: body.loop_var + body.min})
            )
            body = inner
        return ParallelNest(tuple(variables), tuple(extents), body, dict(loop.annotations), loop.span)

    def to_stmt(self) -> ir.For:
        """The nest as For nodes."""
        body = self.body
        for depth in reversed(range(len(self.vars))):
            notes = {**self.annotations, "tl.parallel_depth": len(self.vars)} if depth == 0 else {}
            body = ir.For(
                self.vars[depth],
                ir.const(0),
                ir.const(self.extents[depth]),
                ir.ForKind.PARALLEL,
                body,
                annotations=notes,
                span=self.span,
            )
        return body

    @property
    def is_private(self) -> bool:
        """True if the nest stores into arrays that each thread has for itself and touches no register tile: nothing to share
        out, every thread runs all of it."""
        inner = set(ir.declared_buffers(self.body))
        stores = [s for s in ir.collect(self.body, ir.BufferStore) if s.buffer not in inner]
        own = bool(stores) and all(ir.scope_of(s.buffer) == "local" for s in stores)
        return own and not self.uses and all(ir.is_noop(e) for e in ir.collect(self.body, ir.Evaluate))

    def with_body(self, body: ir.Stmt) -> ParallelNest:
        return ParallelNest(self.vars, self.extents, body, self.annotations, self.span)

    @cached_property
    def ranges(self) -> dict[ir.Var, tuple[int, int]]:
        """Ranges of the nest's own variables and of loops inside its body with constant bounds."""
        out: dict[ir.Var, tuple[Any, Any]] = {v: (0, n) for v, n in zip(self.vars, self.extents)}
        for loop in ir.collect(self.body, ir.For):
            out[loop.loop_var] = (loop.min, loop.extent)
        return out

    @cached_property
    def uses(self) -> dict[ir.Var, FragmentUse]:
        """Fragments that the body touches."""
        found: dict[ir.Var, FragmentUse] = {}
        inner = ir.bound_vars(self.body)
        partial = {c.args[0].args[0].source for c in ir.collect(self.body, ir.Call) if ir.is_call(c, "tl.combine")}

        def note(buf: ir.Var, indices: Any, written: bool) -> None:
            if ir.scope_of(buf) != "local.fragment":
                return
            index = tuple(self._part(self._classify(e, inner), e, n, inner) for e, n in zip(indices, ir.static_shape(buf)))
            old = found.get(buf)
            if old is None:
                found[buf] = FragmentUse(buf, index, not written, written, buf in partial)
            else:
                same = old.index is not None and _same_index(old.index, index)
                found[buf] = replace(
                    old, index=old.index if same else None, read=old.read or not written, written=old.written or written
                )

        def visit(node: Any) -> None:
            if isinstance(node, ir.BufferLoad):
                note(node.source, node.indices, False)
            elif isinstance(node, ir.BufferStore):
                note(node.buffer, node.indices, True)
            elif isinstance(node, ir.Call) and any(
                isinstance(a, ir.Call) and ir.is_call(a, "tirx.address_of") for a in node.args
            ):
                for a in node.args:  # device functions and atomics may write through a pointer
                    if ir.is_call(a, "tirx.address_of") and isinstance(a.args[0], ir.BufferLoad):
                        note(a.args[0].source, a.args[0].indices, True)

        ir.walk(self.body, visit)
        return found

    def _classify(self, index: Any, inner: set[ir.Var]) -> tuple[str, Any]:
        value = ir.const_int(index)
        if value is not None:
            return ("const", value)
        if isinstance(index, ir.Var) and index in self.vars:
            dim = self.vars.index(index)
            return ("loop", dim) if self.extents[dim] > 1 else ("const", 0)
        if not ir.uses_var(index, set(self.vars) | inner) and not ir.contains(index, ir.BufferLoad):
            return ("outer", index)
        simple = ir.simplify(index)
        if isinstance(simple, ir.Var) and simple in self.vars and not simple.same_as(index):
            return self._classify(simple, inner)
        return self._packed(simple) or ("other", index)

    def _part(self, kind: tuple[str, Any], index: Any, extent: int, inner: set[ir.Var]) -> tuple[str, Any]:
        """The kind of an index into a dimension of `extent` elements, of which the loop may count a block."""
        if kind[0] == "loop":
            dim, start = kind[1], ir.const(0)
        elif kind[0] == "other" and isinstance(index, ir.Add):
            dims = [d for d, v in enumerate(self.vars) if ir.uses_var(index, {v})]
            if len(dims) != 1:
                return kind
            dim = dims[0]
            start = ir.simplify(index - self.vars[dim])
        else:
            return kind
        size = self.extents[dim]
        whole_blocks = size < extent and extent % size == 0 and ir.can_prove(start % size == 0)
        if not whole_blocks or ir.uses_var(start, {*self.vars, *inner}) or ir.collect(start, (ir.BufferLoad, ir.Call)):
            return kind
        number = ir.simplify(ir.FloorDiv(start, ir.const(size, ir.dtype_of(start))))
        known = ir.const_int(number)
        if known is not None and not 0 <= known < extent // size:
            return kind
        return ("piece", (dim, number if known is None else known))

    def _packed(self, index: Any) -> tuple[str, Any] | None:
        """`var // p`, as codes packed p to an element are indexed."""
        divisor = ir.const_int(index.b) if isinstance(index, (ir.FloorDiv, ir.RShift)) else None
        if divisor is None or not isinstance(index.a, ir.Var) or index.a not in self.vars:
            return None
        dim, pack = self.vars.index(index.a), 1 << divisor if isinstance(index, ir.RShift) else divisor
        return ("packed", (dim, pack)) if pack > 1 and self.extents[dim] % pack == 0 else None


def _same_index(a: Any, b: Any) -> bool:
    return len(a) == len(b) and all(x[0] == y[0] and _same_value(x[1], y[1]) for x, y in zip(a, b))


def _same_value(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return all(_same_value(x, y) for x, y in zip(a, b))
    return bool(a == b if isinstance(a, int) and isinstance(b, int) else ir.structural_equal(ir.as_expr(a), ir.as_expr(b)))

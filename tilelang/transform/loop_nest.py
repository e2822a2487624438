"""Turn a layout into loops: one unrolled loop per register digit, index expressions, and the guards that padding needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .. import ir
from ..layout import Factor, Fragment, piece_factors, runs


@dataclass
class LoopNest:
    """The iterations of a tile that one thread runs.

    Parameters
    ----------
    layout : Fragment
        Iteration → (thread, register).
    tid : Expr
        Linear thread id.
    num_threads : int
        Threads of the block.
    vector : int
        Extent of the innermost register digit of the last dimension that is kept as a vector loop; 1 for none.

    Attributes
    ----------
    indices : list of Expr
        The value of each iteration variable.
    loops : list of (Var, int)
        Register digits to loop over, outermost first; `vector_var` comes after them.
    """

    layout: Fragment
    tid: Any
    num_threads: int
    vector: int = 1
    loops: list[tuple[ir.Var, int]] = field(init=False, default_factory=list)
    vector_var: ir.Var | None = field(init=False, default=None)
    indices: list[Any] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._digits: dict[tuple[int, int], Any] = {}
        register_digits = []
        for d, factors in enumerate(self.layout.dims):
            for k, f in enumerate(factors):
                if f.extent == 1:
                    self._digits[d, k] = 0
                elif f.is_thread:
                    self._digits[d, k] = self._thread_digit(f)
                else:
                    register_digits.append((f.stride, d, k, f.extent))
        last = len(self.layout.dims) - 1
        for _, d, k, extent in sorted(register_digits, reverse=True):
            is_vector = d == last and k == len(self.layout.dims[d]) - 1 and extent == self.vector and extent > 1
            var = ir.var("v" if is_vector else "ijklmn"[min(len(self.loops), 5)])
            self._digits[d, k] = var
            if is_vector:
                self.vector_var = var
            else:
                self.loops.append((var, extent))
        self.indices = [self._compose(d) for d in range(len(self.layout.dims))]

    def _thread_digit(self, f: Factor) -> Any:
        """The digit of a thread factor; the most significant one needs no remainder (idle threads are masked)."""
        if f.stride * f.extent >= self.layout.num_threads:
            return self.tid // f.stride if f.stride > 1 else self.tid
        return self.layout.thread_digit(f, self.tid)

    def _compose(self, dim: int) -> Any:
        total: Any = 0
        inner = 1
        for k in reversed(range(len(self.layout.dims[dim]))):
            f = self.layout.dims[dim][k]
            digit = self._digits[dim, k]
            if f.extent > 1:
                term = digit * inner if inner > 1 else digit
                total = term if isinstance(total, int) and total == 0 else term + total
            inner *= f.extent
        return total

    def digit(self, dim: int, position: int) -> Any:
        """The value of one factor's digit in this thread and iteration."""
        return self._digits[dim, position]

    @property
    def ranges(self) -> dict[ir.Var, tuple[int, int]]:
        """Ranges of the loop variables, for an analyzer."""
        out: dict[ir.Var, tuple[int, int]] = {v: (0, n) for v, n in self.loops}
        if self.vector_var is not None:
            out[self.vector_var] = (0, self.vector)
        return out

    def idle_conditions(self) -> list[Any]:
        """What must hold of `tid` for the thread to run anything."""
        return self.layout.idle_conditions(self.tid, self.num_threads)

    def padding_conditions(self) -> list[Any]:
        """What must hold of the indices where digits count more than the extent (at the vector's first element)."""
        at_start = {self.vector_var: 0} if self.vector_var is not None else {}
        return [
            ir.simplify(ir.substitute(ir.as_expr(self.indices[d]), at_start)) < n
            for d, n in enumerate(self.layout.shape)
            if self.layout.is_padded(d)
        ]

    def replica_conditions(self) -> list[Any]:
        """What must hold of `tid` for the thread to be the one replica that writes to memory."""
        return [self._thread_digit(f) == 0 for f in self.layout.replication if f.extent > 1]

    def wrap(self, body: ir.Stmt, span: Any = None, before: Sequence[ir.Stmt] = ()) -> ir.Stmt:
        """The loops around `body`, with the guards for idle threads and padding; `before` stands before the loops."""
        padding = self.padding_conditions()
        if padding:
            body = ir.IfThenElse(conjunction(padding), body, None, span)
        for var, extent in reversed(self.loops):
            body = ir.For(var, ir.const(0), ir.const(extent), ir.ForKind.UNROLLED, body, span=span)
        return self.without_idle(ir.seq([*before, body]) if before else body, span)

    def without_idle(self, body: ir.Stmt, span: Any = None) -> ir.Stmt:
        """`body` in the threads that have a part of the tile."""
        idle = self.idle_conditions()
        if idle:
            body = ir.IfThenElse(conjunction(idle), body, None, span)
        return body

    def register_index(self, fragment: Fragment, dims: Sequence[tuple[str, Any]]) -> Any:
        """The register of `fragment` that this iteration touches.

        `dims` says what indexes each dimension, as `FragmentUse.index` does; thread digits are known to agree.
        """
        total: Any = 0
        for d, (kind, value) in enumerate(dims):
            factors = fragment.dims[d]
            if kind == "piece":
                part = piece_factors(factors, value[1], self.layout.shape[value[0]])
                assert part is not None, "a nest that touches a part of a fragment was found to follow its digits"
                factors, value, kind = part[0], value[0], "loop"
                total = total + part[1]
            if kind not in ("loop", "packed"):
                for f, digit in zip(fragment.dims[d], fragment.digits(d, value)):
                    if not f.is_thread and f.extent > 1:
                        total = total + digit * f.stride
                continue
            dim, pack = (value, 1) if kind == "loop" else value
            digits = [(f, self._digits[dim, k]) for k, f in enumerate(self.layout.dims[dim]) if f.extent > 1]
            if pack > 1:  # the last digit counts registers, several to an element
                factor, digit = digits[-1]
                digits[-1] = (replace(factor, extent=factor.extent // pack), digit // pack)
            mine, theirs = runs([f for f, _ in digits]), runs(factors)
            for (axis, _, _, members), (_, _, _, targets) in zip(mine, theirs):
                if axis == "local":
                    total = total + self._redistribute([digits[k] for k in members], [factors[k] for k in targets])
        return ir.simplify(total)

    def _redistribute(self, digits: list[tuple[Factor, Any]], targets: list[Factor]) -> Any:
        """A run of register digits of this layout, re-read as the digits `targets`, weighed by their strides."""
        if [f.extent for f, _ in digits] == [f.extent for f in targets]:
            terms = [digit * f.stride for (_, digit), f in zip(digits, targets)]
            return sum(terms[1:], terms[0])
        value: Any = 0
        for f, digit in digits:
            value = value * f.extent + digit
        total: Any = 0
        inner = 1
        for f in reversed(targets):
            total = total + (value // inner % f.extent) * f.stride
            inner *= f.extent
        return ir.simplify(total, ir.analyzer_for(self.ranges))


def conjunction(conditions: Sequence[Any]) -> Any:
    """All of the conditions, as one expression."""
    total = conditions[0]
    for c in conditions[1:]:
        total = ir.And(total, c)
    return total

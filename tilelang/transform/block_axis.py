"""What of a launch's tiles follows the index of its blocks: which dimensions of its buffers, which variables of its loops.

    for k in T.Pipelined(...):
        T.copy(B[bx * 128, k * 64], Bs)        # dimension 0 of Bs follows bx
        T.gemm(As, Bs, Cl, transpose_B=True)   # and dimension 1 of Cl with it
    for i, j in T.Parallel(128, 128):
        Cl[i, j] += bias[bx * 128 + j]         # j follows bx

Everything that has to do with the block index is then a function of `bx * extent + place`, so that the tiles of neighbouring
blocks, side by side, are one longer tile. A program for which that cannot be shown has no `BlockAxis`. The steps of a loop that
adds up products are looked at in the same way: what follows its variable are the dimensions that the products sum over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from .. import ir
from ..tileop.base import as_tile_op
from ..tileop.copy import Copy
from ..tileop.fill import Fill
from ..tileop.gemm import FRAGMENT, Gemm
from .heaviest_first import inlined
from .uniformity import is_a_function
from .units import is_parallel


class _Differs(Exception):
    """Something depends on the block index in another way."""


@dataclass
class BlockAxis:
    """The dimensions of tiles (`dims`) and the parallel loop variables (`loops`, with their extents) that follow `var`.

    `body` is the launch's with scalars that depend on `var` in place of their names.
    """

    var: ir.Var
    body: ir.Stmt
    dims: dict[ir.Var, set[int]] = field(default_factory=dict)
    loops: dict[ir.Var, int] = field(default_factory=dict)

    @staticmethod
    def of(body: ir.Stmt, var: ir.Var, sums: bool = False) -> BlockAxis | None:
        """None where the tiles of neighbouring blocks are not one longer tile, or where that cannot be shown.

        `sums`: `var` counts the steps of a loop whose products add up along it.
        """
        follow = _Follow(body, var, sums)
        try:
            return follow.run()
        except _Differs:
            return None

    def divides(self, parts: int) -> bool:
        """True if tiles can be cut into so many."""
        extents = [ir.static_shape(buf)[d] for buf, dims in self.dims.items() for d in dims]
        return not any(n % parts for n in (*extents, *self.loops.values()))

    def resized(self, times: int | Fraction) -> tuple[ir.Stmt, dict[ir.Var, ir.Var]]:
        """The body for tiles `times` as long, whose number `var` then is; and what became of its buffers."""
        resize = _Resize(self, Fraction(times))
        return resize.body(self.body), resize.buffers


class _Follow:
    """Propagates "follows the block index" over copies, products and parallel loops until nothing changes."""

    def __init__(self, body: ir.Stmt, var: ir.Var, sums: bool) -> None:
        self.sums = sums
        binds = {b.var: b.value for b in ir.collect(body, ir.Bind)}
        named = {name: value for name in binds if ir.uses_var(value := inlined(binds[name], binds), {var})}
        self.axis = BlockAxis(var, _without(ir.substitute(body, named), named))
        self.changed = True

    def run(self) -> BlockAxis:
        while self.changed:
            self.changed = False
            self.statement(self.axis.body)
        return self.axis

    # ------------------------------------------------------------------ statements

    def statement(self, stmt: ir.Stmt) -> None:
        if isinstance(stmt, ir.SeqStmt):
            for part in ir.statements(stmt):
                self.statement(part)
        elif isinstance(stmt, ir.For):
            self._free(stmt.min, stmt.extent)
            if is_parallel(stmt):
                self._nest(stmt)
            else:
                self.statement(stmt.body)
        elif isinstance(stmt, ir.Bind):
            self._free(stmt.value)
        elif isinstance(stmt, ir.BufferStore) and ir.scope_of(stmt.buffer) == "local.var":
            self._free(stmt.value, *stmt.indices)
        elif isinstance(stmt, ir.Evaluate):
            self._operator(stmt)
        elif not isinstance(stmt, ir.AllocBuffer):
            raise _Differs

    def _operator(self, stmt: ir.Evaluate) -> None:
        op = as_tile_op(stmt)
        if isinstance(op, Copy):
            self._copy(op)
        elif isinstance(op, Gemm):
            self._gemm(op)
        elif isinstance(op, Fill):
            self._free(op.value)
            for dim in self._dims(op.dst):
                self._follows(op.dst, dim)
        elif is_shared_layout(stmt):  # where elements lie is nobody's business but the operators'
            return
        elif not ir.is_call(stmt.value, "tl.use_swizzle"):
            raise _Differs

    def _copy(self, op: Copy) -> None:
        if op.options.get("loop_layout") is not None:
            raise _Differs
        sides = [[d for d, r in enumerate(side.region) if ir.const_int(r.extent) != 1] for side in (op.src, op.dst)]
        for side, long in zip((op.src, op.dst), sides):
            for d, r in enumerate(side.region):
                if d not in long:
                    self._free(r.min)
                self._free(r.extent)
        if len(sides[0]) != len(sides[1]):
            raise _Differs
        for src, dst in zip(*sides):
            along = [self._along(side, d) for side, d in ((op.src, src), (op.dst, dst))]
            if any(along):
                self._follows(op.src, src)
                self._follows(op.dst, dst)

    def _gemm(self, op: Gemm) -> None:
        self._free(op.clear_accum)
        if op.E is not None or op.in_flight:
            raise _Differs
        a, b, c = op.a, op.b, op.c
        outer, inner = (((a, 0), (c, 0)), ((b, 1), (c, 1))), (((a, 1), (b, 0)),)
        for one, other in inner if self.sums else outer:
            places = [(operand.region, operand.dims[which]) for operand, which in (one, other)]
            if any(self._along(*place) for place in places):
                for place in places:
                    self._follows(*place)
        for pair in outer if self.sums else inner:
            if any(self._along(operand.region, operand.dims[which]) for operand, which in pair):
                raise _Differs  # the sum runs over what would be longer, or over nothing of it

    def _nest(self, loop: ir.For) -> None:
        variables: dict[ir.Var, int | None] = {}
        body: ir.Stmt = loop
        for _ in range(int(loop.annotations.get("tl.parallel_depth", 1))):
            assert isinstance(body, ir.For)
            if ir.const_int(body.min) != 0 or "tl.loop_layout" in body.annotations:
                raise _Differs
            variables[body.loop_var] = ir.const_int(body.extent)
            body = body.body
        _Nest(self, variables).visit(body)
        if len(self.axis.loops.keys() & variables.keys()) > 1:
            raise _Differs

    # ------------------------------------------------------------------ places

    def _dims(self, region: ir.BufferRegion) -> set[int]:
        return self.axis.dims.get(region.source, set())

    def _along(self, region: ir.BufferRegion, dim: int) -> bool:
        """True if a dimension of a region follows the block index."""
        r = region.region[dim]
        if ir.scope_of(region.source) != "global":
            self._free(r.min)
            return dim in self._dims(region)
        if not ir.uses_var(r.min, {self.axis.var}):
            return False
        step = ir.const_int(ir.simplify(ir.substitute(r.min, {self.axis.var: self.axis.var + 1}) - r.min))
        if step is None or step != ir.const_int(r.extent):
            raise _Differs
        return True

    def _follows(self, region: ir.BufferRegion, dim: int) -> None:
        """The dimension of a region is a whole one of a tile of this launch, or of a tensor and known to follow."""
        buf, r = region.source, region.region[dim]
        if ir.scope_of(buf) == "global":
            if not self._along(region, dim):
                raise _Differs
        elif ir.const_int(r.min) != 0 or ir.const_int(r.extent) != ir.const_int(buf.ty.shape[dim]):
            raise _Differs
        else:
            self.mark(buf, dim)

    def mark(self, buf: ir.Var, dim: int) -> None:
        if ir.scope_of(buf) not in (FRAGMENT, "shared", "shared.dyn"):
            raise _Differs
        if dim not in self.axis.dims.setdefault(buf, set()):
            self.axis.dims[buf].add(dim)
            self.changed = True

    def _free(self, *expressions: Any) -> None:
        if any(ir.uses_var(e, {self.axis.var}) for e in expressions):
            raise _Differs


class _Nest(ir.Visitor):
    """What a parallel loop says: of indices of tiles, of indices of tensors, and of all other expressions."""

    def __init__(self, follow: _Follow, variables: dict[ir.Var, int | None]) -> None:
        super().__init__()
        self.follow, self.variables = follow, variables

    def visit_BufferLoad(self, node: ir.BufferLoad) -> None:
        self._access(node.source, node.indices)

    def visit_BufferStore(self, node: ir.BufferStore) -> None:
        self._access(node.buffer, node.indices)
        self._expression(node.value)
        wide = self.follow.axis.loops.keys() & self.variables.keys()
        if wide and not any(ir.uses_var(i, wide) for i in node.indices):
            raise _Differs  # what a block combines along the tile

    def visit_IfThenElse(self, node: ir.IfThenElse) -> None:
        self._expression(node.condition)
        self.visit(node.then_case)
        if node.else_case is not None:
            self.visit(node.else_case)

    def visit_SeqStmt(self, node: ir.SeqStmt) -> None:
        for part in ir.statements(node):
            self.visit(part)

    def descend(self, node: Any) -> None:
        raise _Differs  # a statement of another kind

    def _access(self, buf: ir.Var, indices: Any) -> None:
        tile = ir.scope_of(buf) != "global"
        for dim, index in enumerate(indices):
            follows = dim in self.follow.axis.dims.get(buf, ())
            if tile and isinstance(index, ir.Var) and (follows or index in self.follow.axis.loops):
                extent = self.variables.get(index)
                if extent is None or extent != ir.const_int(buf.ty.shape[dim]):
                    raise _Differs
                self.follow.mark(buf, dim)
                if index not in self.follow.axis.loops:
                    self.follow.axis.loops[index] = extent
                    self.follow.changed = True
            elif follows:
                raise _Differs
            else:
                self._expression(index, place=True)

    def _expression(self, expr: Any, place: bool = False) -> None:
        """It depends on the block index and the loop variable through `index * extent + variable` alone."""
        if not all(map(is_a_function, ir.collect(expr, ir.Call))):
            raise _Differs
        loads = ir.collect(expr, ir.BufferLoad)
        for load in loads:
            self._access(load.source, load.indices)
        bare = _WithoutLoads().visit(expr) if loads else expr
        var, wide = self.follow.axis.var, self.follow.axis.loops.keys() & self.variables.keys()
        if not ir.uses_var(bare, {var, *wide}):
            return
        if place and ir.uses_var(bare, {var}) and not wide:
            self._starts_to_follow(bare)
            return
        if len(wide) != 1 or not ir.uses_var(bare, wide):
            raise _Differs
        (variable,) = wide
        whole = ir.var("whole", ir.dtype_of(variable))
        inside = ir.substitute(bare, {variable: whole - var * ir.const(self.variables[variable] or 0, ir.dtype_of(var))})
        if ir.uses_var(ir.simplify(inside), {var}):
            raise _Differs

    def _starts_to_follow(self, index: Any) -> None:
        """An index of a tensor, block index * extent + variable: the variable follows from now on."""
        var = self.follow.axis.var
        step = ir.const_int(ir.simplify(ir.substitute(index, {var: var + 1}) - index))
        for variable, extent in self.variables.items():
            if extent is not None and extent == step and ir.uses_var(index, {variable}):
                self.follow.axis.loops[variable] = extent
                self.follow.changed = True
                self._expression(index)
                return
        raise _Differs


class _WithoutLoads(ir.Mutator):
    """An expression whose loads, looked at by themselves, are a constant."""

    def visit_BufferLoad(self, node: ir.BufferLoad) -> Any:
        return ir.zero(ir.dtype_of(node))


class _Resize(ir.Mutator):
    """Tiles, regions and loops that follow, `times` as long."""

    def __init__(self, axis: BlockAxis, times: Fraction) -> None:
        super().__init__()
        self.axis, self.times = axis, times
        self.buffers: dict[ir.Var, ir.Var] = {}
        for buf, dims in axis.dims.items():
            shape = [self._length(n) if d in dims else n for d, n in enumerate(ir.static_shape(buf))]
            self.buffers[buf] = ir.buffer(shape, ir.buffer_dtype(buf), str(buf.name), ir.scope_of(buf))

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        new = self.buffers.get(node.buffer)
        return node if new is None else ir.alloc(new, node.span)

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if is_shared_layout(node) and node.value.args[0].source in self.buffers:
            return None  # of a tile that is no more
        return self.descend(node)

    def visit_BufferRegion(self, node: ir.BufferRegion) -> Any:
        new, var = self.buffers.get(node.source), self.axis.var
        if new is not None:
            dims = self.axis.dims[node.source]
            ranges = [(r.min, self._length(r.extent) if d in dims else r.extent) for d, r in enumerate(node.region)]
            return ir.region(new, ranges)
        ranges = []
        for r in node.region:
            if ir.uses_var(r.min, {var}):  # linear in it, as long as the region
                length = self._length(r.extent)
                ranges.append((ir.simplify(ir.substitute(r.min, {var: ir.const(0, ir.dtype_of(var))}) + var * length), length))
            else:
                ranges.append((r.min, r.extent))
        return ir.region(node.source, ranges)

    def visit_BufferLoad(self, node: ir.BufferLoad) -> Any:
        return ir.load(self.buffers.get(node.source, node.source), self._indices(node.source, node.indices), node.span)

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        indices = self._indices(node.buffer, node.indices)
        return ir.BufferStore(self.buffers.get(node.buffer, node.buffer), self.visit(node.value), indices, node.span)

    def visit_Var(self, node: ir.Var) -> Any:
        """In what a parallel loop says: a function of `var * extent + variable`, which is `0 * extent + whole` as well."""
        if node in self.axis.loops:
            return self.axis.var * self._length(self.axis.loops[node]) + node
        return ir.const(0, ir.dtype_of(node)) if node.same_as(self.axis.var) else node

    def visit_For(self, node: ir.For) -> Any:
        new = self.descend(node)
        if node.loop_var not in self.axis.loops:
            return new
        return ir.For(
            new.loop_var, new.min, self._length(new.extent), new.kind, new.body,
            new.thread_binding, new.annotations, new.step, new.span,
        )  # fmt: skip

    def _indices(self, buf: ir.Var, indices: Any) -> list[Any]:
        dims = self.axis.dims.get(buf, ())
        return [index if d in dims else ir.simplify(self.visit(index)) for d, index in enumerate(indices)]

    def _length(self, extent: Any) -> int:
        length = (ir.const_int(extent) or 0) * self.times
        assert length.denominator == 1 and length > 0, f"{extent} times {self.times} is no length"
        return int(length)


def is_shared_layout(stmt: ir.Stmt) -> bool:
    """True for a `T.annotate_layout` of a tile in shared memory."""
    if not isinstance(stmt, ir.Evaluate) or not ir.is_call(stmt.value, "tl.annotate_layout"):
        return False
    return ir.scope_of(stmt.value.args[0].source).startswith("shared")


def _without(body: ir.Stmt, named: dict[ir.Var, Any]) -> ir.Stmt:
    """A body without the definitions of some scalars."""
    return body if not named else _Drop(named).body(body)


class _Drop(ir.Mutator):
    def __init__(self, named: dict[ir.Var, Any]) -> None:
        super().__init__()
        self.named = named

    def visit_Bind(self, node: ir.Bind) -> Any:
        return None if node.var in self.named else node

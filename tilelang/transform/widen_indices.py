"""Integer arithmetic that may leave 32 bits is done in 64.

What the author writes as ints is meant as integers. Where the ranges of the variables prove that an index, a bound scalar
or a comparison stays below 2**31 with all its parts, it stays int32; elsewhere its operands are widened *before* they are
combined, so that neither `bx * 4096` nor its product with a stride can wrap.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from .bounds import INT32, Bounds
from .kernel_program import KernelProgram
from .ranged_mutator import RangedMutator


class Widener:
    """Widens expressions where `bounds` cannot prove 32 bits (everywhere with `force`).

    `wide_vars` maps an int32 scalar of the program to the int64 scalar that replaced it.
    """

    def __init__(self, bounds: Bounds, force: bool = False) -> None:
        self.bounds, self.force = bounds, force
        self.wide_vars: dict[ir.Var, ir.Var] = {}

    def needed(self, expr: Any) -> bool:
        """True if an int32 expression may leave 32 bits on its way."""
        if ir.dtype_of(expr) != "int32":
            return False
        return self.force or bool(self.wide_vars and ir.uses_var(expr, self.wide_vars)) or not self.bounds.fits(expr)

    def index(self, expr: Any) -> Any:
        """An index that is right in any case: int32 if that is proved, else int64."""
        return self.wide(expr) if self.needed(expr) else expr

    def wide(self, expr: Any) -> Any:
        """The expression in int64; parts that provably fit are computed in 32 bits and converted once."""
        value = ir.const_int(expr)
        if value is not None:
            return ir.const(value, "int64")
        if ir.dtype_of(expr) != "int32":
            return expr if ir.dtype_of(expr) == "int64" else ir.Cast(ir.PrimType("int64"), expr)
        if isinstance(expr, ir.Var):
            return self.wide_vars[expr] if expr in self.wide_vars else ir.Cast(ir.PrimType("int64"), expr)
        if isinstance(expr, (ir.Add, ir.Sub, ir.Mul, ir.FloorDiv, ir.FloorMod, ir.Div, ir.Mod, ir.Min, ir.Max)):
            if self.needed(expr):
                return type(expr)(self.wide(expr.a), self.wide(expr.b), expr.span)
        elif isinstance(expr, ir.Select) and self.needed(expr):
            return ir.Select(expr.condition, self.wide(expr.true_value), self.wide(expr.false_value), expr.span)
        elif isinstance(expr, ir.Call) and ir.call_name(expr) == "prim.if_then_else" and self.needed(expr):
            return ir.if_then_else(expr.args[0], self.wide(expr.args[1]), self.wide(expr.args[2]))
        return ir.Cast(ir.PrimType("int64"), expr)


class _WidenScalars(RangedMutator):
    """Bound scalars and comparisons; the indices of buffers are widened where they are made, in `flatten_buffers`."""

    def __init__(self, program: KernelProgram) -> None:
        super().__init__(program)
        self.widener = Widener(self.bounds)

    def visit_Bind(self, node: ir.Bind) -> Any:
        if ir.dtype_of(node.var) == "int32" and _is_index_arithmetic(node.value) and self.widener.needed(node.value):
            value = self.widener.wide(node.value)
            if self._known_to_fit(node.var):
                return ir.Bind(node.var, ir.Cast(ir.PrimType("int32"), self.visit(value)), node.span)
            wide = ir.var(str(node.var.name), "int64")
            self.widener.wide_vars[node.var] = wide
            self.bounds.bind_value(wide, value)
            self.bounds.bind(node.var, self.bounds.of(value))
            return ir.Bind(wide, self.visit(value), node.span)
        return super().visit_Bind(node)

    def _known_to_fit(self, var: ir.Var) -> bool:
        """True for scalars whose range is known by other means than their value, such as remapped block indices."""
        low, high = self.bounds.of(var)
        return var in self.program.ctx.ranges and INT32[0] <= low and high <= INT32[1]

    def visit_Var(self, node: ir.Var) -> Any:
        wide = self.widener.wide_vars.get(node)
        return node if wide is None else ir.Cast(ir.PrimType("int32"), wide)

    def visit_Cast(self, node: ir.Cast) -> Any:
        if ir.dtype_of(node) == "int64" and self.widener.wide_vars and ir.uses_var(node.value, self.widener.wide_vars):
            return self.visit(self.widener.wide(node.value)) if _is_index_arithmetic(node.value) else self.descend(node)
        return self.descend(node)

    def visit_BufferLoad(self, node: ir.BufferLoad) -> Any:
        indices, changed = self._indices(node.indices)
        return ir.load(node.source, indices, node.span) if changed else node

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        indices, changed = self._indices(node.indices)
        value = self.visit(node.value)
        if not changed and value.same_as(node.value):
            return node
        return ir.BufferStore(node.buffer, value, indices, node.span)

    def _indices(self, indices: Any) -> tuple[list[Any], bool]:
        if not self.widener.wide_vars:
            return self.visit_list(indices)
        new = [self.visit(self.widener.wide(i) if ir.uses_var(i, self.widener.wide_vars) else i) for i in indices]
        return new, any(not a.same_as(b) for a, b in zip(new, indices))

    def _compare(self, node: Any) -> Any:
        if ir.dtype_of(node.a) == "int32" and _is_index_arithmetic(node.a) and _is_index_arithmetic(node.b):
            if self.widener.needed(node.a) or self.widener.needed(node.b):
                return type(node)(self.visit(self.widener.wide(node.a)), self.visit(self.widener.wide(node.b)), node.span)
        return self.descend(node)

    visit_LT = visit_LE = visit_GT = visit_GE = visit_EQ = visit_NE = _compare


def _is_index_arithmetic(expr: Any) -> bool:
    """Arithmetic on variables and constants; what comes out of memory is data, whose int32 wraps as the author asked."""
    return not ir.contains(expr, (ir.BufferLoad, ir.Call))


def widen_indices(program: KernelProgram) -> KernelProgram:
    """Widen bound scalars and comparisons of index arithmetic that are not proved to fit 32 bits."""
    return replace(program, body=_WidenScalars(program).body(program.body))

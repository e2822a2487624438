"""A nest of unrolled loops around one assignment of registers becomes one loop, and a loop of conversions one call.

    for i in unroll(16):
        for j in unroll(2):
            for k in unroll(2):
                s[i * 4 + j * 2 + k] = exp2(s[i * 4 + j * 2 + k] - m[j])

    for i in unroll(64):
        s[i] = exp2(s[i] - m[i % 4 // 2])

The assignments and their order are the same. A CUDA compiler unrolls one loop in less time than three, and two conversions in one
instruction are fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from .. import ir
from .kernel_program import KernelProgram

LONGEST = 512  # iterations of a merged loop: compilers give up unrolling much longer ones
_PAIRED = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")  # two of them come of one conversion


def merge_unrolled_loops(program: KernelProgram) -> KernelProgram:
    """Both kinds throughout a launch."""
    return replace(program, body=_Merge().body(program.body))


class _Merge(ir.Mutator):
    def visit_For(self, node: ir.For) -> Any:
        loops, store = _nest(node)
        if not loops or not isinstance(store, ir.BufferStore) or ir.scope_of(store.buffer) != "local":
            return self.descend(node)
        variables, extents = [loop.loop_var for loop in loops], [ir.const_int(loop.extent) or 0 for loop in loops]
        count = prod(extents)
        if count > LONGEST:
            return self.descend(node)
        var = variables[0]
        if len(loops) > 1:
            var = ir.var(str(var.name))
            store = _Flatten(variables, extents, var).visit(store)
        converted = _conversion(store, var, count)
        if converted is not None:
            return converted
        return node if len(loops) == 1 else ir.For(var, ir.const(0), ir.const(count), node.kind, store, span=node.span)


def _nest(node: Any) -> tuple[list[ir.For], Any]:
    """Unrolled loops that hold nothing but each other, outermost first, and what the last one holds."""
    loops = []
    while (
        isinstance(node, ir.For)
        and int(node.kind) == int(ir.ForKind.UNROLLED)
        and ir.const_int(node.min) == 0
        and ir.const_int(node.extent) is not None
        and node.step is None
        and not len(node.annotations)
    ):
        loops.append(node)
        node = node.body
    return loops, node


class _Flatten(ir.Mutator):
    """Digits of one variable instead of several."""

    def __init__(self, variables: Sequence[ir.Var], extents: Sequence[int], var: ir.Var) -> None:
        super().__init__()
        self.variables, self.var = list(variables), var
        self.strides = [prod(extents[k + 1 :]) for k in range(len(extents))]
        self.digits = {v: self._digit(k, n) for k, (v, n) in enumerate(zip(variables, extents))}

    def _digit(self, position: int, extent: int) -> Any:
        stride = self.strides[position]
        digit = self.var // stride if stride > 1 else self.var
        return digit % extent if position else digit

    def visit_Var(self, node: ir.Var) -> Any:
        return self.digits.get(node, node)

    def visit_BufferLoad(self, node: Any) -> Any:
        return ir.load(node.source, [self._index(i) for i in ir.items(node.indices)], node.span)

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        return ir.BufferStore(node.buffer, self.visit(node.value), [self._index(i) for i in ir.items(node.indices)], node.span)

    def _index(self, index: Any) -> Any:
        """`a * var + rest` where the variables' weights are those of digits."""
        weights = _weights(index, self.variables)
        if weights is None or any(w != weights[-1] * stride for w, stride in zip(weights, self.strides)) or not weights[-1]:
            return self.visit(index)
        rest = ir.simplify(ir.substitute(index, dict.fromkeys(self.variables, 0)))
        scaled = self.var * weights[-1] if weights[-1] != 1 else self.var
        return scaled if ir.const_int(rest) == 0 else scaled + rest


def _weights(index: Any, variables: Sequence[ir.Var]) -> list[int] | None:
    """What each variable counts in an index; None where it is not linear in them."""
    out = [0] * len(variables)
    pending = [(index, 1)]
    while pending:
        node, factor = pending.pop()
        if isinstance(node, (ir.Add, ir.Sub)):
            pending += [(node.a, factor), (node.b, factor if isinstance(node, ir.Add) else -factor)]
        elif isinstance(node, ir.Mul) and (by := ir.const_int(node.b)) is not None:
            pending.append((node.a, factor * by))
        elif isinstance(node, ir.Var) and node in variables:
            out[list(variables).index(node)] += factor
        elif ir.uses_var(node, variables):
            return None
    return out


def _conversion(store: ir.BufferStore, var: ir.Var, count: int) -> ir.Stmt | None:
    """One call for `to[var + a] = cast(from[var + b])`, floats in registers that convert in pairs."""
    value = store.value
    if not isinstance(value, ir.Cast) or not isinstance(value.value, ir.BufferLoad) or count % 2:
        return None
    source = value.value
    if ir.scope_of(source.source) != "local" or ir.buffer_dtype(source.source) != "float32":
        return None
    if ir.buffer_dtype(store.buffer) not in _PAIRED or ir.dtype_of(value) != ir.buffer_dtype(store.buffer):
        return None
    starts = []
    for (index,) in (ir.items(store.indices), ir.items(source.indices)):
        if _weights(index, [var]) != [1]:
            return None
        starts.append(ir.simplify(ir.substitute(index, {var: ir.const(0)})))
    to, start = (ir.address_of(ir.load(b, [at])) for b, at in zip((store.buffer, source.source), starts))
    return ir.evaluate(ir.call("tl.cast_array", [to, start], attrs={"template": [str(count)]}, span=store.span), store.span)

"""Logical indices become one offset: through strides in global memory, layouts in shared memory, row-major in registers.

Before: `A[by * 128 + i, k]`, `As[i, k]` (swizzled), `C[i, j]` of a local array
After:  `A[(by * 128 + i) * 4096 + k]`, `As[i * 64 + (k ^ i % 8 * 8)]`, `C[i * 4 + j]`; every buffer has one dimension

Offsets into global memory are int32 only where the ranges of all variables prove it (see `widen_indices`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from .. import ir
from ..errors import SemanticError
from .bounds import INT32
from .kernel_program import KernelProgram
from .ranged_mutator import RangedMutator
from .widen_indices import Widener


class _Flatten(RangedMutator):
    def __init__(self, program: KernelProgram) -> None:
        super().__init__(program)
        self.widener = Widener(self.bounds, force=int(program.config("tl.config_index_bitwidth", 32)) == 64)
        self.flat: dict[ir.Var, ir.Var] = {}
        self.span: Any = None

    def flat_buffer(self, buf: ir.Var) -> ir.Var:
        """The one-dimensional buffer that stands for `buf` from here on."""
        if buf not in self.flat:
            root = self.program.ctx.root(buf)
            if not buf.same_as(root) and ir.buffer_dtype(root) == ir.buffer_dtype(buf) and ir.scope_of(buf) == "global":
                self.flat[buf] = self.flat_buffer(root)
                return self.flat[buf]
            scope, shape = ir.scope_of(buf), ir.shape_of(buf)
            if len(shape) == 1 and not len(buf.ty.strides):
                self.flat[buf] = buf
            else:
                if scope.startswith("shared"):
                    size: Any = self.program.ctx.shared_layout(buf).size
                elif all(isinstance(s, int) for s in shape):
                    size = prod(shape)
                else:  # only for printing: nothing reads the extent of a global buffer after this
                    size = prod((ir.as_expr(s).astype("int64") for s in shape), start=ir.const(1, "int64"))
                size = ir.const(size, "int64") if isinstance(size, int) and size > INT32[1] else size
                self.flat[buf] = ir.buffer((size,), ir.buffer_dtype(buf), str(buf.name), scope, span=buf.span)
        return self.flat[buf]

    def offset(self, buf: ir.Var, indices: Sequence[Any]) -> Any:
        """The element offset of an access."""
        scope = ir.scope_of(buf)
        if scope == "global":
            return self._global_offset(buf, indices)
        if scope == "local.fragment":
            raise SemanticError(
                f"the fragment `{buf.name}` is accessed element by element outside a tile operation",
                fix="index fragments inside T.Parallel, or copy the tile to shared memory first",
                span=ir.span_to_source(self.span),
            )
        if scope.startswith("shared"):
            return ir.simplify(self.program.ctx.shared_layout(buf).offset(list(indices)), self.analyzer)
        total: Any = 0
        for extent, index in zip(ir.static_shape(buf), indices):
            total = total * extent + index
        return ir.simplify(total, self.analyzer)

    def _global_offset(self, buf: ir.Var, indices: Sequence[Any]) -> Any:
        strides = ir.strides_of(buf)
        indices = [ir.simplify(i, self.analyzer) for i in indices]
        layout = self.program.ctx.tensors.get(buf)
        if layout is not None:
            total = layout.offset(indices)
            return ir.simplify(total, self.analyzer) if self.bounds.fits(total) else self.widener.index(total)
        small = all(isinstance(s, int) and s <= INT32[1] for s in strides)
        if small and not self.widener.force and all(ir.dtype_of(i) == "int32" and self.bounds.fits(i) for i in indices):
            total = sum((i * s for i, s in zip(indices, strides)), start=ir.const(0))
            if self.bounds.fits(total):
                simple = ir.simplify(total, self.analyzer)
                return simple if self.bounds.fits(simple) else total
        terms = [self._wide_term(i, s) for i, s in zip(indices, strides)]
        terms = [t for t in terms if ir.const_int(t) != 0]
        return sum(terms[1:], start=terms[0]) if terms else ir.const(0, "int64")

    def _wide_term(self, index: Any, stride: Any) -> Any:
        if ir.const_int(index) == 0:
            return ir.const(0, "int64")
        if isinstance(stride, int) and stride <= INT32[1] and not self.widener.force and ir.dtype_of(index) == "int32":
            product = index * stride if stride != 1 else index
            return self.widener.wide(product)
        wide = self.widener.wide(index)
        return wide if isinstance(stride, int) and stride == 1 else wide * self._wide_stride(stride)

    def _wide_stride(self, stride: Any) -> Any:
        return ir.const(stride, "int64") if isinstance(stride, int) else self.widener.wide(stride)

    # ------------------------------------------------------------------ nodes

    def visit(self, node: Any) -> Any:
        if isinstance(node, ir.Stmt):
            self.span = node.span
        return super().visit(node)

    def visit_BufferLoad(self, node: ir.BufferLoad) -> Any:
        indices, _ = self.visit_list(node.indices)
        return ir.load(self.flat_buffer(node.source), [self.offset(node.source, indices)], node.span)

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        indices, _ = self.visit_list(node.indices)
        value = self.visit(node.value)
        self.span = node.span
        return ir.BufferStore(self.flat_buffer(node.buffer), value, [self.offset(node.buffer, indices)], node.span)

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        flat = self.flat_buffer(node.buffer)
        return node if flat is node.buffer or flat.same_as(node.buffer) else ir.alloc(flat, node.span)


def flatten_buffers(program: KernelProgram) -> KernelProgram:
    """Replace every access by one with a single offset, and every buffer by a one-dimensional one."""
    flatten = _Flatten(program)
    body = flatten.body(program.body)
    producer = None if program.producer is None else flatten.body(program.producer)
    params = tuple(flatten.flat.get(p, p) for p in program.params)
    plan = program.shared_plan
    if plan is not None:
        offsets = {flatten.flat.get(b, b): offset for b, offset in plan.offsets.items()}
        sizes = {flatten.flat.get(b, b): size for b, size in plan.sizes.items()}
        plan = replace(plan, offsets=offsets, sizes=sizes)
    return replace(program, body=body, producer=producer, params=params, shared_plan=plan)

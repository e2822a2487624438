"""Tensors and shared tiles of 4-bit elements become bytes, two elements each; register tiles get a byte for each element.

Before: `for i, j in T.Parallel(M, K): P[i, j] = cast(int4, X[i, j])` and `T.copy(P[0, 0:K], S)`, P and S of int4
After:  `for i, j in T.Parallel(M, K // 2): P[i, j] = code(X[i, 2 * j]) | code(X[i, 2 * j + 1]) << 4` and a copy of K // 2 bytes

The passes behind this one know bytes only. A byte is always written as a whole by one thread: loops whose variable counts
the elements are halved, and what cannot be halved is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..errors import SemanticError, ShapeError, UnsupportedError
from ..language.dtypes import UNPACKED_FLOAT4
from ..tileop.base import as_tile_op
from ..tileop.copy import Copy
from ..tileop.elementwise import ElementwiseOp
from ..tileop.fill import Fill
from ..tileop.scaled_gemm import ScaledGemm
from .kernel_program import KernelProgram
from .sub_byte import FLOAT4, REGISTER, compute_type, decode, encode, is_sub_byte, nibble_of, read_nibble, shares_bytes

_IN_ORDER = (ir.ForKind.SERIAL, ir.ForKind.UNROLLED)  # an iteration may read what the one before it wrote
_FIX = "make it even: two elements share a byte"


def pack_sub_byte(program: KernelProgram) -> KernelProgram:
    """Replace every buffer of 4-bit elements, and every expression of such a type."""
    buffers = [b for b in program.params if ir.is_buffer_var(b)]
    buffers += [n.buffer for n in ir.collect(program.body, ir.AllocBuffer)]
    buffers += [c.args[0].source for c in ir.collect(program.body, ir.Call) if ir.is_call(c, "tl.view")]
    if not any(is_sub_byte(ir.buffer_dtype(b)) for b in buffers) and not _mentions(program.body):
        return program
    pack = _Pack(program)
    params = tuple(pack.storage(p) if ir.is_buffer_var(p) else p for p in program.params)
    body = pack.body(program.body)
    origins = {new: old for old, new in zip(program.params, params) if not new.same_as(old)}
    program.ctx.packed.update(origins)
    return replace(program, body=body, params=params)


def _mentions(body: ir.Stmt) -> bool:
    return any(is_sub_byte(ir.dtype_of(c)) for c in ir.collect(body, ir.Cast))


def _in_memory(buf: ir.Var) -> bool:
    """True for buffers whose elements share bytes."""
    return shares_bytes(ir.buffer_dtype(buf)) and not ir.scope_of(buf).startswith("local")


class _Pack(ir.Mutator):
    def __init__(self, program: KernelProgram) -> None:
        super().__init__()
        self.ctx = program.ctx
        self.span: Any = program.span
        self.made: dict[ir.Var, ir.Var] = {}
        self.ranges: dict[ir.Var, tuple[Any, Any]] = {}
        self.lanes: dict[ir.Var, int] = {}  # loops that were halved: which element of a byte this copy of the body is

    # ------------------------------------------------------------------ buffers

    def storage(self, buf: ir.Var) -> ir.Var:
        """The buffer of bytes that stands for `buf`."""
        dtype = ir.buffer_dtype(buf)
        if not is_sub_byte(dtype):
            return buf
        if buf not in self.made:
            shape, strides, kind = ir.shape_of(buf), ir.strides_of(buf) if len(buf.ty.strides) else None, REGISTER[dtype]
            if _in_memory(buf):
                shape, kind = [*shape[:-1], self._half(shape[-1], f"the last extent of `{buf.name}`", buf.span)], "uint8"
                if len(buf.ty.strides):
                    own = ir.strides_of(buf)
                    if own[-1] != 1:
                        raise ShapeError(
                            f"`{buf.name}` of {dtype} has stride {own[-1]} along its last axis",
                            fix="4-bit elements are contiguous along the last axis: two share a byte",
                            span=ir.span_to_source(buf.span),
                        )
                    strides = [*(self._half(s, f"a stride of `{buf.name}`", buf.span) for s in own[:-1]), 1]
            self.made[buf] = ir.buffer(shape, kind, str(buf.name), ir.scope_of(buf), strides, buf.span)
        return self.made[buf]

    def _half(self, extent: Any, what: str, span: Any = None) -> Any:
        """Half of an extent, which must be even; the launcher makes symbolic extents of tensors even."""
        if isinstance(number := ir.const_int(extent) if not isinstance(extent, int) else extent, int):
            if number % 2:
                raise ShapeError(f"{what} is {number}", fix=_FIX, span=ir.span_to_source(span or self.span))
            return number // 2
        return ir.simplify(ir.FloorDiv(extent, ir.const(2, ir.dtype_of(extent))))

    def _byte(self, index: Any) -> tuple[Any, Any]:
        """Which byte along the last axis holds an element, and which of its two it is."""
        two = ir.const(2, ir.dtype_of(index))
        analyzer = self.ctx.analyzer(self.ranges)
        return ir.simplify(ir.FloorDiv(index, two), analyzer), ir.simplify(ir.FloorMod(index, two), analyzer)

    def _region(self, region: ir.BufferRegion) -> ir.BufferRegion:
        """The bytes of a region, which must begin and end between bytes."""
        buf = region.source
        ranges = [(r.min, r.extent) for r in region.region]
        if _in_memory(buf):
            start, extent = ranges[-1]
            byte, lane = self._byte(start)
            if ir.const_int(lane) != 0:
                raise SemanticError(
                    f"a region of `{buf.name}` ({ir.buffer_dtype(buf)}) starts at element {start} of its last axis, which is not "
                    "proved to be even",
                    fix="start tiles at even elements: two share a byte",
                    span=ir.span_to_source(self.span),
                )
            ranges[-1] = (byte, self._half(ir.simplify(extent), f"the extent of a region of `{buf.name}` along its last axis"))
        return ir.region(self.storage(buf), ranges)

    # ------------------------------------------------------------------ statements

    def visit(self, node: Any) -> Any:
        if isinstance(node, ir.Stmt) and node.span is not None:
            self.span = node.span
        return super().visit(node)

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        new = self.storage(node.buffer)
        return node if new.same_as(node.buffer) else ir.alloc(new, node.span)

    def visit_Bind(self, node: ir.Bind) -> Any:
        if is_sub_byte(ir.dtype_of(node.var)):
            new = ir.var(str(node.var.name), REGISTER[ir.dtype_of(node.var)])
            self.made[node.var] = new
            return ir.Bind(new, self.visit(node.value), node.span)
        return self.descend(node)

    def visit_Var(self, node: ir.Var) -> Any:
        return self.made.get(node, node)

    def visit_For(self, node: ir.For) -> Any:
        outer = self.ranges
        self.ranges = {**outer, node.loop_var: (node.min, node.extent)}
        new = self._halved(node) if self._counts_elements(node) else self.descend(node)
        self.ranges = outer
        return new

    def _counts_elements(self, node: ir.For) -> bool:
        """True if consecutive iterations write consecutive elements of packed memory."""
        stores = [s for s in ir.collect(node.body, ir.BufferStore) if _in_memory(s.buffer)]
        return any(ir.can_prove(_after(s.indices[-1], node.loop_var) - s.indices[-1] == 1) for s in stores)

    def _halved(self, node: ir.For) -> Any:
        """A loop over pairs: its body for the even element, then for the odd one."""
        half = self._half(ir.simplify(node.extent), f"the extent of the loop over `{node.loop_var.name}`, which counts elements,")
        start, lane = self._byte(node.min)
        if ir.const_int(lane) != 0:
            raise SemanticError(
                f"the loop over `{node.loop_var.name}` counts elements of 4 bits from {node.min}",
                fix="start it at an even number: two elements share a byte",
                span=ir.span_to_source(self.span),
            )
        pair = ir.var(str(node.loop_var.name), ir.dtype_of(node.loop_var))
        self.ranges = {**self.ranges, pair: (start, half)}
        bodies = [self.body(_Renamed({node.loop_var: pair * 2 + k}).body(node.body)) for k in (0, 1)]
        body = None if node.kind in _IN_ORDER and _reads_what_it_writes(node.body) else _merged(*bodies)
        body = ir.seq(bodies) if body is None else body
        return ir.For(pair, start, ir.as_expr(half), node.kind, body, node.thread_binding, node.annotations, None, node.span)

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        dtype, indices = ir.buffer_dtype(node.buffer), self.visit_list(node.indices)[0]
        value = self.visit(node.value)
        if not is_sub_byte(dtype):
            return ir.BufferStore(node.buffer, value, indices, node.span)
        new = self.storage(node.buffer)
        if not _in_memory(node.buffer):
            return ir.BufferStore(new, value, indices, node.span)
        byte, lane = self._byte(indices[-1])
        place, k = [*indices[:-1], byte], ir.const_int(lane)
        if k is None:
            raise SemanticError(
                f"`{node.buffer.name}` ({dtype}) is written at {indices[-1]}: half of a byte, whose other half may be another "
                "thread's",
                fix="write consecutive elements from an even one in a loop over the last axis, or a tile by T.copy",
                span=ir.span_to_source(node.span),
            )
        code = nibble_of(dtype, value)
        kept = ir.Cast("int32", ir.load(new, place)) & (0xF0 if k == 0 else 0x0F)
        return ir.BufferStore(new, ir.Cast("uint8", kept | (code << (4 * k) if k else code)), place, node.span)

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        op = as_tile_op(node)
        if op is None:
            return self.descend(node)
        regions = [a for a in node.value.args if isinstance(a, ir.BufferRegion)]
        if not any(is_sub_byte(ir.buffer_dtype(r.source)) for r in regions):
            return self.descend(node)
        if isinstance(op, Copy) and ir.buffer_dtype(op.src.source) == ir.buffer_dtype(op.dst.source):
            if _in_memory(op.src.source) == _in_memory(op.dst.source):
                return ir.evaluate(replace(op, src=self._region(op.src), dst=self._region(op.dst)).to_call(), node.span)
        if isinstance(op, Fill) and not ir.contains(op.value, ir.BufferLoad):
            dtype = ir.buffer_dtype(op.dst.source)
            value = self.visit(op.value if ir.dtype_of(op.value) == dtype else ir.Cast(dtype, op.value))
            if _in_memory(op.dst.source):
                value = ir.Cast("uint8", nibble_of(dtype, value) * 17)
            return ir.evaluate(replace(op, dst=self._region(op.dst), value=value).to_call(), node.span)
        if isinstance(op, ScaledGemm):
            return ir.evaluate(op.packed(self._region).to_call(), node.span)
        if isinstance(op, ElementwiseOp):
            return self.visit(op.nest().to_stmt())
        dtype, name = next((ir.buffer_dtype(r.source), r.source.name) for r in regions if is_sub_byte(ir.buffer_dtype(r.source)))
        raise UnsupportedError(
            f"{op.name.replace('tl.', 'T.')} does not take `{name}`, whose elements are {dtype}",
            fix=f"convert the tile first: T.copy it to a fragment of {'float16' if 'float' in dtype else 'int8'}",
            span=op.source,
        )

    # ------------------------------------------------------------------ expressions

    def visit_BufferRegion(self, node: ir.BufferRegion) -> Any:
        return self._region(node) if is_sub_byte(ir.buffer_dtype(node.source)) else self.descend(node)

    def visit_BufferLoad(self, node: ir.BufferLoad) -> Any:
        dtype, indices = ir.buffer_dtype(node.source), self.visit_list(node.indices)[0]
        if not is_sub_byte(dtype):
            return ir.load(node.source, indices, node.span)
        new = self.storage(node.source)
        if not _in_memory(node.source):
            return ir.load(new, indices, node.span)
        byte, lane = self._byte(indices[-1])
        return read_nibble(dtype, ir.load(new, [*indices[:-1], byte], node.span), lane)

    def visit_Cast(self, node: ir.Cast) -> Any:
        origin, to = ir.dtype_of(node.value), ir.dtype_of(node)
        if origin == to or (origin in FLOAT4 and to in FLOAT4):
            return self.visit(node.value)
        value = self.visit(node.value)
        if is_sub_byte(origin):
            value = decode(origin, value, to if not is_sub_byte(to) else compute_type(origin))
        if is_sub_byte(to):
            return encode(to, value)
        return value if is_sub_byte(origin) else node if value.same_as(node.value) else ir.Cast(to, value)

    def visit_IntImm(self, node: Any) -> Any:
        dtype = ir.dtype_of(node)
        return ir.const(int(node.value), REGISTER[dtype]) if is_sub_byte(dtype) else node

    def visit_FloatImm(self, node: Any) -> Any:
        dtype = ir.dtype_of(node)
        return encode(dtype, ir.const(float(node.value), "float32")) if is_sub_byte(dtype) else node

    def visit_Select(self, node: ir.Select) -> Any:
        return ir.Select(*self.visit_list((node.condition, node.true_value, node.false_value))[0], node.span)

    def visit_Call(self, node: ir.Call) -> Any:
        if ir.is_call(node, "tirx.address_of") and isinstance(node.args[0], ir.BufferLoad):
            return self._address(node)
        kinds = [ir.dtype_of(a) for a in node.args if not isinstance(a, (ir.BufferRegion, ir.StringImm))]
        if ir.call_name(node) == "prim.if_then_else":
            return ir.if_then_else(*self.visit_list(node.args)[0])
        if not any(map(is_sub_byte, (*kinds, ir.dtype_of(node)))):
            return self.descend(node)
        if ir.is_call(node, "tl.reinterpret") and UNPACKED_FLOAT4 in (ir.dtype_of(node), *kinds):
            code = self.visit(node.args[0])  # a byte, whatever the other side is
            to = REGISTER.get(ir.dtype_of(node), ir.dtype_of(node))
            return code if ir.dtype_of(code) == to else ir.pure_call("tl.reinterpret", [code], to)
        raise UnsupportedError(
            f"{ir.call_name(node).replace('tl.', 'T.')} does not take elements of 4 bits",
            fix="convert them first: T.cast(x, 'float16') or T.cast(x, 'int8')",
            span=ir.span_to_source(node.span or self.span),
        )

    def _address(self, node: ir.Call) -> Any:
        load = node.args[0]
        if not is_sub_byte(ir.buffer_dtype(load.source)):
            return self.descend(node)
        one = self._region(ir.region(load.source, [*((i, 1) for i in load.indices[:-1]), (load.indices[-1], 2)]))
        return ir.address_of(ir.load(one.source, [r.min for r in one.region]))

    def descend(self, node: Any) -> Any:
        if isinstance(node, (ir.BinaryOpExpr, ir.CmpExpr, *ir.BITWISE)) and is_sub_byte(ir.dtype_of(node.a)):
            dtype = ir.dtype_of(node.a)
            a, b = (decode(dtype, self.visit(x), compute_type(dtype)) for x in (node.a, node.b))
            value = type(node)(a, b, node.span)
            return value if isinstance(node, ir.CmpExpr) else encode(dtype, value)
        return super().descend(node)


def _reads_what_it_writes(body: ir.Stmt) -> bool:
    written = [s.buffer for s in ir.collect(body, ir.BufferStore)]
    return any(load.source.same_as(b) for load in ir.collect(body, ir.BufferLoad) for b in written)


def _after(index: Any, var: ir.Var) -> Any:
    """An index one iteration later."""
    return ir.substitute(index, {var: var + 1})


def _merged(even: ir.Stmt, odd: ir.Stmt) -> ir.Stmt | None:
    """One store of a byte, where both halves of the body are a store of one half of it, both under the same conditions."""
    if isinstance(even, ir.IfThenElse) and isinstance(odd, ir.IfThenElse):
        if even.else_case is not None or odd.else_case is not None or not ir.structural_equal(even.condition, odd.condition):
            return None
        store = _merged(even.then_case, odd.then_case)
        return None if store is None else ir.IfThenElse(even.condition, store, None, even.span)
    if not isinstance(even, ir.BufferStore) or not isinstance(odd, ir.BufferStore) or not even.buffer.same_as(odd.buffer):
        return None
    if not all(map(ir.structural_equal, even.indices, odd.indices)):
        return None
    codes = [s.value.value.b for s in (even, odd)]  # Cast(uint8, kept | code)
    return ir.BufferStore(even.buffer, ir.Cast("uint8", codes[0] | codes[1]), even.indices, even.span)


class _Renamed(ir.Mutator):
    """A copy of a body with variables of its own: what it binds and allocates must not be declared twice."""

    def __init__(self, values: dict[ir.Var, Any]) -> None:
        super().__init__()
        self.values = values

    def visit_Var(self, node: ir.Var) -> Any:
        return self.values.get(node, node)

    def visit_Bind(self, node: ir.Bind) -> Any:
        value = self.visit(node.value)
        self.values[node.var] = ir.var(str(node.var.name), ir.dtype_of(node.var))
        return ir.Bind(self.values[node.var], value, node.span)

    def visit_For(self, node: ir.For) -> Any:
        self.values[node.loop_var] = ir.var(str(node.loop_var.name), ir.dtype_of(node.loop_var))
        lo, extent = self.visit(node.min), self.visit(node.extent)
        body = self.body(node.body)
        return ir.For(
            self.values[node.loop_var], lo, extent, node.kind, body, node.thread_binding, node.annotations, node.step, node.span
        )

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        old = node.buffer
        self.values[old] = ir.buffer(ir.shape_of(old), ir.buffer_dtype(old), str(old.name), ir.scope_of(old), span=old.span)
        return ir.alloc(self.values[old], node.span)

    def visit_BufferLoad(self, node: ir.BufferLoad) -> Any:
        return ir.load(self.values.get(node.source, node.source), self.visit_list(node.indices)[0], node.span)

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        indices, value = self.visit_list(node.indices)[0], self.visit(node.value)
        return ir.BufferStore(self.values.get(node.buffer, node.buffer), value, indices, node.span)

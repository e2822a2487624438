"""Statements of TIR as C++ lines, each with the user's line behind it."""

from __future__ import annotations

import os
from typing import Any

from .. import ir
from ..errors import UnsupportedError
from ..transform.units import loop_span
from .expr import ExprPrinter
from .literals import string_literal
from .strength import SHIFT
from .types import type_name

_COMPOUND = {ir.Add: "+", ir.Sub: "-", ir.Mul: "*"}
# Operators that say something to the compiler and nothing to the machine.
_SILENT = frozenset(("tl.assume", "tl.annotate_layout", "tl.use_swizzle", "tl.import_source"))


class StmtPrinter(ExprPrinter):
    """Prints statements into `lines`."""

    def __init__(self, *args: Any, line_directives: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lines: list[str] = []
        self.depth = 1
        self.line_directives = line_directives
        self._place: tuple[str, int] | None = None
        self._statements: dict[type, Any] = {}

    # ------------------------------------------------------------------ lines

    def emit(self, text: str, node: Any = None) -> None:
        """Append a line; the user's place is added when it is a new one."""
        comment = ""
        span = getattr(node, "span", None)
        if span is not None:
            place = (str(span.source_name.name), int(span.line))
            if place != self._place:
                self._place = place
                if self.line_directives:
                    self.lines.append(f"#line {place[1]} {string_literal(place[0])}")
                else:
                    comment = f"  // {os.path.basename(place[0])}:{place[1]}"
        self.lines.append("  " * self.depth + text + comment)

    def block(self, stmt: ir.Stmt) -> None:
        """The statements of a nested block, one level deeper, with their own names."""
        self.depth += 1
        self.names.open()
        self.statement(stmt)
        self.names.close()
        self.depth -= 1

    # ------------------------------------------------------------------ dispatch

    def statement(self, stmt: ir.Stmt) -> None:
        """Print a statement."""
        kind = type(stmt)
        method = self._statements.get(kind)
        if method is None:
            method = self._statements[kind] = getattr(self, f"_stmt_{kind.__name__}", self._stmt_unknown)
        if stmt.span is not None:
            self.span = stmt.span
        method(stmt)

    def _stmt_unknown(self, stmt: ir.Stmt) -> None:
        raise UnsupportedError(
            f"{type(stmt).__name__} statements cannot be written as device code",
            fix="this is a defect of the compiler if the kernel is ordinary; please report it",
            span=self.source(stmt),
        )

    def _stmt_SeqStmt(self, stmt: ir.SeqStmt) -> None:
        parts = list(stmt.seq)
        skip = False
        for part, following in zip(parts, [*parts[1:], None]):
            if skip:
                skip = False
                continue
            if isinstance(part, ir.AllocBuffer) and ir.scope_of(part.buffer) == "local.var":
                skip = self._declare_scalar(part, following)
            else:
                self.statement(part)

    # ------------------------------------------------------------------ declarations

    def _declare_scalar(self, stmt: ir.AllocBuffer, following: Any) -> bool:
        """`float x = 0.0f;` from an allocation and the store behind it; returns whether the store was taken."""
        buf = stmt.buffer
        kind = type_name(ir.buffer_dtype(buf), self.source(stmt))
        if isinstance(following, ir.BufferStore) and following.buffer.same_as(buf):
            value = self.text(following.value)  # before the name exists: an initializer does not see itself
            self.emit(f"{kind} {self.names.declare(buf, str(buf.name))} = {value};", stmt)
            return True
        self.emit(f"{kind} {self.names.declare(buf, str(buf.name))};", stmt)
        return False

    def declare_array(self, buf: ir.Var, node: Any = None) -> None:
        """A per-thread array; matrix functions and vector accesses want 16-byte alignment."""
        size = ir.static_shape(buf)[0]
        kind = type_name(ir.buffer_dtype(buf), self.source(node))
        name = self.names.declare(buf, str(buf.name))
        self.emit(f"alignas(16) {kind} {name}[{size}];" if size > 1 else f"{kind} {name}[{size}];", node)

    def _stmt_AllocBuffer(self, stmt: ir.AllocBuffer) -> None:
        scope = ir.scope_of(stmt.buffer)
        if scope == "local.var":
            self._declare_scalar(stmt, None)
        elif scope == "local":
            self.declare_array(stmt.buffer, stmt)
        elif not scope.startswith("shared"):  # shared buffers are pointers into the arena, declared at the top
            raise UnsupportedError(
                f"a buffer of scope {scope!r} (`{stmt.buffer.name}`) cannot be allocated inside a kernel",
                fix="allocate global workspaces outside T.Kernel",
                span=self.source(stmt),
            )

    def _stmt_Bind(self, stmt: ir.Bind) -> None:
        dtype = ir.dtype_of(stmt.var)
        if not stmt.var.same_as(stmt.value):
            value = self.text(stmt.value)
            self.bounds.bind_value(stmt.var, stmt.value) if stmt.var not in self.bounds.variables else None
            kind = "auto" if dtype == "handle" else f"const {type_name(dtype, self.source(stmt))}"
            self.emit(f"{kind} {self.names.declare(stmt.var, str(stmt.var.name))} = {value};", stmt)

    # ------------------------------------------------------------------ effects

    def _stmt_BufferStore(self, stmt: ir.BufferStore) -> None:
        target, _ = self.element(stmt.buffer, stmt.indices[0])
        value = stmt.value
        symbol = _COMPOUND.get(type(value))
        if symbol and isinstance(value.a, ir.BufferLoad) and value.a.source.same_as(stmt.buffer) and self.text(value.a) == target:
            self.emit(f"{target} {symbol}= {self.text(value.b)};", stmt)
        else:
            self.emit(f"{target} = {self.text(value)};", stmt)

    def _stmt_Evaluate(self, stmt: ir.Evaluate) -> None:
        value = stmt.value
        if ir.is_call(value, "tl.make_tensor"):
            buf = value.args[0].args[0].source
            kind, address = type_name(ir.buffer_dtype(buf), self.source(stmt)), self.text(value.args[1])
            self.emit(f"{kind}* {self.names.declare(buf, str(buf.name))} = reinterpret_cast<{kind}*>({address});", stmt)
            return
        if ir.is_noop(stmt) or (isinstance(value, ir.Call) and ir.call_name(value) in _SILENT):
            return
        if ir.is_call(value, "tl.alias"):
            self._alias(value.args[0].args[0].source, value.args[1].args[0].source, stmt)
            return
        self.emit(self.text(value) + ";", stmt if stmt.span is not None else value)

    def _alias(self, made: ir.Var, root: ir.Var, stmt: ir.Evaluate) -> None:
        """A second name, of another element type, for the memory behind a buffer."""
        kind = type_name(ir.buffer_dtype(made), self.source(stmt))
        self.emit(f"{kind}* {self.names.declare(made, str(made.name))} = reinterpret_cast<{kind}*>({self.names[root]});", stmt)

    def _stmt_AssertStmt(self, stmt: ir.AssertStmt) -> None:
        self.use("tl/print.h")
        message = "".join(str(part.value) if hasattr(part, "value") else str(part) for part in stmt.message_parts)
        self.emit(f"tl::device_assert({self.text(stmt.condition)}, {string_literal(message)});", stmt)

    # ------------------------------------------------------------------ control flow

    def _stmt_For(self, stmt: ir.For) -> None:
        if stmt.kind == ir.ForKind.PARALLEL:
            raise UnsupportedError(
                "a T.Parallel loop reached the code generator",
                fix="this is a defect of the compiler; please report it",
                span=self.source(stmt),
            )
        kind = type_name(ir.dtype_of(stmt.loop_var), self.source(stmt))
        start = self.text(stmt.min)
        span = loop_span(stmt)
        end = self.text(span if ir.const_int(stmt.min) == 0 else ir.simplify(stmt.min + span), SHIFT)
        if stmt.kind in (ir.ForKind.UNROLLED, ir.ForKind.VECTORIZED):
            factor = stmt.annotations.get("pragma_unroll_factor")
            self.emit("#pragma unroll" + (f" {ir.const_int(factor)}" if factor is not None else ""))
        self.bounds.bind_extent(stmt.loop_var, stmt.min, span)
        self.names.open()
        name = self.names.declare(stmt.loop_var, str(stmt.loop_var.name))
        step = f"++{name}" if stmt.step is None or ir.const_int(stmt.step) == 1 else f"{name} += {self.text(stmt.step)}"
        self.emit(f"for ({kind} {name} = {start}; {name} < {end}; {step}) {{", stmt)
        self.block(stmt.body)
        self.names.close()
        self.emit("}")

    def _stmt_While(self, stmt: ir.While) -> None:
        self.emit(f"while ({self.text(stmt.condition)}) {{", stmt)
        self.block(stmt.body)
        self.emit("}")

    def _stmt_IfThenElse(self, stmt: ir.IfThenElse) -> None:
        self.emit(f"if ({self.text(stmt.condition)}) {{", stmt)
        self.block(stmt.then_case)
        other = stmt.else_case
        while isinstance(other, ir.IfThenElse):
            self.emit(f"}} else if ({self.text(other.condition)}) {{", other)
            self.block(other.then_case)
            other = other.else_case
        if other is not None and not ir.is_noop(other):
            self.emit("} else {")
            self.block(other)
        self.emit("}")

    def _stmt_Break(self, stmt: ir.Break) -> None:
        self.emit("break;", stmt)

    def _stmt_Continue(self, stmt: ir.Continue) -> None:
        self.emit("continue;", stmt)

    def _stmt_Return(self, stmt: ir.Return) -> None:
        self.emit("return;", stmt)

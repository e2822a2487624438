"""Statements of a block as C++ for the host's compiler: vector loops carry `omp simd`."""

from __future__ import annotations

from typing import Any

from ... import ir
from ...errors import UnsupportedError
from ...tileop.base import dtype_bits
from ...transform.cpu.reduce import REDUCTION
from ...transform.cpu.vector_loops import SIMD
from ..stmt import StmtPrinter
from ..types import type_name

# A tile that would not fit beside others on a thread's stack (often 8 MiB, in some hosts 512 KiB) is kept by its thread.
_STACK_BYTES = 64 * 1024
_FAMILIES = ("core", "limits", "math", "atomic", "print", "gemm", "float4", "unpack", "vector", "rounding", "small_float")
_HEADERS = frozenset(f"tl/{name}.h" for name in _FAMILIES)


class CpuStmtPrinter(StmtPrinter):
    """Prints the statements of a block."""

    def use(self, header: str) -> None:
        if header not in _HEADERS:
            raise UnsupportedError(
                f"a CPU target has no {header.removeprefix('tl/').removesuffix('.h')} instructions: a block is one thread there",
                fix='write it with tile operators and T.Parallel, or use target="cuda"',
                span=self.source(),
            )
        super().use(header)

    def declare_array(self, buf: ir.Var, node: Any = None) -> None:
        size = ir.static_shape(buf)[0]
        kind = type_name(ir.buffer_dtype(buf), self.source(node))
        large = size * dtype_bits(ir.buffer_dtype(buf)) // 8 > _STACK_BYTES
        name = self.names.declare(buf, str(buf.name))
        self.emit(f"alignas(64) {'static thread_local ' if large else ''}{kind} {name}[{size}];", node)

    def _stmt_For(self, stmt: ir.For) -> None:
        if SIMD in stmt.annotations or stmt.kind == ir.ForKind.VECTORIZED:
            clause = ""
            if REDUCTION in stmt.annotations:
                total = stmt.body.buffer
                clause = f" reduction({stmt.annotations[REDUCTION]} : {self._Var(total)[0]})"
            self.emit(f"#pragma omp simd{clause}")
        if stmt.kind in (ir.ForKind.UNROLLED, ir.ForKind.VECTORIZED):  # the host's compiler unrolls as it sees fit
            stmt = ir.For(
                stmt.loop_var, stmt.min, stmt.extent, ir.ForKind.SERIAL, stmt.body,
                stmt.thread_binding, stmt.annotations, stmt.step, stmt.span,
            )  # fmt: skip
        super()._stmt_For(stmt)

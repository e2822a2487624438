"""Say of every line which instructions move its data and do its sums, and how shared memory takes them.

Reads the finished program and changes nothing, so that it tells what the code does, whichever pass decided it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import ir
from ..remarks import Remark
from ..tileop.base import attribute, dtype_bits
from .kernel_program import KernelProgram
from .tabulate import tabulate

_MEMORY = ("global", "shared.dyn", "shared")
_BANKS, _BANK_BYTES = 32, 4
_MATRIX = (
    "tcgen05_mma_ss",
    "tcgen05_mma_ts",
    "tcgen05_mma_scaled",
    "tcgen05_issue_ss",
    "tcgen05_issue_ts",
    "tcgen05_issue_masked_ss",
    "tcgen05_issue_masked_ts",
    "wgmma_ss",
    "wgmma_rs",
    "wgmma_ss_steps",
    "wgmma_rs_steps",
    "wgmma_sp_ss",
    "wgmma_sp_rs",
    "mma_m16n8k16",
    "mma_m16n8k8",
    "mma_m16n8k32",
    "mma_m8n8k4",
    "mma_sp_m16n8k32",
    "mma_sp_m16n8k16",
    "mma_sp_m16n8k64",
    "mma_scaled_m16n8k64",
    "mma_scaled_m16n8k32",
)


def report_code(program: KernelProgram) -> KernelProgram:
    """Add the remarks "copy", "access", "matrix", "unpack" and "pipeline" to the context."""
    reporter = _Reporter(program)
    reporter.visit(program.body)
    program.ctx.remarks.extend(reporter.remarks())
    if program.shared_plan is not None:
        program.ctx.remarks.extend(_stages(program.shared_plan.table))
    return program


def _stages(table: Any) -> list[Remark]:
    out = []
    for row in table:
        if row.stages > 1:
            text = f"{row.name} has {row.stages} stages of {row.bytes // row.stages} bytes"
            values = {"buffer": row.name, "stages": row.stages, "bytes": row.bytes}
            out.append(Remark("pipeline", text, row.file, row.line, values))
    return out


@dataclass(frozen=True)
class _Access:
    """A pointer into memory that an instruction takes."""

    buffer: ir.Var
    index: Any
    bytes: int

    @property
    def shared(self) -> bool:
        return ir.scope_of(self.buffer) != "global"


class _Reporter(ir.Visitor):
    def __init__(self, program: KernelProgram) -> None:
        super().__init__()
        self.tid = program.ctx.tid
        self.values: dict[ir.Var, Any] = {}
        self.span: Any = None
        self.found: dict[tuple[Any, ...], int] = {}  # what makes a remark -> the worst bank conflict

    def visit(self, node: Any) -> None:
        if isinstance(node, ir.Stmt) and node.span is not None:
            self.span = node.span
        super().visit(node)

    def visit_Bind(self, node: ir.Bind) -> None:
        self.values[node.var] = node.value
        self.visit(node.value)

    def visit_BufferLoad(self, node: Any) -> None:
        self._plain("reads", node.source, node.indices[0])
        self.descend(node)

    def visit_BufferStore(self, node: ir.BufferStore) -> None:
        self._plain("writes", node.buffer, node.indices[0])
        self.descend(node)

    def _plain(self, verb: str, buf: ir.Var, index: Any) -> None:
        if ir.scope_of(buf) in _MEMORY:
            access = _Access(buf, index, max(1, dtype_bits(ir.buffer_dtype(buf)) // 8))
            self._note("access", verb, "", access.bytes, (access,))

    def visit_Call(self, node: ir.Call) -> None:
        name = ir.call_name(node).removeprefix("tl.")
        template = [str(t) for t in attribute(node, "template", ())]
        if name in ("load", "store"):
            size = int(template[0])
            self._note("access", "reads" if name == "load" else "writes", "", size, self._pointers(node, size))
        elif name == "cp_async":
            self._note("copy", "copies", "cp.async", int(template[0]), self._pointers(node, int(template[0])))
        elif name.startswith(("ldmatrix_", "stmatrix_")):
            verb = "reads" if name.startswith("ld") else "writes"
            self._note("access", verb, name.replace("_", ".", 1).replace("_trans", ".trans"), 16, self._pointers(node, 16))
        elif name.startswith(("tma_", "bulk_")):
            accesses = self._pointers(node, 0)
            if accesses:
                self._note("copy", "copies", name.replace("_", " "), 0, accesses)
        elif name in _MATRIX:
            types = ", ".join(t.removeprefix("dtype:").removeprefix("tl::") for t in template)
            self._note("matrix", "", f"{name}<{types}>" if types else name, 0, ())
        elif name in ("unpack", "look_up"):
            self._note("unpack", "", f"{name} {template[1]} codes of {template[0]} bits", 0, ())
        for arg in node.args:
            for index in arg.args[0].indices if ir.is_call(arg, "tirx.address_of") else (arg,):
                self.visit(index)

    def _pointers(self, node: ir.Call, size: int) -> tuple[_Access, ...]:
        loads = [a.args[0] for a in node.args if ir.is_call(a, "tirx.address_of") and isinstance(a.args[0], ir.BufferLoad)]
        return tuple(_Access(load.source, load.indices[0], size) for load in loads if ir.scope_of(load.source) in _MEMORY)

    def _note(self, rule: str, verb: str, instruction: str, size: int, accesses: tuple[_Access, ...]) -> None:
        source = ir.span_to_source(self.span)
        place = (source.file, source.line) if source is not None else ("", 0)
        buffers = tuple((str(a.buffer.name), "shared" if a.shared else "global") for a in accesses)
        key = (rule, verb, instruction, size, buffers, place)
        ways = max((self._conflicts(a) for a in accesses if a.shared and a.bytes), default=0)
        self.found[key] = max(self.found.get(key, 0), ways)

    def _conflicts(self, access: _Access) -> int:
        """How many times the shared memory serves each part of a warp's access: 1 is best; 0 where that is not known here."""
        index = access.index
        for _ in range(8):  # scalars are made of scalars
            known = {v: self.values[v] for v in ir.collect(index, ir.Var) if v in self.values and not v.same_as(self.tid)}
            if not known:
                break
            index = ir.substitute(index, known)
        others = {v: ir.const(0, ir.dtype_of(v)) for v in ir.collect(index, ir.Var) if not v.same_as(self.tid)}
        offsets = tabulate(ir.substitute(ir.as_expr(index), others), self.tid, np.arange(32))
        if offsets is None:
            return 0
        addresses = offsets * max(1, dtype_bits(ir.buffer_dtype(access.buffer)) // 8)
        return bank_conflicts(addresses, access.bytes)

    def remarks(self) -> list[Remark]:
        out = []
        for (rule, verb, instruction, size, buffers, (file, line)), ways in self.found.items():
            values: dict[str, Any] = {}
            if instruction:
                values["instruction"] = instruction
            if size:
                values["bytes"] = size
            if buffers:
                values["buffers"] = [name for name, _ in buffers]
                values["memory"] = [scope for _, scope in buffers]
            if ways:
                values["bank_conflicts"] = ways
            out.append(Remark(rule, _text(verb, instruction, size, buffers, ways), file, line, values))
        return out


def _text(verb: str, instruction: str, size: int, buffers: tuple[tuple[str, str], ...], ways: int) -> str:
    if not verb:
        return instruction.replace("_", " ") if instruction.startswith("look_up") else instruction
    names = " from ".join(name for name, _ in buffers)
    text = f"{verb} {names}" + (f" by {instruction}" if instruction else "")
    text += f", {size} byte{'s' if size > 1 else ''} at a time" if size else ""
    return text + (f", {ways}-way bank conflicts" if ways > 1 else "")


def bank_conflicts(addresses: np.ndarray, size: int) -> int:
    """The most different words of one bank that one pass over a warp's 32 accesses wants.

    Parameters
    ----------
    addresses : ndarray of int
        Byte addresses of lanes 0 to 31.
    size : int
        Bytes of each access. Accesses of 8 and 16 bytes are served by half and quarter warps, as the hardware does.
    """
    lanes = min(32, 128 // max(size, _BANK_BYTES))
    worst = 1
    for start in range(0, 32, lanes):
        first = addresses[start : start + lanes] // _BANK_BYTES
        # A set: np.unique would import numpy.ma for it, 8 ms of a process's first compilation.
        words = {word + i for word in first.tolist() for i in range(max(1, size // _BANK_BYTES))}
        worst = max(worst, *Counter(word % _BANKS for word in words).values())
    return worst

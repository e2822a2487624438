"""One `__global__` function, and the source file around all functions of a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import ir
from ..errors import ResourceError, SemanticError
from ..tileop.base import TensorMapSpec
from ..transform.bounds import Bounds
from ..transform.kernel_program import KernelProgram
from .functions import reads_only
from .names import Names
from .stmt import StmtPrinter
from .types import SMALL_FLOATS, type_name
from .wgmma_use import WgmmaUse

_AXES = "xyz"


@dataclass
class BufferUse:
    """How a kernel uses its variables."""

    read: set[ir.Var] = field(default_factory=set)
    written: set[ir.Var] = field(default_factory=set)
    scalars: set[ir.Var] = field(default_factory=set)
    defined: set[ir.Var] = field(default_factory=set)

    @property
    def buffers(self) -> set[ir.Var]:
        return self.read | self.written


class _UseCollector(ir.Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.use = BufferUse()

    def visit_Var(self, node: ir.Var) -> None:
        if ir.is_buffer_var(node):
            self.use.written.add(node)  # a bare buffer as an argument: nothing is known
        else:
            self.use.scalars.add(node)

    def visit_BufferLoad(self, node: ir.BufferLoad) -> None:
        self.use.read.add(node.source)
        self.descend(node)

    def visit_BufferStore(self, node: ir.BufferStore) -> None:
        self.use.written.add(node.buffer)
        self.descend(node)

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> None:
        self.use.defined.add(node.buffer)

    def visit_Call(self, node: ir.Call) -> None:
        name = ir.call_name(node)
        if name == "tl.alias":
            self.use.defined.add(node.args[0].args[0].source)
        for position, arg in enumerate(ir.items(node.args)):
            if ir.is_call(arg, "tirx.address_of"):
                (self.use.read if reads_only(name, position) else self.use.written).add(arg.args[0].source)
                for index in ir.items(arg.args[0].indices):
                    self.visit(index)
            else:
                self.visit(arg)

    def visit_Bind(self, node: ir.Bind) -> None:
        if ir.is_call(node.value, "tirx.address_of"):  # a pointer that travels: assume the worst
            self.use.written.add(node.value.args[0].source)
        self.visit(node.value)


def buffer_use(body: ir.Stmt) -> BufferUse:
    """Which variables a body reads and writes."""
    collector = _UseCollector()
    collector.visit(body)
    return collector.use


@dataclass(frozen=True)
class KernelText:
    """A printed kernel: its definition, the headers that it needs, and its arguments.

    Those of `order` come first, then the remaining buffers, tensor maps, symbols.
    """

    text: str
    headers: frozenset[str]
    buffers: tuple[ir.Var, ...]
    symbols: tuple[ir.Var, ...]
    maps: tuple[TensorMapSpec, ...] = ()
    order: tuple[ir.Var, ...] = ()
    wgmma: WgmmaUse = field(default_factory=WgmmaUse)


def parameter_text(printer: StmtPrinter, buf: ir.Var, use: BufferUse, restrict: str) -> str:
    """A buffer as a parameter of the kernel function, which it declares."""
    const = "" if buf in use.written else "const "
    return f"{const}{type_name(ir.buffer_dtype(buf), printer.source(buf))}*{restrict} {printer.names.declare(buf, str(buf.name))}"


def _declare_indices(printer: StmtPrinter, program: KernelProgram, scalars: set[ir.Var]) -> None:
    """`const int bx = blockIdx.x;` for the axes that the body names."""
    defined = {n.var for n in ir.collect(program.body, ir.Bind)}
    parts = {}
    for axis, var in zip(_AXES, program.block_vars):
        parts[var] = f"blockIdx.{axis}"
    for axis, var in zip(_AXES, program.thread_vars):
        parts[var] = f"threadIdx.{axis}"
    width, height, _ = program.block
    if program.tid not in parts:
        parts[program.tid] = f"threadIdx.x + {width} * (threadIdx.y + {height} * threadIdx.z)"
    for var, value in parts.items():
        if var in scalars and var not in defined:
            printer.emit(f"const {type_name(ir.dtype_of(var))} {printer.names.declare(var, str(var.name))} = {value};")


def _declare_shared(printer: StmtPrinter, program: KernelProgram, use: BufferUse) -> None:
    plan = program.shared_plan
    buffers = [b for b in use.buffers if ir.scope_of(b).startswith("shared")]
    if not buffers:
        return
    offsets = {} if plan is None else plan.offsets
    missing = [str(b.name) for b in buffers if b not in offsets]
    if missing:
        raise SemanticError(
            f"shared buffers without a place in the arena: {', '.join(missing)}", fix="allocate them inside T.Kernel"
        )
    printer.emit("char* smem = tl::dyn_smem();")
    place = {buf: k for k, buf in enumerate(offsets)}  # `buffers` comes from a set: equal names must not trade places
    for buf in sorted(buffers, key=lambda b: (offsets[b], str(b.name), place[b])):
        kind = type_name(ir.buffer_dtype(buf), printer.source(buf))
        name = printer.names.declare(buf, str(buf.name))
        size = f"  // {plan.sizes[buf]} bytes" if plan is not None and buf in plan.sizes else ""
        printer.emit(f"{kind}* {name} = reinterpret_cast<{kind}*>(smem + {offsets[buf]});{size}")


def print_kernel(program: KernelProgram) -> KernelText:
    """The text of one kernel."""
    ctx = program.ctx
    if ctx.num_threads > ctx.target.limits.max_threads:
        raise ResourceError(
            f"a block of {ctx.num_threads} threads is more than the {ctx.target.limits.max_threads} that {ctx.target.arch} runs",
            fix="lower threads= of T.Kernel",
            span=ir.span_to_source(program.span),
        )
    bounds = Bounds(ctx.symbols)
    for var, (start, extent) in ctx.ranges.items():
        bounds.bind_extent(var, start, extent)
    names = Names([program.name])
    printer = StmtPrinter(
        names,
        bounds,
        fast_math=bool(program.config("tl.enable_fast_math", False)),
        num_threads=ctx.num_threads,
        line_directives=bool(program.config("tl.emit_line_directives", False)),
    )
    use = buffer_use(program.body)
    inner = ir.bound_vars(program.body)
    indices = {*program.block_vars, *program.thread_vars, program.tid}
    buffers = tuple(p for p in program.params if p in use.buffers)
    symbols = tuple(s for s in ordered_symbols(program) if s in use.scalars and s not in inner and s not in indices)

    restrict = " __restrict__" if program.config("tirx.noalias", True) else ""
    parameters = [parameter_text(printer, b, use, "" if str(b.name) in program.may_alias else restrict) for b in buffers]
    maps = {spec: buf for spec, buf in ctx.tensor_maps.items() if buf in use.buffers}
    parameters += [f"const __grid_constant__ tl::tensor_map {names.declare(buf, str(buf.name))}" for buf in maps.values()]
    parameters += [f"const {type_name(ir.dtype_of(s))} {names.declare(s, str(s.name))}" for s in symbols]
    # ptxas ignores setmaxnreg (C7508) where the launch bound does not say how many blocks share a multiprocessor.
    trades = any(ir.call_name(call).startswith("tl.set_max_registers") for call in ir.collect(program.body, ir.Call))
    min_blocks = program.min_blocks or (1 if trades else 0)
    bound = f"{ctx.num_threads}, {min_blocks}" if min_blocks else str(ctx.num_threads)
    _declare_indices(printer, program, use.scalars)
    _declare_shared(printer, program, use)
    for buf in sorted((b for b in use.buffers if ir.scope_of(b) == "local" and b not in use.defined), key=lambda b: str(b.name)):
        printer.declare_array(buf)  # arrays of fragments that nothing in the body allocates
    printer.statement(program.body)
    head = f'extern "C" __global__ void __launch_bounds__({bound}) {program.name}({", ".join(parameters)}) {{'
    text = "\n".join([head, *printer.lines, "}", f"TL_ENTRY({program.name})"])
    use_type_headers(printer, text)
    return KernelText(text, frozenset(printer.headers), buffers, symbols, tuple(maps), wgmma=printer.wgmma)


def use_type_headers(printer: StmtPrinter, text: str) -> None:
    """Include what defines the types that a kernel's text names."""
    if "tl::vec<" in text:
        printer.use("tl/vector.h")
    if any(name in text for name in SMALL_FLOATS):
        printer.use("tl/small_float.h")


def ordered_symbols(program: KernelProgram) -> list[ir.Var]:
    """Scalar parameters in the order of the signature, then the symbols of shapes and strides."""
    found: dict[ir.Var, None] = {}
    for param in program.params:
        if not ir.is_buffer_var(param):
            found.setdefault(param)
    for symbol in program.ctx.symbols:
        found.setdefault(symbol)
    return list(found)


def print_source(kernels: Sequence[KernelText], preludes: Sequence[str] = ()) -> str:
    """The source file: headers, the user's text, the kernels."""
    headers = sorted(set().union(*(k.headers for k in kernels)), key=lambda h: (h != "tl/core.h", h))
    wgmma = WgmmaUse.of(k.wgmma for k in kernels)
    if preludes:  # which may multiply what it likes
        headers.append("tl/user_text.h")
        wgmma = WgmmaUse()
    parts = ["\n".join([*wgmma.defines(), *(f"#include <{h}>" for h in headers)])]
    parts += list(dict.fromkeys(p.strip("\n") for p in preludes))
    parts += [k.text for k in kernels]
    return "\n\n".join(parts) + "\n"


def free_symbols(exprs: Sequence[Any]) -> list[ir.Var]:
    """Scalar variables of some expressions, in order of appearance."""
    found: dict[ir.Var, None] = {}
    for expr in exprs:
        for node in ir.collect(expr, ir.Var) if not isinstance(expr, int) else ():
            found.setdefault(node)
    return list(found)

"""One launch as C++: what a block does, and the loop over the blocks.

static void scale_kernel_block(const float* __restrict__ A, float* __restrict__ B, const int bx) { ... }

static void scale_kernel(tl_grid grid, const float* A, float* B) {
  tl::for_each_block(grid, [=](int bx, int by, int bz) { scale_kernel_block(A, B, bx); });
}
TL_ENTRY(scale_kernel)
"""

from __future__ import annotations

from typing import Any

from ... import ir
from ...transform.bounds import Bounds
from ...transform.kernel_program import KernelProgram
from ..kernel import KernelText, buffer_use, ordered_symbols, parameter_text, use_type_headers
from ..names import Names
from ..types import type_name
from .stmt import CpuStmtPrinter


def print_cpu_kernel(program: KernelProgram) -> KernelText:
    """The text of one kernel."""
    ctx = program.ctx
    bounds = Bounds(ctx.symbols)
    for var, (start, extent) in ctx.ranges.items():
        bounds.bind_extent(var, start, extent)
    block_name = f"{program.name}_block"
    names = Names([program.name, block_name, "grid"])
    printer = CpuStmtPrinter(
        names,
        bounds,
        fast_math=bool(program.config("tl.enable_fast_math", False)),
        num_threads=1,
        line_directives=bool(program.config("tl.emit_line_directives", False)),
    )
    use = buffer_use(program.body)
    inner = ir.bound_vars(program.body)
    buffers = tuple(p for p in program.params if p in use.buffers)
    symbols = tuple(
        s for s in ordered_symbols(program) if s in use.scalars and s not in inner and s not in (*program.block_vars, program.tid)
    )
    restrict = " __restrict__" if program.config("tirx.noalias", True) else ""
    parameters = [parameter_text(printer, b, use, restrict) for b in buffers]
    parameters += [f"const {type_name(ir.dtype_of(s))} {names.declare(s, str(s.name))}" for s in symbols]
    handed_on = [names[v] for v in (*buffers, *symbols)]
    axes: list[str] = []
    for var in program.block_vars:
        name = names.declare(var, str(var.name))
        axes.append(f"int {name}")
        if var in use.scalars and var not in inner:
            parameters.append(f"const int {name}")
            handed_on.append(name)
    printer.statement(program.body)
    if "tl/print.h" in printer.headers:
        printer.lines.insert(0, f"  tl::set_block({', '.join(a.removeprefix('int ') for a in axes)});")
        axes_used = set(axes)
        parameters = [p for p in parameters if p.removeprefix("const ") not in axes_used] + [f"const {a}" for a in axes]
        handed_on = [h for h in handed_on if f"int {h}" not in axes_used] + [a.removeprefix("int ") for a in axes]

    plain = [p.replace(restrict, "") if restrict else p for p in parameters[: len(buffers) + len(symbols)]]
    lines = [
        f"static __attribute__((noinline)) void {block_name}({', '.join(parameters)}) {{",
        *printer.lines,
        "}",
        "",
        f"static void {program.name}({', '.join(['tl_grid grid', *plain])}) {{",
        f"  tl::for_each_block(grid, [=]({', '.join(axes)}) {{ {block_name}({', '.join(handed_on)}); }});",
        "}",
        f"TL_ENTRY({program.name})",
    ]
    text = "\n".join(lines)
    use_type_headers(printer, text)
    return KernelText(text, frozenset(printer.headers), buffers, symbols)


__all__: list[Any] = ["print_cpu_kernel"]

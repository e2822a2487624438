"""The compiler's driver: a PrimFunc in, source text and launch plan out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import ir
from ..codegen.foreign_kernel import print_foreign_kernel
from ..codegen.kernel import KernelText, print_kernel, print_source
from ..codegen.launch_plan import LaunchPlan
from ..codegen.plan import make_plan
from ..errors import TileLangError
from ..remarks import Remarks
from ..resources import SharedBuffer
from ..target import Target
from ..transform import pipeline
from ..transform.kernel_program import KernelProgram
from ..transform.split_launches import split_launches
from .collector import paused_collector


@dataclass
class CompiledProgram:
    """What compiling a function gives.

    `source` is CUDA C++ text for NVRTC, nvcc or the simulator, or C++ for the CPU; `plan` says how to call it (outputs are chosen
    with `tilelang.codegen.plan.with_outputs`); `remarks` are decisions worth telling the author; `shared` lists the shared
    buffers of each kernel.
    """

    source: str
    plan: LaunchPlan
    remarks: Remarks = field(default_factory=Remarks)
    shared: dict[str, tuple[SharedBuffer, ...]] = field(default_factory=dict)
    _snapshots: list[tuple[str, KernelProgram]] = field(default_factory=list, repr=False)

    @property
    def passes(self) -> list[tuple[str, str]]:
        """(pass, what it decided and the program after it as TVMScript) of every launch in turn, made when asked for.

        The program is left out where the pass did not change it.
        """
        out, before = [], ""
        for name, program in self._snapshots:
            text = program_text(program)
            out.append((name, _decisions(name, program) + (text if text != before else "(no change)")))
            before = text
        return out


@dataclass(frozen=True)
class BackEnd:
    """What differs between a GPU's text and a CPU's: the passes, and how a launch is printed."""

    passes: Sequence[pipeline.Pass]
    print_kernel: Callable[[KernelProgram], KernelText]

    @staticmethod
    def of(target: Target) -> BackEnd:
        """The back end of a target."""
        if not target.is_cpu:
            return BackEnd(pipeline.CUDA, print_kernel)
        from ..codegen.cpu.kernel import print_cpu_kernel
        from ..transform.cpu.pipeline import CPU

        return BackEnd(CPU, print_cpu_kernel)


def _decisions(name: str, program: KernelProgram) -> str:
    """What a pass decided beside the program: layouts, the arena."""
    lines: list[str] = []
    if name == "infer_layouts":
        lines += [f"{buf.name}: {layout}" for buf, layout in program.ctx.fragments.items()]
        lines += [f"{buf.name}: {layout}" for buf, layout in program.ctx.shared.items()]
    elif name == "plan_shared_memory" and program.shared_plan is not None:
        lines += program.shared_plan.lines
    return "".join(f"# {line}\n" for line in lines)


def program_text(program: KernelProgram) -> str:
    """A launch as TVMScript, for readers."""
    local = [v for v in (*program.block_vars, *program.thread_vars, program.tid)]
    free = [v for v in dict.fromkeys(local) if ir.uses_var(program.body, {v})]
    known = {p for p in program.params if not ir.is_buffer_var(p)}
    return ir.script([*program.params, *(v for v in free if v not in known)], program.body, program.name)


@paused_collector()
def compile_prim_func(
    func: ir.PrimFunc,
    target: Target,
    pass_configs: Mapping[Any, Any] | None = None,
    passes: Sequence[pipeline.Pass] | None = None,
) -> CompiledProgram:
    """Compile a function of one or more launches.

    Parameters
    ----------
    func : PrimFunc
        The tile program (docs/architecture.md, section 2).
    target : Target
        What to compile for.
    pass_configs : mapping, optional
        Keys as strings or `PassConfigKey` members.
    passes : sequence of function, optional
        The passes to run, for tests; those of the target by default.

    Returns
    -------
    CompiledProgram
    """
    back_end = BackEnd.of(target)
    configs = {str(getattr(key, "value", key)): value for key, value in (pass_configs or {}).items()}
    host = split_launches(func, target, configs)
    snapshots: list[tuple[str, KernelProgram]] = []
    programs, texts = [], []
    for launch in host.launches:
        snapshots.append(("trace", launch))
        program = launch
        try:
            if program.source is not None:
                texts.append(print_foreign_kernel(program, target))
            else:
                program = pipeline.run_passes(launch, passes or back_end.passes, lambda name, p: snapshots.append((name, p)))
                texts.append(back_end.print_kernel(program))
        except TileLangError as error:
            raise error.with_span(ir.span_to_source(launch.span)) from None
        programs.append(program)
    source = print_source(texts, [text for program in programs for text in program.prelude])
    plan = make_plan(
        host.name, host.params, host.workspaces, programs, texts, host.pointers, host.zeroed, host.grid, host.calls, host.views
    )
    remarks = Remarks(r for program in programs for r in program.ctx.remarks)
    shared = {p.name: p.shared_plan.table for p in programs if p.shared_plan is not None}
    return CompiledProgram(source, plan, remarks, shared, snapshots)

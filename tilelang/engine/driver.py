"""The compiler's driver: a PrimFunc in, source text and launch plan out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .. import ir
from ..codegen.foreign_kernel import print_foreign_kernel
from ..codegen.kernel import KernelText, print_kernel, print_source
from ..codegen.launch_plan import LaunchPlan
from ..codegen.plan import make_plan
from ..errors import TileLangError
from ..inert_configs import inert_remarks
from ..language.dtypes import in_language
from ..remarks import Remarks
from ..resources import SharedBuffer
from ..target import Target
from ..transform import pipeline
from ..transform.kernel_program import KernelProgram
from ..transform.split_launches import split_launches
from .collector import paused_collector
from .compilation import Compilation, PassRun, Stage
from .report import reporters, tell


@dataclass
class CompiledProgram:
    """What compiling a function gives.

    `source` is CUDA C++ text for NVRTC, nvcc or the simulator, or C++ for the CPU; `plan` says how to call it (outputs are chosen
    with `tilelang.codegen.plan.with_outputs`); `remarks` are decisions worth telling the author; `shared` lists the shared
    buffers of each kernel; `compilation` tells what each pass did.
    """

    source: str
    plan: LaunchPlan
    remarks: Remarks = field(default_factory=Remarks)
    shared: dict[str, tuple[SharedBuffer, ...]] = field(default_factory=dict)
    compilation: Compilation | None = field(default=None, repr=False)

    @property
    def passes(self) -> list[tuple[str, str]]:
        """(pass, what it decided and the program after it as TVMScript) of every launch in turn, made when asked for.

        The program is left out where the pass did not change it; where a pass cannot go on and the launch starts over, the reason
        stands there instead.
        """
        stages = self.compilation.stages if self.compilation is not None else []
        return [(s.name, _told(s)) for s in stages]


def _told(stage: Stage) -> str:
    if stage.note:
        return f"# {stage.note}"
    return stage.decided + (stage.after if stage.after != stage.before else "(no change)")


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
    configs = {str(getattr(key, "value", key)): value for key, value in (pass_configs or {}).items()}
    compilation = Compilation(str((func.attrs or {}).get("global_symbol", "main")), target, configs)
    wanted = reporters(configs)
    started = time.perf_counter()
    try:
        return _compile(func, passes, compilation)
    finally:
        compilation.seconds = time.perf_counter() - started
        tell(wanted, compilation)


def _compile(func: ir.PrimFunc, passes: Sequence[pipeline.Pass] | None, compilation: Compilation) -> CompiledProgram:
    target = compilation.target
    back_end = BackEnd.of(target)
    with compilation.step("split_launches"):
        host = split_launches(func, target, compilation.configs)
    compilation.name = host.name
    programs, texts, made = [], [], list[ir.Var]()
    for launch in host.launches:
        compilation.runs.append(PassRun("trace", 0.0, launch.name, launch))
        program = replace(launch, params=(*launch.params, *made))  # names are the function's
        try:
            if program.source is None:
                steps = [compilation.watched(step, launch.name) for step in passes or back_end.passes]
                program = pipeline.run_passes(program, steps)
            with compilation.step("print_kernel"):
                texts.append(
                    print_foreign_kernel(program, target) if program.source is not None else back_end.print_kernel(program)
                )
        except TileLangError as error:
            error.message, error.fix = in_language(error.message), in_language(error.fix)
            raise error.with_span(ir.span_to_source(launch.span)) from None
        programs.append(program)
        made += program.workspaces
        host.zeroed |= program.zeroed
    with compilation.step("make_plan"):
        source = print_source(texts, [text for program in programs for text in program.prelude])
        about = (host.pointers, host.zeroed, host.grid, host.calls, host.views)
        plan = make_plan(host.name, host.params, [*host.workspaces, *made], programs, texts, *about)
    compilation.source = source
    remarks = Remarks([*inert_remarks(compilation.configs), *(r for program in programs for r in program.ctx.remarks)])
    shared = {p.name: p.shared_plan.table for p in programs if p.shared_plan is not None}
    return CompiledProgram(source, plan, remarks, shared, compilation)

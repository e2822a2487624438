"""Who is told of a compilation: the settings and pass configurations that ask for reports of the passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..env import env
from ..log import logger
from ..pass_configs import PassConfigError
from ..remarks import Remarks

if TYPE_CHECKING:
    from .compilation import Compilation

Reporter = Callable[["Compilation"], None]
AST_PRINT, DUMP_IR, DUMP_IR_PATH = "tl.ast_print_enable", "tl.enable_dump_ir", "tl.dump_ir_path"
PROFILE, PROFILE_THRESHOLD = "tl.pass_profile", "tl.pass_profile_threshold_ms"
VECTORIZE_VERBOSE = "tl.enable_vectorize_planner_verbose"
DEBUG_MERGE, OUTPUT_DIR = "tl.debug_merge_shared_memory_allocations", "cuda.kernels_output_dir"
DUMP_IR_DEFAULT = "dump_ir"


def reporters(configs: Mapping[str, Any]) -> list[Reporter]:
    """What to call at the end of a compilation; nothing unless something was asked for.

    Raises
    ------
    EnvironmentVariableError
        For a variable with a value that it cannot have.
    PassConfigError
        For a threshold that is no number.
    """
    found: list[Reporter] = []
    if (how := env.TILELANG_PASS_DIFF) != "off":
        from ..tools import pass_visualizer

        where = env.TILELANG_PASS_DIFF_OUTPUT
        found.append(lambda c: pass_visualizer.report(c, how, where))
    if (how_traced := env.TL_LOWER_TRACE) != "off":
        from ..tools import lower_trace

        trace_where = env.TL_LOWER_TRACE_DIR
        found.append(lambda c: lower_trace.report(c, how_traced, trace_where))
    if env.TILELANG_PASS_PROFILE or configs.get(PROFILE):
        from ..tools import pass_timing

        threshold = _threshold(configs)
        found.append(lambda c: pass_timing.report(c, threshold))
    if configs.get(DUMP_IR):
        from ..tools import lower_trace

        dumps = Path(str(configs.get(DUMP_IR_PATH) or DUMP_IR_DEFAULT))
        found.append(lambda c: lower_trace.dump(c, dumps))
    if configs.get(VECTORIZE_VERBOSE):
        found.append(_print_widths)
    if configs.get(DEBUG_MERGE):
        found.append(_print_arena)
    if configs.get(OUTPUT_DIR):
        folder = Path(str(configs[OUTPUT_DIR]))
        found.append(lambda c: _write_source(c, folder))
    if configs.get(AST_PRINT):
        found.append(_print_program)
    return found


def _threshold(configs: Mapping[str, Any]) -> float:
    given = configs.get(PROFILE_THRESHOLD)
    if given is None:
        return env.TILELANG_PASS_PROFILE_THRESHOLD_MS
    if isinstance(given, bool) or not isinstance(given, (int, float)) or given < 0:
        raise PassConfigError(f"{PROFILE_THRESHOLD}={given!r}", fix="give a number of milliseconds, at least 0")
    return float(given)


def _print_program(compilation: Compilation) -> None:
    for stage in compilation.stages:
        if stage.name == "trace":
            print(stage.after)


def _print_widths(compilation: Compilation) -> None:
    last = {run.launch: run.program for run in compilation.runs if run.program is not None}
    for program in last.values():
        for remark in Remarks(program.ctx.remarks):
            if remark.rule in ("copy", "access"):
                print(remark)


def _print_arena(compilation: Compilation) -> None:
    for stage in compilation.stages:
        if stage.name == "plan_shared_memory":
            print(f"shared memory of {stage.launch}:\n{stage.decided}", end="")


def _write_source(compilation: Compilation, folder: Path) -> None:
    if compilation.source:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{compilation.name}{'.cc' if compilation.target.is_cpu else '.cu'}").write_text(compilation.source)


def tell(found: list[Reporter], compilation: Compilation) -> None:
    """Call the reporters; what they cannot write is a warning, not the end of the compilation."""
    for reporter in found if compilation.runs else ():  # a function without a launch is refused before the first pass
        try:
            reporter(compilation)
        except OSError as error:
            logger.warning("no report of the passes of `%s`: %s", compilation.name, error)

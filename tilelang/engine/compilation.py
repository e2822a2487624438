"""What happened while a function was compiled: which pass ran on which launch, for how long, and what it changed."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .. import ir
from ..target import Target
from ..transform.kernel_program import KernelProgram
from ..transform.pipeline import Pass
from ..transform.pipelining.specialize import NotSpecialized


class PassRun(NamedTuple):
    """One pass over one launch, or one of the steps around the passes.

    Parameters
    ----------
    name : str
        The pass; "trace" for the launch as it was written.
    seconds : float
    launch : str
        Name of the `__global__` function; empty for a step on the whole function.
    program : KernelProgram or None
        What it left; None for a step around the passes, or where it raised.
    note : str
        Why it raised: the launch starts over without what was refused, or the compilation failed.
    """

    name: str
    seconds: float
    launch: str = ""
    program: KernelProgram | None = None
    note: str = ""


class Stage(NamedTuple):
    """A launch before and after one pass, as text.

    Parameters
    ----------
    launch, name : str
        The `__global__` function and the pass.
    before, after : str
        The program as TVMScript; a producer's program follows the consumers'.
    decided : str
        What the pass decided beside the program: layouts, the arena of shared memory.
    seconds : float
    note : str
        As in `PassRun`.
    """

    launch: str
    name: str
    before: str
    after: str
    decided: str
    seconds: float
    note: str = ""

    @property
    def changed(self) -> bool:
        """Whether the program is another one, or something was decided."""
        return self.before != self.after or bool(self.decided)


@dataclass
class Compilation:
    """The passes of one call of `compile_prim_func`, in order.

    Parameters
    ----------
    name : str
        The function.
    target : Target
    configs : mapping
        The pass configurations.
    runs : list of PassRun
    seconds : float
        The whole, from the function to the text.
    source : str
        The text that was generated; empty where the compilation failed.
    """

    name: str
    target: Target
    configs: Mapping[str, Any]
    runs: list[PassRun] = field(default_factory=list)
    seconds: float = 0.0
    source: str = ""

    @functools.cached_property
    def stages(self) -> list[Stage]:
        """The text before and after each pass, of every launch in turn; made when it is asked for."""
        found: list[Stage] = []
        launch, program, text = "", None, ""
        start: tuple[KernelProgram | None, str] = None, ""
        for run in self.runs:
            if not run.launch:
                continue
            if run.launch != launch:
                launch, program, text = run.launch, None, ""
            after, decided = text, ""
            if run.program is not None:
                after = text if run.program is program else program_text(run.program)
                decided = _decisions(run.name, run.program)
                program = run.program
            found.append(Stage(run.launch, run.name, text, after, decided, run.seconds, run.note))
            text = after
            if run.name == "trace":
                start = program, text
            elif run.program is None:  # what comes next begins with the launch as it was written
                program, text = start
        return found

    def watched(self, step: Pass, launch: str) -> Pass:
        """A pass that records what it does to `launch`."""

        @functools.wraps(step)
        def watched_step(program: KernelProgram) -> KernelProgram:
            started = time.perf_counter()
            note, after = "", None
            try:
                after = step(program)
                return after
            except NotSpecialized as refusal:
                note = f"the launch starts over: {refusal.reason}"
                raise
            except Exception as error:
                note = f"{type(error).__name__}: {error}"
                raise
            finally:
                self.runs.append(PassRun(step.__name__, time.perf_counter() - started, launch, after, note))

        return watched_step

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Record how long a step around the passes takes."""
        started = time.perf_counter()
        yield
        self.runs.append(PassRun(name, time.perf_counter() - started))


def program_text(program: KernelProgram) -> str:
    """A launch as TVMScript, for readers; behind it what the producer does, while that is a program of its own."""
    text = _script(program, program.body, program.name)
    return text if program.producer is None else f"{text}\n\n{_script(program, program.producer, f'{program.name}_producer')}"


def _script(program: KernelProgram, body: ir.Stmt, name: str) -> str:
    local = [v for v in (*program.block_vars, *program.thread_vars, program.tid)]
    free = [v for v in dict.fromkeys(local) if ir.uses_var(body, {v})]
    known = {p for p in program.params if not ir.is_buffer_var(p)}
    return ir.script([*program.params, *(v for v in free if v not in known)], body, name)


def _decisions(name: str, program: KernelProgram) -> str:
    """What a pass decided beside the program: layouts, the arena."""
    lines: list[str] = []
    if name == "infer_layouts":
        lines += [f"{buf.name}: {layout}" for buf, layout in program.ctx.fragments.items()]
        lines += [f"{buf.name}: {layout}" for buf, layout in program.ctx.shared.items()]
    elif name == "plan_shared_memory" and program.shared_plan is not None:
        lines += program.shared_plan.lines
    return "".join(f"# {line}\n" for line in lines)

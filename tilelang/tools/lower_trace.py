"""The program after every pass, kept on disk: `TL_LOWER_TRACE=terminal|html|both`, `tl.enable_dump_ir`, or `trace(program)`."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilelang.tools.observe import file_name, label, observe
from tilelang.tools.pass_visualizer.diff import diff_text
from tilelang.tools.pass_visualizer.page import page

if TYPE_CHECKING:
    from tilelang.engine import Compilation, Stage

RECORDS = ".run_records"


@dataclass(frozen=True)
class LowerTrace:
    """The passes of one compilation.

    Parameters
    ----------
    compilation : Compilation
    directory : Path or None
        Where its record was written.
    """

    compilation: Compilation
    directory: Path | None = None

    @property
    def stages(self) -> list[Stage]:
        """Each pass with the program before and after it."""
        return self.compilation.stages

    def after(self, name: str) -> str:
        """The program after the pass `name`, of every launch.

        Raises
        ------
        KeyError
            If no such pass ran.
        """
        found = [stage.after for stage in self.stages if stage.name == name]
        if not found:
            raise KeyError(f"no pass {name!r}; those that ran: {', '.join(dict.fromkeys(s.name for s in self.stages))}")
        return "\n\n".join(found)

    def __str__(self) -> str:
        return diff_text(self.stages)


def trace(
    program: Any, target: Any = None, pass_configs: Mapping[Any, Any] | None = None, *, output: str | Path | None = None
) -> LowerTrace:
    """Run the passes on a program and keep what each of them left.

    Parameters
    ----------
    program : PrimFunc or JITKernel
    target, pass_configs : optional
        As for `tilelang.compile`.
    output : path, optional
        A directory to write to: a file for each pass, `passes.json`, `report.html`.

    Examples
    --------
    >>> print(trace(matmul.get_tir(1024, 1024, 1024), "cuda").after("infer_layouts"))
    """
    compilation = observe(program, target, pass_configs)
    return LowerTrace(compilation, None if output is None else write_stages(compilation, output))


def write_stages(compilation: Compilation, directory: str | Path) -> Path:
    """Write what each pass left: `<launch>/<number>_<pass>.py`, `passes.json` with the times, `report.html`, the text.

    Returns
    -------
    Path
        The directory.
    """
    folder = Path(directory)
    index: list[dict[str, Any]] = []
    for number, stage in enumerate(compilation.stages):
        path = folder / file_name(stage.launch) / f"{number:03d}_{file_name(stage.name)}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(stage.decided + (f"# {stage.note}\n" if stage.note else "") + stage.after + "\n")
        index.append(
            {
                "launch": stage.launch,
                "pass": stage.name,
                "file": str(path.relative_to(folder)),
                "changed": stage.changed,
                "milliseconds": round(stage.seconds * 1e3, 3),
                "note": stage.note,
            }
        )
    folder.mkdir(parents=True, exist_ok=True)
    about = {"function": compilation.name, "target": str(compilation.target), "passes": index}
    (folder / "passes.json").write_text(json.dumps(about, indent=2) + "\n")
    (folder / "report.html").write_text(page(compilation))
    if compilation.source:
        (folder / ("source.cc" if compilation.target.is_cpu else "source.cu")).write_text(compilation.source)
    return folder


def dump(compilation: Compilation, directory: Path) -> None:
    """What `tl.enable_dump_ir` asks for: `write_stages`, in a directory for each program."""
    write_stages(compilation, directory / label(compilation))


def report(compilation: Compilation, how: str, directory: Path) -> None:
    """What `TL_LOWER_TRACE` asks for.

    Records go to `<directory>/<script>/.run_records/run_<time>_<process>_<number>`; `<directory>/<script>/report.html` is the
    latest one's.
    """
    if how in ("terminal", "both"):
        print(diff_text(compilation.stages, color=sys.stderr.isatty()), file=sys.stderr)
    if how not in ("html", "both"):
        return
    script = Path(directory) / file_name(Path(sys.argv[0] or "python").stem)
    started = time.strftime("%Y%m%d_%H%M%S")
    number = 0
    while True:  # several compilations of one process within a second
        run = script / RECORDS / f"run_{started}_{os.getpid()}_{number}"
        try:
            run.mkdir(parents=True)
            break
        except FileExistsError:
            number += 1
    write_stages(compilation, run)
    latest = script / f".report.{os.getpid()}.html"
    shutil.copyfile(run / "report.html", latest)
    latest.replace(script / "report.html")
    print(f"passes of `{compilation.name}`: {script / 'report.html'}", file=sys.stderr)

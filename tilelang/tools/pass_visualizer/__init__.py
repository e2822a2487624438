"""What each pass changes: `TILELANG_PASS_DIFF=terminal|html|both`, or `pass_diff(program)`; `viewer` opens the reports."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilelang.tools.observe import label, observe
from tilelang.tools.pass_visualizer.diff import diff_lines, diff_text, heading
from tilelang.tools.pass_visualizer.page import page

if TYPE_CHECKING:
    from tilelang.engine import Compilation

__all__ = ["diff_lines", "diff_text", "heading", "page", "pass_diff", "report", "write_report"]


def pass_diff(
    program: Any, target: Any = None, pass_configs: Mapping[Any, Any] | None = None, *, context: int = 3, color: bool = False
) -> str:
    """The tile program, then what each pass changed, as unified diffs.

    Parameters
    ----------
    program : PrimFunc or JITKernel
    target, pass_configs : optional
        As for `tilelang.compile`.
    context : int
        Lines around each change.
    color : bool
        For a terminal.

    Examples
    --------
    >>> print(pass_diff(matmul.get_tir(1024, 1024, 1024), "cuda"))
    """
    return diff_text(observe(program, target, pass_configs).stages, color=color, context=context)


def write_report(compilation: Compilation, directory: str | Path) -> Path:
    """Write the HTML page of a compilation.

    Returns
    -------
    Path
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{label(compilation)}.html"
    path.write_text(page(compilation))
    return path


def report(compilation: Compilation, how: str, directory: Path) -> None:
    """What `TILELANG_PASS_DIFF` asks for: on standard error, as a file, or both."""
    if how in ("terminal", "both"):
        print(diff_text(compilation.stages, color=sys.stderr.isatty()), file=sys.stderr)
    if how in ("html", "both"):
        print(f"passes of `{compilation.name}`: {write_report(compilation, directory)}", file=sys.stderr)

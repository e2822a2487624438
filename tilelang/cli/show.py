"""`tilelang show`."""

from __future__ import annotations

import sys
from typing import Any

import click

from tilelang.cli.output import emit_json, json_option
from tilelang.cli.program import kernel_of, program_options
from tilelang.errors import ArgumentError
from tilelang.tools.compile_only import kernel_text
from tilelang.tools.pass_timing import pass_timing
from tilelang.tools.pass_visualizer import pass_diff

FORMS = ("source", "host", "ir", "passes", "diff", "times", "ptx", "sass", "resources", "remarks")


def text_of(kernel: Any, form: str) -> str:
    """A kernel in one of `FORMS`, for readers."""
    if form in ("source", "host", "ptx", "sass"):
        return kernel_text(kernel, form)
    if form == "ir":
        return kernel.prim_func.script()
    if form == "passes":
        return "\n".join(f"==== {name} ====\n{text}" for name, text in passes_of(kernel))
    if form == "diff":
        return pass_diff(kernel, color=sys.stdout.isatty())
    if form == "times":
        return str(pass_timing(kernel, repeat=2))  # the first compilation of a process also imports
    if form == "resources":
        return "\n".join(f"{used.name}: {used}" for used in kernel.resource_usage.values())
    return "\n".join(kernel.remarks)


def passes_of(kernel: Any) -> list[tuple[str, str]]:
    """(pass, the program after it); compiles again."""
    from tilelang.engine import compile_prim_func

    return compile_prim_func(kernel.prim_func, kernel.target, kernel.pass_configs).passes


@click.command()
@program_options
@click.option(
    "--what",
    type=click.Choice(FORMS),
    default="source",
    show_default=True,
    help="CUDA C++ text, launch plan, tile program, every pass, what each changed, their times, PTX, SASS, registers, remarks.",
)
@click.option("--after", metavar="PASS", help="The program after one pass.")
@json_option
def show(what: str, after: str | None, as_json: bool, **program: Any) -> None:
    """Print what FUNCTION of FILE becomes.

    \b
    tilelang show examples/gemm/matmul.py:matmul 1024 1024 1024 --target sm_90a --what ptx
    tilelang show examples/gemm/matmul.py:matmul 1024 1024 1024 --after infer_layouts
    """
    kernel = kernel_of(**program)
    if after is not None:
        stages = passes_of(kernel)
        texts = [text for name, text in stages if name == after]
        if not texts:
            names = ", ".join(dict.fromkeys(name for name, _ in stages))
            raise ArgumentError(f"there is no pass {after!r}", fix=f"passes: {names}")
        what, text = f"after {after}", "\n".join(texts)
    else:
        text = text_of(kernel, what)
    emit_json({"kernel": kernel.name, "target": str(kernel.target), "what": what, "text": text}) if as_json else click.echo(text)

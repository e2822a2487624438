"""`tilelang show`."""

from __future__ import annotations

from typing import Any

import click

from tilelang.cli.output import emit_json, json_option
from tilelang.cli.program import kernel_of, program_options
from tilelang.errors import ArgumentError

FORMS = ("source", "host", "ir", "passes", "ptx", "sass", "resources", "remarks")


def text_of(kernel: Any, form: str) -> str:
    """A kernel in one of `FORMS`, for readers."""
    if form == "source":
        return kernel.get_kernel_source()
    if form == "host":
        return kernel.get_host_source()
    if form == "ir":
        return kernel.prim_func.script()
    if form == "passes":
        return "\n".join(f"==== {name} ====\n{text}" for name, text in passes_of(kernel))
    if form == "ptx":
        return kernel._get_ptx()
    if form == "sass":
        return kernel._get_sass()
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
    help="CUDA C++ text, launch plan, tile program, every pass, PTX, SASS, registers, decisions.",
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

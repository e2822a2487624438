"""`python -m tilelang.autodd`."""

from __future__ import annotations

from pathlib import Path

import click

from tilelang.autodd.reduce import reduce_program
from tilelang.autodd.runner import BACKENDS
from tilelang.errors import TileLangError


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--err-msg", required=True, metavar="TEXT", help="A part of what the program's exception says, or of what it prints."
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Where the smallest program so far is written."
)
@click.option(
    "--backend",
    type=click.Choice(list(BACKENDS)),
    default="fork",
    show_default=True,
    help="Candidates are forked from a process that has imported what the program imports, or run in fresh interpreters.",
)
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds after which a candidate is killed.")
@click.option("-j", "--jobs", type=int, default=1, show_default=True, help="How many candidates run at a time.")
@click.pass_context
def main(ctx: click.Context, source: Path, err_msg: str, output: Path, backend: str, timeout: float, jobs: int) -> None:
    """Reduce SOURCE to a program that still fails with TEXT, and of which nothing can be left out."""

    def progress(line: str) -> None:
        click.echo(line, err=True)

    try:
        found = reduce_program(source, err_msg, output=output, backend=backend, timeout=timeout, jobs=jobs, progress=progress)
    except TileLangError as error:
        click.echo(str(error), err=True)
        ctx.exit(1)
    except KeyboardInterrupt:
        click.echo(f"stopped; the smallest program so far is {output}", err=True)
        ctx.exit(130)
    click.echo(f"{output}: {found.lines_before} lines became {found.lines_after}, in {found.runs} runs")


if __name__ == "__main__":
    main(prog_name="python -m tilelang.autodd")

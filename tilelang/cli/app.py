"""The table of commands; each is imported when it is called, so that `tilelang cache path` waits for nothing."""

from __future__ import annotations

import importlib
from typing import Any

import click

from tilelang.cli.output import emit_error
from tilelang.errors import TileLangError


class LazyGroup(click.Group):
    """Commands by name, "module:attribute", and the line of help that is shown without importing them."""

    def __init__(self, *args: Any, table: dict[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        module, _, attribute = self.table[cmd_name][0].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in self.table.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in self.table:
            import difflib

            near = difflib.get_close_matches(args[0], self.table, n=1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TileLangError as error:
            emit_error(error)
            ctx.exit(1)


CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
EPILOG = "Every command takes --json, for programs, and --help. Exit status: 0 done, 1 found at fault, 2 wrong usage."


@click.group(
    cls=LazyGroup,
    context_settings=CONTEXT,
    epilog=EPILOG,
    invoke_without_command=True,
    table={
        "compile": ("tilelang.cli.compile:compile_command", "Compile a function of a file for any target, without a GPU."),
        "show": ("tilelang.cli.show:show", "Print what a function becomes: text, programs after passes, PTX, SASS."),
        "tune": ("tilelang.cli.tune:tune", "Find the fastest configuration of a function by measuring."),
        "cache": ("tilelang.cli.cache:cache", "Look at the cache of compiled kernels, check it, make room."),
        "config": ("tilelang.cli.config:config", "Print every setting and where its value comes from."),
        "doctor": ("tilelang.cli.doctor:doctor", "What is installed, what is missing, and how to get it."),
        "version": ("tilelang.cli.version:version", "Print versions."),
    },
)
@click.pass_context
def app(ctx: click.Context) -> None:
    """GPU kernels at the level of tiles: compile them, look into them, look after their cache."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())

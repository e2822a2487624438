"""`tilelang config`."""

from __future__ import annotations

import difflib
import os

import click

from tilelang.cli.output import emit_json, emit_table, json_option
from tilelang.config.inert import INERT
from tilelang.env import Environment, env

OTHERS = {"TILELANG_CONFIG"}


@click.group()
def config() -> None:
    """Settings: a call's argument, else an environment variable, else the TOML file, else the default."""


@config.command()
@json_option
@click.option("--help-text", is_flag=True, help="Say what each setting means.")
@click.pass_context
def show(ctx: click.Context, as_json: bool, help_text: bool) -> None:
    """Print every setting with its value and where that comes from."""
    described, remarks = env.describe(), variable_remarks()
    if as_json:
        emit_json({"settings": [entry._asdict() for entry in described], "remarks": remarks})
    else:
        rows = [(entry.name, entry.key, _value(entry), entry.source) for entry in described]
        if help_text:
            for (name, key, value, source), entry in zip(rows, described):
                click.echo(f"{name} = {value}  ({source}; {key})\n    {entry.meaning}")
        else:
            emit_table(rows, ("VARIABLE", "KEY", "VALUE", "SOURCE"))
        for line in remarks:
            click.echo(f"note: {line}")
    if any(entry.error for entry in described):
        ctx.exit(1)


def _value(entry) -> str:
    if entry.error:
        return f"REFUSED: {entry.error}"
    if isinstance(entry.value, tuple):
        return " ".join(map(str, entry.value)) or "-"
    return "-" if entry.value is None or entry.value == {} else str(entry.value)


def variable_remarks() -> list[str]:
    """What is to be said of variables that are set and are no settings."""
    known = {setting.name for setting in Environment.settings()} | OTHERS
    known |= {setting.alias for setting in Environment.settings() if setting.alias}
    remarks = []
    for name in sorted(os.environ):
        if name in INERT:
            remarks.append(f"{name} has no effect: {INERT[name]}")
        elif name.startswith("TILELANG_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remarks.append(f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else ""))
    return remarks

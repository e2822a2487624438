"""One way of printing: for people, or as JSON with --json."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any

import click

from tilelang.errors import TileLangError


def _remember(ctx: click.Context, parameter: click.Parameter, value: bool) -> bool:
    ctx.meta["tilelang.json"] = value  # for emit_error, which runs in the group's context
    return value


json_option = click.option("--json", "as_json", is_flag=True, callback=_remember, help="Print JSON.")


def emit_json(value: Any) -> None:
    """Print a value as JSON; paths, sets and dataclasses included."""
    click.echo(json.dumps(value, indent=2, default=_plain, sort_keys=False))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)


def emit_table(rows: Iterable[Sequence[Any]], header: Sequence[str] = ()) -> None:
    """Print rows in aligned columns; the last column is never padded."""
    table = [[str(cell) for cell in row] for row in ([header] if header else []) + list(rows)]
    if not table:
        return
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths)]
        click.echo("  ".join([*padded, row[-1]]).rstrip())


def emit_error(error: TileLangError) -> None:
    """To standard error for people; as JSON on standard output if the command was called with --json."""
    context = click.get_current_context(silent=True)
    if context is None or not context.meta.get("tilelang.json"):
        click.echo(str(error), err=True)
        return
    place = None if error.span is None else {"file": error.span.file, "line": error.span.line, "column": error.span.column}
    emit_json(
        {
            "error": {
                "type": type(error).__name__,
                "code": error.code,
                "message": error.message,
                "fix": error.fix,
                "place": place,
                "notes": list(error.notes),
            }
        }
    )


def size_text(size: float) -> str:
    """Bytes for people: "12.3 KiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError


def age_text(seconds: float) -> str:
    """How long ago, for people: "3 h"."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"

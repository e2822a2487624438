"""`tilelang doctor`."""

from __future__ import annotations

import click

from tilelang.cli.output import emit_json, json_option

_MARKS = {"ok": "ok  ", "missing": "MISS", "optional": "-   ", "problem": "BAD "}


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check what tilelang needs and can use; exit status 1 if something necessary is missing or wrong."""
    from tilelang.cli.checkup import examine

    findings = examine()
    if as_json:
        emit_json(findings)
    else:
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            click.echo(f"{_MARKS[finding.status]}  {finding.what:{width}}  {finding.detail}")
            if finding.fix and finding.status != "ok":
                click.echo(f"{'':{width + 8}}-> {finding.fix}")
    if any(finding.status in ("missing", "problem") for finding in findings):
        ctx.exit(1)

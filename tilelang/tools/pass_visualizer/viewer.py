"""`python -m tilelang.tools.pass_visualizer.viewer`: open the reports of `TILELANG_PASS_DIFF`."""

from __future__ import annotations

import functools
import http.server
import webbrowser
from pathlib import Path

import click

from tilelang.env import env
from tilelang.errors import ArgumentError, TileLangError


def reports_in(path: Path) -> list[Path]:
    """The reports of a directory and those below it, the newest first; or the file itself.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    if path.is_file():
        return [path]
    found = [p for p in path.rglob("*.html") if not p.name.startswith(".")]
    if not found:
        raise ArgumentError(
            f"no reports in {path}", fix="compile something with TILELANG_PASS_DIFF=html TILELANG_DISABLE_CACHE=1"
        )
    return sorted(found, key=lambda p: p.stat().st_mtime, reverse=True)


def server_of(directory: Path, port: int) -> http.server.ThreadingHTTPServer:
    """A server of a directory, for this machine only; port 0 takes a free one."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(directory))
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("path", required=False, type=click.Path(path_type=Path), metavar="[REPORT | DIRECTORY]")
@click.option("--list", "listing", is_flag=True, help="Print the reports instead, the newest first.")
@click.option(
    "--serve", "port", type=int, metavar="PORT", help="Serve them at 127.0.0.1, for a browser elsewhere; 0: a free port."
)
@click.pass_context
def main(ctx: click.Context, path: Path | None, listing: bool, port: int | None) -> None:
    """Open the newest report of a directory in the browser; TILELANG_PASS_DIFF_OUTPUT by default."""
    try:
        place = path if path is not None else env.TILELANG_PASS_DIFF_OUTPUT
        found = reports_in(place)
    except TileLangError as error:
        click.echo(str(error), err=True)
        ctx.exit(1)
    if listing:
        for report in found:
            click.echo(report)
    elif port is not None:
        directory = place if place.is_dir() else place.parent
        with server_of(directory, port) as server:
            click.echo(f"http://127.0.0.1:{server.server_address[1]}/{found[0].relative_to(directory)}")
            server.serve_forever()
    else:
        click.echo(found[0])
        webbrowser.open(found[0].absolute().as_uri())


if __name__ == "__main__":
    main()

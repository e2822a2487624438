"""The command `tilelang`: docs/cli.md."""

from __future__ import annotations


def main() -> None:
    """Run the command line; click is imported here, and a command's own modules when it is called."""
    from tilelang.cli.app import app

    app(prog_name="tilelang")

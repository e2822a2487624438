"""`tilelang version`."""

from __future__ import annotations

import platform

import click

from tilelang.cli.output import emit_json, emit_table, json_option
from tilelang.toolchain.versions import package_version

PACKAGES = ("apache-tvm", "apache-tvm-ffi", "torch", "numpy", "cuda-bindings", "nvidia-cuda-nvrtc")


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Print the versions of tilelang, Python and what tilelang builds on."""
    from tilelang import __version__

    versions = {"tilelang": __version__, "python": platform.python_version()}
    versions |= {name: package_version(name) for name in PACKAGES}
    emit_json(versions) if as_json else emit_table(versions.items())

"""The host C++ compiler."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess

from tilelang.env import env
from tilelang.errors import UnavailableError


def host_compiler() -> str:
    """Path of the C++ compiler: the setting TILELANG_CXX, the environment variable CXX, else g++, else clang++.

    Raises
    ------
    UnavailableError
        None of them exists.
    """
    variable = "TILELANG_CXX" if env.TILELANG_CXX else "CXX"
    named = env.TILELANG_CXX or os.environ.get("CXX")
    for candidate in [named] if named else ["g++", "clang++"]:
        path = shutil.which(candidate)
        if path:
            return path
    if named:
        raise UnavailableError(
            f"{variable} names {named!r}, which is not on PATH", fix=f"set {variable} to a C++ compiler, or unset it", tool=named
        )
    raise UnavailableError(
        "running a kernel on the CPU needs a C++ compiler, and neither g++ nor clang++ is on PATH",
        fix="install one (Debian, Ubuntu: apt-get install g++), or set the environment variable CXX",
    )


def compiler_identity(compiler: str | None = None) -> str:
    """What tells compiled code of one compiler from another's: its path, version and machine. For cache keys."""
    return _identity_of(compiler or host_compiler())


@functools.cache
def _identity_of(path: str) -> str:
    from tilelang.cache.stamps import remembered

    def ask() -> str:
        done = subprocess.run([path, "--version"], capture_output=True, text=True)
        return done.stdout.splitlines()[0] if done.stdout else ""

    return f"{path} {remembered('C++ compiler', [path], ask)} {os.uname().machine}"

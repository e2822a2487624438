"""The settings of the process that asks, applied in the process that works."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any

from tilelang.env import env

_PREFIXES = ("TILELANG_", "TL_", "CUDA_")
_NAMES = ("PATH", "LD_LIBRARY_PATH", "CXX", "TMPDIR", "HOME")
# What names places of one machine: left alone on another.
_PLACES = {"TILELANG_CACHE_DIR", "CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES", *_NAMES}


def _place() -> tuple[str, int]:
    return socket.gethostname(), os.getpid()


@dataclass(frozen=True)
class Surroundings:
    """Environment variables, assigned settings and the working directory.

    Parameters
    ----------
    variables, forced : dict
        `os.environ` as far as it matters; what was assigned to `tilelang.env`.
    directory : str
        Where relative paths start.
    origin : tuple
        Host and process that these were taken from.
    """

    variables: dict[str, str]
    forced: dict[str, Any]
    directory: str
    origin: tuple[str, int]

    @staticmethod
    def here() -> Surroundings:
        return Surroundings({n: v for n, v in os.environ.items() if _matters(n)}, dict(env.forced), os.getcwd(), _place())

    def apply(self) -> None:
        """Make them this process's own; nothing to do in the process that they come from."""
        host, _ = self.origin
        if _place() == self.origin:
            return
        local = host == socket.gethostname()
        for name in [n for n in os.environ if _matters(n) and n not in self.variables and (local or n not in _PLACES)]:
            del os.environ[name]
        os.environ.update({n: v for n, v in self.variables.items() if local or n not in _PLACES})
        env.forced.clear()
        env.forced.update({n: v for n, v in self.forced.items() if local or n not in _PLACES})
        if local and os.path.isdir(self.directory):
            os.chdir(self.directory)


def _matters(name: str) -> bool:
    return name.startswith(_PREFIXES) or name in _NAMES

"""What `nvcc.compile_cuda` and `nvrtc.compile_cuda` make of their arguments."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


def arch_of(arch: str | int | None) -> str:
    """The architecture of "sm_90a", "90a", 90 or None (the GPU's)."""
    from tilelang.target.target import resolve_target

    return resolve_target("cuda" if arch is None else {"kind": "cuda", "arch": str(arch)}).arch


def words(options: Sequence[str] | str | None) -> list[str]:
    """Options of the compiler as a list."""
    return shlex.split(options) if isinstance(options, str) else [str(option) for option in options or ()]

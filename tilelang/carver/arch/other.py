"""Machines that programs name, and this package has no tables for."""

from __future__ import annotations

from typing import Any

from tilelang.errors import UnsupportedError


class _Absent:
    def __init__(self, target: Any = None) -> None:
        raise UnsupportedError(
            f"there are no hints for {type(self).__name__}: the tables are of NVIDIA GPUs",
            fix='use tilelang.carver.arch.CUDA("cuda")',
        )


class CDNA(_Absent):
    """AMD's data-centre GPUs: not in this version."""


class RDNA(_Absent):
    """AMD's graphics GPUs: not in this version."""


class METAL(_Absent):
    """Apple's GPUs: not in this version."""


class CPU(_Absent):
    """CPUs have no tiles to choose: not in this version."""

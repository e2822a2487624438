"""What each NVIDIA architecture offers: limits and instruction families (CUDA C++ Programming Guide, "Compute Capabilities")."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import UnsupportedError


@dataclass(frozen=True)
class Arch:
    """One compute capability.

    `shared_per_block` is the opt-in maximum in bytes; `feature` flags say which instruction families exist.
    """

    name: str
    capability: int  # 80, 89, 90, 100
    shared_per_block: int
    max_threads: int = 1024
    registers_per_thread: int = 255

    @property
    def has_cp_async(self) -> bool:
        return self.capability >= 80

    @property
    def has_fp8_mma(self) -> bool:
        return self.capability >= 89

    @property
    def has_stmatrix(self) -> bool:
        return self.capability >= 90

    @property
    def has_bf16(self) -> bool:
        return self.capability >= 80


_KB = 1024
_ARCHES = {
    a.name: a
    for a in (
        Arch("sm_80", 80, 163 * _KB),
        Arch("sm_86", 86, 99 * _KB),
        Arch("sm_87", 87, 163 * _KB),
        Arch("sm_89", 89, 99 * _KB),
        Arch("sm_90", 90, 227 * _KB),
        Arch("sm_90a", 90, 227 * _KB),
        Arch("sm_100", 100, 227 * _KB),
        Arch("sm_100a", 100, 227 * _KB),
    )
}


def find_arch(name: str) -> Arch:
    """The table row of an architecture; `UnsupportedError` lists the known ones."""
    if name not in _ARCHES:
        raise UnsupportedError(f"architecture {name!r} is not in the table", fix=f"use one of {', '.join(_ARCHES)}")
    return _ARCHES[name]

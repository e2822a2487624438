"""What each NVIDIA architecture offers: limits and instruction families (CUDA C++ Programming Guide, "Compute Capabilities")."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import UnsupportedError

_KB = 1024


class Arch(NamedTuple):
    """One compute capability.

    `shared_per_block` is the opt-in maximum in bytes, of which a multiprocessor has `shared_per_sm` and keeps `shared_reserved`
    a block to itself; `multiprocessors` are those of the product most used for computing. Properties say which instruction
    families exist.
    """

    name: str
    capability: int  # 80, 89, 90, 100, 120
    shared_per_block: int
    max_threads: int = 1024
    registers_per_thread: int = 255
    shared_per_sm: int = 228 * _KB
    threads_per_sm: int = 2048
    blocks_per_sm: int = 32
    multiprocessors: int = 132
    registers_per_sm: int = 65536
    shared_reserved: int = 1024

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
    def has_tma(self) -> bool:
        return self.capability >= 90

    @property
    def has_row_scatter(self) -> bool:
        """TMA that stores rows by number (PTX ISA, ".tile::scatter4"): of sm_100's own instructions."""
        return self.name == "sm_100a"

    @property
    def has_block_scaled_mma(self) -> bool:
        """Matrix instructions of a warp that take block scales; they are of the architecture's own instructions ("a")."""
        return self.name == "sm_120a"

    @property
    def has_bf16(self) -> bool:
        return self.capability >= 80


_ARCHES = {
    a.name: a
    for a in (
        Arch("sm_80", 80, 163 * _KB, shared_per_sm=164 * _KB, multiprocessors=108),  # A100
        Arch("sm_86", 86, 99 * _KB, shared_per_sm=100 * _KB, threads_per_sm=1536, blocks_per_sm=16, multiprocessors=84),  # A40
        Arch("sm_87", 87, 163 * _KB, shared_per_sm=164 * _KB, threads_per_sm=1536, blocks_per_sm=16, multiprocessors=16),  # Orin
        Arch("sm_89", 89, 99 * _KB, shared_per_sm=100 * _KB, threads_per_sm=1536, blocks_per_sm=24, multiprocessors=142),  # L40S
        Arch("sm_90", 90, 227 * _KB),  # H100 SXM
        Arch("sm_90a", 90, 227 * _KB),
        Arch("sm_100", 100, 227 * _KB, multiprocessors=148),  # B200
        Arch("sm_100a", 100, 227 * _KB, multiprocessors=148),
        *(  # RTX 5090
            Arch(name, 120, 99 * _KB, shared_per_sm=100 * _KB, threads_per_sm=1536, blocks_per_sm=24, multiprocessors=170)
            for name in ("sm_120", "sm_120a")
        ),
    )
}


def find_arch(name: str) -> Arch:
    """The table row of an architecture; `UnsupportedError` lists the known ones."""
    if name not in _ARCHES:
        raise UnsupportedError(f"architecture {name!r} is not in the table", fix=f"use one of {', '.join(_ARCHES)}")
    return _ARCHES[name]

"""The warp-specialised programs."""

from __future__ import annotations

from typing import Any

import numpy as np

from testing.simulator.probes.probe import Probe, Tile
from testing.simulator.programs import program


def _gemm(rng: np.random.Generator) -> list[Any]:
    a, b = (rng.standard_normal((rows, 136)).astype(np.float16) for rows in (200, 264))
    c = np.full((200, 264), np.nan, np.float16)
    return [Tile(a, (128, 64), 128), Tile(b, (128, 64), 128), Tile(c, (64, 64), 128), 3, 3, 6, c]


def _cluster(rng: np.random.Generator) -> list[Any]:
    a, b = (rng.standard_normal((128, 320)).astype(np.float16) for _ in range(2))
    return [Tile(a, (64, 64), 128), Tile(b, (64, 64), 128), np.full((128, 128), np.nan, np.float16), 128, 5]


def _named(text: str, name: str) -> str:
    return text.replace("\ngemm(", f"\n{name}(").replace("(gemm)", f"({name})")


_WS = _named(program("gemm_ws").replace("int32_t tiles) {", "int32_t tiles, tl::half_t*) {"), "gemm_ws")
_PAIR = _named(program("gemm_cluster"), "gemm_cluster")

PROBES = [
    Probe("gemm_ws", _WS, (), _gemm, (6,), grid=(4,), block=384, shared=163840 + 64),
    Probe("gemm_cluster", _PAIR, (), _cluster, (2,), (1, 2), 256, 6 * 8192 + 32, (1, 2)),
]

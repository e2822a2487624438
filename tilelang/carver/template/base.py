"""What all templates do: enumerate tiles, refuse what does not fit, rank the rest by the cost model."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeVar

from tilelang.carver.arch.cuda import CUDA
from tilelang.carver.hint import Hint
from tilelang.carver.model import PrunedError, predict_ms, screen
from tilelang.errors import ArgumentError, UnsupportedError
from tilelang.language.dtypes import dtype
from tilelang.profiler.work import Work

_SAME_TILE = 3
Self = TypeVar("Self", bound="Template")


class Template:
    """Base of the templates, which are dataclasses of a problem's sizes and dtypes."""

    arch: CUDA | None = None

    def with_arch(self: Self, arch: CUDA) -> Self:
        """The same problem on a machine."""
        found = dataclasses.replace(self)  # type: ignore[type-var]
        found.arch = arch
        return found

    def recommend_hints(self, topk: int = 10) -> list[Hint]:
        """The `topk` best proposals by the cost model, best first; at most three with the same tile.

        Raises
        ------
        ArgumentError
            Before `with_arch`, or where nothing fits the machine.
        """
        arch = self._machine()
        found = []
        for hint in self.candidates(arch):
            work = self.work(hint)
            try:
                screen(work, arch.device)
            except PrunedError:
                continue
            found.append(dataclasses.replace(hint, predicted_ms=predict_ms(work, arch.device)))
        if not found:
            raise ArgumentError(f"no tiles of {self} fit {arch}", fix="choose them by hand")
        return _varied(sorted(found, key=lambda hint: hint.predicted_ms))[:topk]

    def candidates(self, arch: CUDA) -> Iterator[Hint]:
        """All proposals worth a thought."""
        raise NotImplementedError

    def work(self, hint: Hint) -> Work:
        """What a kernel with these tiles does."""
        raise NotImplementedError

    def equivalent_function(self) -> Any:
        """A plain tile program that computes the same, for reading and for reference; a `T.prim_func`.

        Raises
        ------
        UnsupportedError
            For templates that have none.
        """
        raise UnsupportedError(f"{type(self).__name__} has no plain program", fix="see examples/ for tiled ones")

    def _machine(self) -> CUDA:
        if self.arch is None:
            raise ArgumentError(f"{type(self).__name__} does not know its machine", fix='call .with_arch(CUDA("cuda")) first')
        return self.arch


def _varied(ranked: list[Hint]) -> list[Hint]:
    """Without the fourth and later hints of a tile: the model tells their details apart less well than a measurement."""
    seen: Counter = Counter()
    kept = []
    for hint in ranked:
        seen[tuple(hint.block)] += 1
        if seen[tuple(hint.block)] <= _SAME_TILE:
            kept.append(hint)
    return kept


def bytes_of(name: str) -> float:
    """Bytes of an element."""
    return dtype(name).bits / 8


def ceildiv(a: int, b: int) -> int:
    return -(-a // b)

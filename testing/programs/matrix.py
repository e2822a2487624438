"""Parameter matrices: a small covering set for every run, a larger one for GPUs.

The product of all axes of a matrix multiply is thousands of kernels. Most defects need two values to meet (a transpose and a
dtype, a tile and a stage count), so every pair of values occurs in the default set; in the extended one, every triple does.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import torch

Combination = dict[str, Any]


def full_matrix() -> bool:
    """Whether the extended matrix runs: on a GPU, or anywhere with TILELANG_TEST_FULL=1."""
    return os.environ.get("TILELANG_TEST_FULL") == "1" or torch.cuda.is_available()


def covering(
    axes: Mapping[str, Sequence[Any]], strength: int, allowed: Callable[..., bool] | None = None, tries: int = 60
) -> Iterator[Combination]:
    """Combinations in which every `strength` values that can meet do meet at least once; the same on every machine.

    Parameters
    ----------
    axes : mapping of name to values
    strength : int
        2: every pair of values of two axes; 3: every triple.
    allowed : callable, optional
        Takes the names as keywords; False for combinations that have no meaning.
    tries : int
        Candidates drawn for each pick.
    """
    names = list(axes)
    indices = [c for c in itertools.product(*(range(len(axes[n])) for n in names)) if _fits(axes, names, c, allowed)]
    groups = list(itertools.combinations(range(len(names)), min(strength, len(names))))

    def tuples(choice: tuple[int, ...]) -> set[tuple]:
        return {(g, tuple(choice[i] for i in g)) for g in groups}

    missing: set[tuple] = set().union(*map(tuples, indices)) if indices else set()
    draw = random.Random(0)
    order = list(indices)
    draw.shuffle(order)
    while missing:
        seed = next(c for c in order if tuples(c) & missing)
        candidates = [seed, *draw.sample(indices, min(tries, len(indices)))]
        best = max(candidates, key=lambda c: len(tuples(c) & missing))
        missing -= tuples(best)
        yield {n: axes[n][i] for n, i in zip(names, best)}


def _fits(
    axes: Mapping[str, Sequence[Any]], names: list[str], choice: tuple[int, ...], allowed: Callable[..., bool] | None
) -> bool:
    return allowed is None or allowed(**{n: axes[n][i] for n, i in zip(names, choice)})


def sampled(axes: Mapping[str, Sequence[Any]], allowed: Callable[..., bool] | None = None, extended: int = 3) -> Any:
    """A parametrize decorator: all pairs by default; all combinations of `extended` values with the mark gpu_matrix."""
    names = list(axes)
    chosen = [tuple(c.values()) for c in covering(axes, 2, allowed)]
    more = [tuple(c.values()) for c in covering(axes, extended, allowed)] if extended > 2 and full_matrix() else []
    params = [pytest.param(*c, id=_id(c)) for c in chosen]
    params += [pytest.param(*c, id=_id(c), marks=pytest.mark.gpu_matrix) for c in dict.fromkeys(more) if c not in set(chosen)]
    return pytest.mark.parametrize(names, params)


def _id(values: tuple[Any, ...]) -> str:
    return "-".join(getattr(v, "name", None) or ("x".join(map(str, v)) if isinstance(v, tuple) else str(v)) for v in values)

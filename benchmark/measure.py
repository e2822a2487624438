"""GPU timings of several functions in turns: a card at its power limit slows with its history, so that ratios need one block."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping, Sequence

import torch


def block_ms(call: Callable, inputs: Sequence[Sequence[torch.Tensor]], repeats: int) -> float:
    """The median time of a call in milliseconds, over rotating inputs."""
    for i in range(3):
        call(*inputs[i % len(inputs)])
    torch.cuda.synchronize()
    times = []
    for i in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call(*inputs[i % len(inputs)])
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def in_turns(
    calls: Mapping[str, Callable],
    inputs: Sequence[Sequence[torch.Tensor]],
    rounds: int = 4,
    repeats: int = 20,
    base: str = "torch",
) -> dict[str, dict[str, float]]:
    """For each name: `ms`, the median over rounds, and `ratio`, the base's median over it. Each round has an order of its own."""
    rows: dict[str, list[float]] = {name: [] for name in calls}
    shuffle = random.Random(0).shuffle
    block_ms(calls[base], inputs, 2 * repeats)  # none of them is measured on a rested card
    for _ in range(rounds):
        order = list(calls)
        shuffle(order)
        for name in order:
            rows[name].append(block_ms(calls[name], inputs, repeats))
    medians = {name: statistics.median(times) for name, times in rows.items()}
    return {name: {"ms": ms, "ratio": medians[base] / ms} for name, ms in medians.items()}

"""GPU timings of several functions in turns: a card at its power limit slows with its history, so that ratios need one block."""

from __future__ import annotations

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
    """For each name: `ms`, the median over rounds, and `ratio`, the median of the base's time over its own within a round."""
    rows: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds):
        order = list(calls) if turn % 2 == 0 else list(calls)[::-1]
        for name in order:
            rows[name].append(block_ms(calls[name], inputs, repeats))
    return {
        name: {
            "ms": statistics.median(times),
            "ratio": statistics.median(b / t for b, t in zip(rows[base], times)) if base in rows else 0.0,
        }
        for name, times in rows.items()
    }

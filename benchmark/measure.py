"""GPU timings of several functions in turns: a card at its power limit slows with its history, so that ratios need one block."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping, Sequence

import torch

# Below this many milliseconds events around a call time the host's launch too; such calls are measured in a CUDA graph.
SHORT_MS = 0.25
ROTATED_BYTES = 2 * 50 * 2**20  # inputs rotate through twice a Hopper's L2 cache


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


class GraphCalls:
    """`count` calls on rotating inputs as one CUDA graph, what else a call launches (clearing its output) included.

    The graph has addresses, not tensors: what `call` and `inputs` refer to is kept with it.
    """

    def __init__(self, call: Callable, inputs: Sequence[Sequence[torch.Tensor]], count: int = 24) -> None:
        self.count = max(count, len(inputs))
        self.call, self.inputs = call, inputs
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # what a library sets up at its first call stays out of the graph
            call(*inputs[0])
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            for i in range(self.count):
                call(*inputs[i % len(inputs)])

    def ms(self, repeats: int) -> float:
        """The median time of a call in milliseconds: the GPU's alone."""
        return block_ms(self.graph.replay, [()], repeats) / self.count


def in_turns(
    calls: Mapping[str, Callable],
    inputs: Sequence[Sequence[torch.Tensor]],
    rounds: int = 4,
    repeats: int = 20,
    base: str = "torch",
    graphs: bool = False,
) -> dict[str, dict[str, float]]:
    """For each name: `ms`, the median over rounds, and `ratio`, the base's median over it. Each round has an order of its own.

    `graphs`: every call is timed in a CUDA graph; RuntimeError where one cannot be captured.
    """
    rows: dict[str, list[float]] = {name: [] for name in calls}
    shuffle = random.Random(0).shuffle
    captured = {name: GraphCalls(call, inputs) for name, call in calls.items()} if graphs else {}

    def measured(name: str, repeats: int) -> float:
        return captured[name].ms(max(3, repeats // 2)) if graphs else block_ms(calls[name], inputs, repeats)

    measured(base, 2 * repeats)  # none of them is measured on a rested card
    for _ in range(rounds):
        order = list(calls)
        shuffle(order)
        for name in order:
            rows[name].append(measured(name, repeats))
    medians = {name: statistics.median(times) for name, times in rows.items()}
    return {name: {"ms": ms, "ratio": medians[base] / ms} for name, ms in medians.items()}


def sets_to_rotate(bytes_of_a_call: float) -> int:
    """How many sets of inputs outgrow the L2 cache, three at least."""
    return max(3, -(-ROTATED_BYTES // max(1, int(bytes_of_a_call))))

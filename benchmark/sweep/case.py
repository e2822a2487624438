"""One row of the sweep: a program, its inputs, what it must equal, and its rivals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(frozen=True)
class Case:
    """`inputs(device)` makes the program's inputs; `outputs` are (shape, dtype) of what it writes after them.

    `torch` and `triton` are called with the same inputs. `flops` and `bytes` of one call; bytes count each tensor once.
    """

    family: str
    name: str
    program: Callable[[], Any]
    inputs: Callable[[str], list[Any]]
    outputs: tuple[tuple[tuple[int, ...], torch.dtype], ...]
    torch: Callable[..., torch.Tensor]
    flops: float
    bytes: float
    triton: Callable[..., torch.Tensor] | None = None
    configs: dict[str, Any] = field(default_factory=dict)
    clears: bool = False  # the last output is added to, so that a call starts from zeros
    arguments: Callable[[list[Any]], list[Any]] = list  # of the kernel, made from the inputs
    captures: bool = True  # False: a rival asks the GPU for something on its way, which no CUDA graph can hold

    def result(self, kernel: Callable, inputs: list[Any], outputs: list[torch.Tensor]) -> torch.Tensor:
        """Call the kernel on outputs that the caller owns; the last one is the result."""
        if self.clears:
            outputs[-1].zero_()
        kernel(*self.arguments(inputs), *outputs)
        return outputs[-1]

    def allocate(self, device: str) -> list[torch.Tensor]:
        return [torch.empty(shape, dtype=dtype, device=device) for shape, dtype in self.outputs]

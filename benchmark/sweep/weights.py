"""fp16 activations by 4-bit weights in registers, for decoding and for long prompts; torch multiplies the weights as fp16."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from programs import pack, w4a16
from programs.w4a16 import STEP

from .case import Case
from .products import MULTIPROCESSORS

SHAPES = (
    *((M, N, K) for M in (1, 16, 64) for N, K in ((8192, 8192), (4096, 11008), (11008, 4096))),
    (512, 4096, 4096), (4096, 4096, 4096), (4096, 11008, 4096),
)  # fmt: skip


def weights(pattern: str = "") -> Iterator[Case]:
    for M, N, K in SHAPES:
        name = f"w4a16_{M}x{N}x{K}"
        if pattern in name and N % 128 == 0 and K % 64 == 0:
            yield _case(name, M, N, K)


def tiles_of(M: int, N: int, K: int) -> tuple[int, int, int, int]:
    """(bm, bn, splits, joined steps) of `w4a16`, for a Hopper of 132 multiprocessors.

    Few rows: the weights are what moves, and every block brings all activations. 64 weight rows a block where that gives each
    multiprocessor one; with more activations 128, which bring them half as often, and blocks along K in place of those that are
    then missing. Four steps at a time hide each other's latencies.
    """
    if M <= 64:
        bm, bn = max(8, M), 64 if M <= 16 else 128
        splits = 1
        while N // bn * splits * 2 <= MULTIPROCESSORS and K // STEP % (splits * 2) == 0:
            splits *= 2
        steps = K // STEP // splits
        return bm, bn, splits, next(n for n in (4, 2, 1) if steps % n == 0)
    # With 256 columns half of the unpacking for each product, where about as many multiprocessors are then busy.
    waves = {bm: -(-(N // 128 * -(-M // bm)) // MULTIPROCESSORS) * bm for bm in (256, 128)}
    return (256 if waves[256] <= 1.1 * waves[128] else 128), 128, 1, 1


def _case(name: str, M: int, N: int, K: int) -> Case:
    bm, bn, splits, joined = tiles_of(M, N, K)

    def inputs(device: str) -> list[torch.Tensor]:
        codes = torch.randint(0, 16, (N, K), dtype=torch.uint8, device=device)
        dense = (codes.half() - 8).t().contiguous().t()
        return [torch.randn(M, K, device=device).half() * 0.1, Weights(pack(codes), dense)]

    out = torch.float32 if splits > 1 else torch.float16
    return Case(
        "weights", name, lambda: w4a16(M, N, K, bm, bn, splits), inputs, (((M, N), out),), lambda a, w: a @ w.dense.t(),
        2.0 * M * N * K, N * K / 2 + 2.0 * (M * K + M * N), clears=splits > 1, configs={"tl.joined_steps": joined},
        arguments=lambda inputs: [inputs[0], inputs[1].packed],
    )  # fmt: skip


class Weights:
    """The same weights for both sides."""

    def __init__(self, packed: torch.Tensor, dense: torch.Tensor) -> None:
        self.packed, self.dense = packed, dense

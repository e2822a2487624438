"""fp16 activations by 4-bit weights in registers, for decoding and for long prompts; torch multiplies the weights as fp16."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from programs import pack, w4a16
from programs.w4a16 import STEP

from .case import Case
from .products import MULTIPROCESSORS

# Blocks that run at once where `splits` of them make a cluster: of four, 30 clusters fit into the parts of an H100.
AT_ONCE = {1: MULTIPROCESSORS, 2: MULTIPROCESSORS, 4: 120}
SHAPES = (
    *((M, N, K) for M in (1, 16, 64) for N, K in ((8192, 8192), (4096, 11008), (11008, 4096))),
    (512, 4096, 4096), (4096, 4096, 4096), (4096, 11008, 4096),
)  # fmt: skip


def weights() -> Iterator[Case]:
    for M, N, K in SHAPES:
        name = f"w4a16_{M}x{N}x{K}"
        if N % 128 == 0 and K % 64 == 0:
            yield _case(name, M, N, K)


def tiles_of(M: int, N: int, K: int) -> tuple[int, int, int, int]:
    """(bm, bn, splits, joined steps) of `w4a16`, for a Hopper of 132 multiprocessors.

    Few rows: the weights are what moves. Blocks along K until each multiprocessor has one; among equals, a few activations are
    brought to many small blocks, and many to larger ones, which bring them less often. Small blocks take several steps at a
    time, whose latencies hide each other; the warpgroups of large ones do that themselves.
    """
    if M <= 64:
        bm, steps = max(8, M), K // STEP
        found = [(bn, splits) for bn in (64, 128) for splits in (1, 2, 4) if N % bn == steps % splits == bm % splits == 0]

        def busy(bn: int, splits: int) -> float:
            blocks, room = N // bn * splits, AT_ONCE[splits]
            return round(blocks / (-(-blocks // room) * MULTIPROCESSORS), 1) if blocks <= 2 * room else 0

        bn, splits = max(found, key=lambda tile: (busy(*tile), -tile[1] if M <= 16 else tile[0]))
        return bm, bn, splits, next(n for n in (4, 2, 1) if steps // splits % n == 0 and n * bn <= 256)
    # With 256 columns half of the unpacking for each product, where about as many multiprocessors are then busy.
    waves = {bm: -(-(N // 128 * -(-M // bm)) // MULTIPROCESSORS) * bm for bm in (256, 128)}
    return (256 if waves[256] <= 1.1 * waves[128] else 128), 128, 1, 1


def _case(name: str, M: int, N: int, K: int) -> Case:
    bm, bn, splits, joined = tiles_of(M, N, K)

    def inputs(device: str) -> list[torch.Tensor]:
        codes = torch.randint(0, 16, (N, K), dtype=torch.uint8, device=device)
        dense = (codes.half() - 8).t().contiguous().t()
        return [torch.randn(M, K, device=device).half() * 0.1, Weights(pack(codes), dense)]

    return Case(
        "weights", name, lambda: w4a16(M, N, K, bm, bn, splits, overlap=M <= 64), inputs, (((M, N), torch.float16),),
        lambda a, w: a @ w.dense.t(), 2.0 * M * N * K, N * K / 2 + 2.0 * (M * K + M * N), configs={"tl.joined_steps": joined},
        arguments=lambda inputs: [inputs[0], inputs[1].packed],
    )  # fmt: skip


class Weights:
    """The same weights for both sides."""

    def __init__(self, packed: torch.Tensor, dense: torch.Tensor) -> None:
        self.packed, self.dense = packed, dense

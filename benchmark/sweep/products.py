"""C = A @ B^T in fp16 for every combination of the sizes, with tiles as an author would choose them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from programs import gemm, split_gemm

from .case import Case
from .triton_rivals import matmul as triton_matmul

SIZES = (16, 64, 512, 4000, 4096, 8192, 11008)
MULTIPROCESSORS = 132
# bm, bn, bk, stages, threads
TILES = (
    (128, 256, 64, 3, 256), (128, 192, 64, 4, 256), (256, 128, 64, 3, 256), (128, 128, 64, 3, 256),
    (64, 128, 64, 4, 128), (64, 64, 64, 4, 128),
)  # fmt: skip


def tiles_of(M: int, N: int) -> tuple[int, int, int, int, int]:
    """The tile with the least work for the busiest multiprocessor; small tiles bring more operands for each product."""

    def cost(tile: tuple[int, ...]) -> float:
        bm, bn = tile[:2]
        each = -(-(-(-M // bm) * -(-N // bn)) // MULTIPROCESSORS)
        return each * (bm * bn + 2**13)

    return min(TILES, key=cost)


def splits_of(tiles: int, K: int) -> int:
    """Blocks along K to a tile, where tiles alone leave most multiprocessors idle, of at least eight steps of 64 each.

    Clearing C and adding to it cost as much as several steps.
    """
    splits = 1
    while tiles * splits * 2 <= 1.5 * MULTIPROCESSORS and K // (splits * 2) >= 512:
        splits *= 2
    return splits


def products() -> Iterator[Case]:
    for M, N, K in product(SIZES, repeat=3):
        name = f"{M}x{N}x{K}"
        if 2.0 * M * N * K > 2**24:
            yield _case(name, M, N, K)


def _case(name: str, M: int, N: int, K: int) -> Case:
    def inputs(device: str) -> list[torch.Tensor]:
        return [torch.randn(s, device=device).half() * 0.25 for s in ((M, K), (N, K))]

    few = min(M, N) <= 64
    bm, bn = (16 if M == 16 else 64), 64
    splits = splits_of(-(-M // bm) * -(-N // bn), K) if few else 1
    if splits > 1:
        program = lambda: split_gemm(M, N, K, splits, bm, bn)  # noqa: E731
    else:
        program = lambda: gemm(M, N, K, *((bm, bn, 64, 4, 128) if few else tiles_of(M, N)))  # noqa: E731
    out = torch.float32 if splits > 1 else torch.float16
    return Case(
        "product", name, program, inputs, (((M, N), out),), lambda a, b: a @ b.T, 2.0 * M * N * K,
        2.0 * (M * K + N * K + M * N), triton_matmul, clears=splits > 1,
    )  # fmt: skip

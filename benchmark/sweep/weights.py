"""fp16 activations by 4-bit weights in registers, for decoding and for long prompts; torch multiplies the weights as fp16."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from programs import pack, w4a16

from .case import Case
from .products import splits_of

SHAPES = (
    *((M, N, K) for M in (1, 16, 64) for N, K in ((8192, 8192), (4096, 11008), (11008, 4096))),
    (512, 4096, 4096), (4096, 4096, 4096), (4096, 11008, 4096),
)  # fmt: skip


def weights(pattern: str = "") -> Iterator[Case]:
    for M, N, K in SHAPES:
        name = f"w4a16_{M}x{N}x{K}"
        if pattern in name and N % 128 == 0 and K % 64 == 0:
            yield _case(name, M, N, K)


def _case(name: str, M: int, N: int, K: int) -> Case:
    bm = max(8, M) if M <= 64 else 128
    bn = 64 if M <= 64 else 128
    splits = splits_of(N // bn, K) if M <= 64 else 1

    def inputs(device: str) -> list[torch.Tensor]:
        codes = torch.randint(0, 16, (N, K), dtype=torch.uint8, device=device)
        dense = (codes.half() - 8).t().contiguous().t()
        return [torch.randn(M, K, device=device).half() * 0.1, Weights(pack(codes), dense)]

    out = torch.float32 if splits > 1 else torch.float16
    return Case(
        "weights", name, lambda: w4a16(M, N, K, bm, bn, splits), inputs, (((M, N), out),), lambda a, w: a @ w.dense.t(),
        2.0 * M * N * K, N * K / 2 + 2.0 * (M * K + M * N), clears=splits > 1,
        arguments=lambda inputs: [inputs[0], inputs[1].packed],
    )  # fmt: skip


class Weights:
    """The same weights for both sides."""

    def __init__(self, packed: torch.Tensor, dense: torch.Tensor) -> None:
        self.packed, self.dense = packed, dense

"""Attention forward over head sizes, lengths, grouped queries and packed sequences, and decoding over a long past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from programs import FAST_MATH, attention, decode, varlen_attention

from .case import Case
from .triton_rivals import attention as triton_attention

HEADS = (64, 96, 128, 192, 256)
LENGTHS = (512, 1024, 2048, 4096, 8192, 16384)
# Of each head size: bm, bn, stages, threads.
TILES = {
    64: (128, 128, 2, 256), 96: (128, 128, 2, 256), 128: (128, 128, 2, 256), 192: (128, 64, 2, 256), 256: (128, 64, 1, 256)
}  # fmt: skip


def attentions() -> Iterator[Case]:
    yield from (*_dense(), *_packed(), *_decoding())


def _sdpa(causal: bool) -> Any:
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=q.shape[1] != k.shape[1])


def _dense() -> Iterator[Case]:
    for D in HEADS:
        for S in LENGTHS:
            for causal in (False, True):
                for G in (1, 8) if D == 128 else (1,):
                    yield _dense_case(max(1, 16384 // S), 2048 // D, G, S, D, causal)


def _dense_case(B: int, H: int, G: int, S: int, D: int, causal: bool) -> Case:
    def inputs(device: str) -> list[torch.Tensor]:
        return [torch.randn(B, h, S, D, device=device).half() for h in (H, H // G, H // G)]

    name = f"d{D}_{S}{'_causal' if causal else ''}{f'_gqa{G}' if G > 1 else ''}"
    flops = 4.0 * B * H * S * S * D * (0.5 if causal else 1.0)
    traffic = 2.0 * B * S * D * (2 * H + 2 * (H // G))
    rival = (lambda q, k, v: triton_attention(q, k, v, causal)) if D in (64, 128, 256) else None
    return Case(
        "attention", name, lambda: attention(B, H, G, S, D, causal, *TILES[D]), inputs, (((B, H, S, D), torch.float16),),
        _sdpa(causal), flops, traffic, rival, FAST_MATH,
    )  # fmt: skip


def _packed() -> Iterator[Case]:
    for D in (64, 128):
        for causal in (False, True):
            yield _packed_case(16, 16, D, causal)


def _packed_case(B: int, H: int, D: int, causal: bool) -> Case:
    lengths = [256 + (i * 2654435761 >> 8) % 3840 for i in range(B)]
    total = sum(lengths)
    starts = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32)

    def inputs(device: str) -> list[Any]:
        return [*(torch.randn(total, H, D, device=device).half() for _ in range(3)), starts.to(device), max(lengths)]

    def torch_nested(q, k, v, offsets, longest):
        parts = [torch.nested.nested_tensor_from_jagged(x, offsets.long()).transpose(1, 2) for x in (q, k, v)]
        return F.scaled_dot_product_attention(*parts, is_causal=causal).transpose(1, 2).values()

    flops = sum(4.0 * H * n * n * D * (0.5 if causal else 1.0) for n in lengths)
    return Case(
        "packed", f"packed_d{D}{'_causal' if causal else ''}", lambda: varlen_attention(B, H, 1, total, D, causal), inputs,
        (((total, H, D), torch.float16),), torch_nested, flops, 8.0 * total * H * D, configs=FAST_MATH, captures=False,
    )  # fmt: skip


def _decoding() -> Iterator[Case]:
    for B, G, S in ((1, 8, 16384), (16, 8, 8192), (16, 1, 4096), (64, 4, 4096), (128, 8, 2048)):
        yield _decode_case(B, 32, G, S, 128)


def _decode_case(B: int, H: int, G: int, S: int, D: int) -> Case:
    groups = H // G
    splits = 1
    while B * groups * splits < 2 * 132 and S // (splits * 2) >= 256:
        splits *= 2

    def inputs(device: str) -> list[torch.Tensor]:
        past = [torch.randn(B, S, groups, D, device=device).half() for _ in range(2)]
        return [torch.randn(B, H, D, device=device).half(), *past]

    def sdpa(q, k, v):
        out = F.scaled_dot_product_attention(q[:, :, None], k.transpose(1, 2), v.transpose(1, 2), enable_gqa=G > 1)
        return out[:, :, 0]

    outputs = (((B, H, splits, D), torch.float32), ((B, H, splits), torch.float32), ((B, H, D), torch.float16))
    return Case(
        "decode", f"decode_b{B}_gqa{G}_{S}", lambda: decode(B, H, G, S, D, splits), inputs, outputs, sdpa,
        4.0 * B * H * S * D, 4.0 * B * S * groups * D, configs=FAST_MATH,
    )  # fmt: skip

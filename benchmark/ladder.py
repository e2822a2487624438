"""The same matrix product and the same attention, from the plainest lowering to the final one: what each technique is worth.

    python benchmark/ladder.py [--only gemm_4096] [--json FILE] [--markdown FILE] [--rounds 4]

Each step is one pass configuration less than the step before, so that programs stay as they are. Steps and torch are measured in
turns; TFLOP/s and the ratio to torch are medians over the rounds. Every step's result is checked first.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import Any

import torch
from measure import in_turns
from programs import FAST_MATH, attention, gemm

import tilelang

OFF = "tl.disable_"
# What is switched off at each step. The last one is the default.
GEMM_STEPS: dict[str, dict[str, Any]] = {
    "mma.sync, cp.async": {f"{OFF}wgmma": True, f"{OFF}tma_lower": True},
    "wgmma": {f"{OFF}tma_lower": True},
    "producer warp, TMA, rings of num_stages": {
        f"{OFF}gemm_overlap": True, "tl.exact_num_stages": True, "tl.enable_persistent_blocks": False
    },
    "products in flight": {"tl.exact_num_stages": True, "tl.enable_persistent_blocks": False},
    "rings as deep as shared memory": {"tl.enable_persistent_blocks": False},
    "persistent blocks, stores in pieces": {"tl.disable_group_stores": True},
    "stores by warpgroups": {},
}  # fmt: skip
ATTENTION_STEPS: dict[str, dict[str, Any]] = {
    "mma.sync, cp.async": {f"{OFF}wgmma": True, f"{OFF}tma_lower": True, f"{OFF}block_reordering": True},
    "wgmma": {f"{OFF}tma_lower": True, f"{OFF}block_reordering": True},
    "producer warp and TMA": {
        f"{OFF}gemm_overlap": True, f"{OFF}block_reordering": True, "tl.enable_persistent_blocks": False
    },
    "heaviest blocks first": {f"{OFF}gemm_overlap": True, "tl.enable_persistent_blocks": False},
    "softmax beside products": {"tl.enable_ping_pong": False, "tl.enable_persistent_blocks": False},
    "persistent blocks": {"tl.enable_ping_pong": False},
    "warpgroups by turns in short even loops": {},
}  # fmt: skip


@dataclass(frozen=True)
class Ladder:
    """One program, its steps, and what torch calls it."""

    program: Any
    steps: dict[str, dict[str, Any]]
    shapes: tuple[tuple[int, ...], ...]
    out_shape: tuple[int, ...]
    baseline: Any
    flops: float
    configs: dict[str, Any]


def _gemm(n: int) -> Ladder:
    return Ladder(gemm(n, n, n), GEMM_STEPS, ((n, n), (n, n)), (n, n), lambda a, b: a @ b.T, 2.0 * n**3, {})


def _attention(dim: int, causal: bool) -> Ladder:
    shape = (4, 16, 4096, dim)

    def sdpa(q, k, v):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

    flops = 4.0 * 4 * 16 * 4096**2 * dim * (0.5 if causal else 1.0)
    return Ladder(attention(4, 16, 1, 4096, dim, causal), ATTENTION_STEPS, (shape,) * 3, shape, sdpa, flops, FAST_MATH)


LADDERS = {
    "gemm_4096": lambda: _gemm(4096),
    "gemm_8192": lambda: _gemm(8192),
    "attention_d128": lambda: _attention(128, False),
    "attention_d128_causal": lambda: _attention(128, True),
    "attention_d64": lambda: _attention(64, False),
    "attention_d64_causal": lambda: _attention(64, True),
}


def climb(ladder: Ladder, rounds: int) -> list[dict[str, Any]]:
    """The rows of one ladder."""
    inputs = [[torch.randn(s, device="cuda", dtype=torch.float16) * 0.5 for s in ladder.shapes] for _ in range(3)]
    expected = ladder.baseline(*inputs[0]).float()
    calls: dict[str, Any] = {"torch": ladder.baseline}
    for name, configs in ladder.steps.items():
        kernel = tilelang.compile(ladder.program, out_idx=[-1], pass_configs={**ladder.configs, **configs})
        error = (kernel(*inputs[0]).float() - expected).abs().max() / expected.abs().max()
        assert error < 1e-2, f"{name}: relative error {error}"
        calls[name] = kernel
    rows = in_turns(calls, inputs, rounds)
    return [{"step": n, "tflops": ladder.flops / r["ms"] / 1e9, "ratio": r["ratio"], "ms": r["ms"]} for n, r in rows.items()]


def main() -> None:
    """Print the ladders; write them with `--json` and `--markdown`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=LADDERS)
    parser.add_argument("--json")
    parser.add_argument("--markdown")
    parser.add_argument("--rounds", type=int, default=4)
    args = parser.parse_args()
    found, text = {}, []
    for name in args.only or LADDERS:
        found[name] = climb(LADDERS[name](), args.rounds)
        text += [f"### {name}", "", "| step | TFLOP/s | ratio to torch |", "|---|---|---|"]
        text += [f"| {r['step']} | {r['tflops']:.0f} | {r['ratio']:.2f} |" for r in found[name]]
        text.append("")
        print("\n".join(text[-len(found[name]) - 5 :]), flush=True)
    if args.json:
        with open(args.json, "w") as handle:
            json.dump({"device": torch.cuda.get_device_name(), "ladders": found}, handle, indent=1)
    if args.markdown:
        with open(args.markdown, "w") as handle:
            handle.write("\n".join(text))


if __name__ == "__main__":
    main()

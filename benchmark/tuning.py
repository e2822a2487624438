"""GEMM 4096^3 and attention tuned from nothing: seconds, what was chosen, and how near the carver's ten hints come to all.

    python benchmark/tuning.py [--only gemm_4096] [--rounds 6] [--json FILE]

Each program is tuned twice, with no kernel and no time of an earlier run: over a space of tile sizes, stages and threads
("space"), and over the ten hints of its carver template ("hints"). Then both choices, the programs' defaults and torch are
measured in turns (`measure.py`). Exit status 1 where a run takes more than 90 s, a choice is slower against torch than
wanted, or the best hint of the GEMM is more than 3 % behind the best of everything tried. `--simulate` runs small sizes in the
simulator: it shows that the script works, and its times rank nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from programs import FAST_MATH, attention, gemm

SECONDS = 90.0  # of one tuning run, at most
BEHIND = 1.03  # the best hint's time over the best time of all
Config = dict[str, int]


@dataclass(frozen=True)
class Case:
    """A program to tune; `wanted` is torch's time over ours, `flops` those of one call."""

    program: Callable[..., Any]
    inputs: Callable[[], list[torch.Tensor]]
    torch: Callable[..., torch.Tensor]
    space: list[Config]
    template: Any
    wanted: float
    flops: float
    configs: dict[str, Any]
    hints_bound: bool = False


def gemm_case(size: int, small: bool) -> Case:
    from tilelang.carver import MatmulTemplate

    tiles = list(itertools.product((64, 128, 256), (64, 128, 192, 256), (32, 64, 128), (3, 4), (128, 256)))
    # Accumulators fill at most 200 registers of a thread, and at least 32: the rest is not worth a compilation.
    keys = ("bm", "bn", "bk", "stages", "threads")
    space = [dict(zip(keys, c)) for c in tiles if 32 <= c[0] * c[1] / c[4] <= 200 and c[3] * (c[0] + c[1]) * c[2] <= 114000]

    def program(bm: int = 128, bn: int = 256, bk: int = 64, stages: int = 3, threads: int = 256) -> Any:
        return gemm(size, size, size, bm, bn, bk, stages, threads)

    def inputs() -> list[torch.Tensor]:
        return [torch.randn(size, size, device=_device()).half() * 0.25 for _ in range(2)]

    template = MatmulTemplate(size, size, size, accum_dtype="float32")
    few = [{"bm": 64, "bn": 64, "bk": 32, "stages": s, "threads": 128} for s in (2, 3)]
    return Case(program, inputs, lambda a, b: a @ b.T, few if small else space, template, 1.05, 2.0 * size**3, {}, True)


def attention_case(B: int, H: int, S: int, D: int, causal: bool, small: bool) -> Case:
    from tilelang.carver import FlashAttentionTemplate

    tiles = itertools.product((64, 128, 192, 256), (64, 96, 128, 160, 176), (1, 2, 3), (128, 256, 384))
    # A warp keeps whole rows: 16 rows a warp, 64 a warpgroup. Scores and output are in registers together.
    keys = ("bm", "bn", "stages", "threads")
    space = [dict(zip(keys, c)) for c in tiles if c[0] % (c[3] // 2) == 0 and c[0] * (c[1] + D) / c[3] <= 200]

    def program(bm: int = 128, bn: int = 128, stages: int = 2, threads: int = 256) -> Any:
        return attention(B, H, 1, S, D, causal, bm, bn, stages, threads)

    def inputs() -> list[torch.Tensor]:
        return [torch.randn(B, H, S, D, device=_device()).half() for _ in range(3)]

    def sdpa(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

    template = FlashAttentionTemplate(B, H, D, S, S, causal)
    few = [{"bm": 64, "bn": 64, "stages": s, "threads": 128} for s in (1, 2)]
    flops = 4.0 * B * H * S * S * D * (0.5 if causal else 1.0)
    return Case(program, inputs, sdpa, few if small else space, template, 1.08 if causal else 1.06, flops, FAST_MATH)


def cases(small: bool) -> dict[str, Callable[[], Case]]:
    """At full size, or as the simulator runs them in seconds."""
    size, shape = (128, (1, 1, 128, 64)) if small else (4096, (4, 16, 4096, 128))
    return {
        f"gemm_{size}": lambda: gemm_case(size, small),
        f"attention_d{shape[-1]}": lambda: attention_case(*shape, False, small),
        f"attention_d{shape[-1]}_causal": lambda: attention_case(*shape, True, small),
    }


def hinted(case: Case, small: bool) -> list[Config]:
    """The template's ten hints, as arguments of the program."""
    from tilelang.carver import CUDA

    found = []
    arch = CUDA("cuda" if torch.cuda.is_available() else {"kind": "cuda", "arch": "sm_90a"})
    for hint in case.template.with_arch(arch).recommend_hints(topk=10):
        step = {"bk": hint.rstep[0]} if case.hints_bound else {}
        bm, bn = hint.block
        found.append({"bm": bm, "bn": bn, **step, "stages": hint.pipeline_stage, "threads": hint.threads})
    return found[:2] if small else found


def tune(case: Case, configs: list[Config], simulate: bool) -> tuple[Any, float]:
    """A run from nothing: its result and its seconds."""
    from tilelang.autotuner import AutoTuner

    def reference(*inputs: torch.Tensor) -> torch.Tensor:
        return case.torch(*(x.float() if simulate else x for x in inputs)).half()

    tuner = AutoTuner.from_kernel(case.program, configs)
    tuner.set_compile_args(out_idx=-1, execution_backend="simulator" if simulate else None, pass_configs=case.configs)
    tuner.set_profile_args(
        warmup=10, rep=50, timeout=20, ref_prog=reference, supply_prog=lambda params: case.inputs(), rtol=2e-2, atol=2e-2
    )
    started = time.perf_counter()
    result = tuner.run()
    seconds = time.perf_counter() - started
    assert all(r.compile_s > 0 and not r.reused for r in result.ranking()), "something was not compiled and measured anew"
    return result, seconds


def compare(case: Case, kernels: dict[str, Any], rounds: int) -> dict[str, dict[str, float]]:
    """Kernels and torch in turns, on inputs of their own."""
    from measure import in_turns

    inputs = [case.inputs() for _ in range(3)]
    return in_turns({"torch": case.torch, **kernels}, inputs, rounds)


def examine(name: str, case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """One case: both runs, the comparison, and what is wrong."""
    import tilelang

    runs, kernels, wrong = {}, {}, []
    for kind, configs in (("space", case.space), ("hints", hinted(case, options.simulate))):
        result, seconds = tune(case, configs, options.simulate)
        kernels[kind] = result.kernel
        statuses: dict[str, int] = {}
        for record in result.records:
            statuses[record.status] = statuses.get(record.status, 0) + 1
        runs[kind] = {"seconds": seconds, "config": result.config, "ms": result.latency, "statuses": statuses}
        runs[kind]["ranking"] = [[r.config, r.latency_ms, r.predicted_ms] for r in result.ranking()]
        rate = case.flops / result.latency / 1e9
        print(f"{name} {kind}: {seconds:.1f} s, {result.latency:.4f} ms = {rate:.0f} TFLOP/s, {result.config}, {statuses}")
        for record in result.ranking()[:5]:
            print(f"    {record}")
        for record in result.failures:
            print(f"    {record}")
            if record.status != "compile failed":  # what does not fit is part of a space; what crashes or lies is not
                wrong.append(f"{name} {kind}: {record}")
        if seconds > SECONDS:
            wrong.append(f"{name} {kind}: {seconds:.1f} s, {SECONDS:.0f} wanted")
    if options.simulate:
        return {"runs": runs, "wrong": wrong}
    kernels["default"] = tilelang.compile(case.program(), out_idx=-1, pass_configs=case.configs)
    rows = compare(case, kernels, options.rounds)
    for kind, row in rows.items():
        row["tflops"] = case.flops / row["ms"] / 1e9
        print(f"{name} in turns: {kind:8s} {row['ms']:.4f} ms {row['tflops']:5.0f} TFLOP/s, {row['ratio']:.3f} of torch")
    best = max(("space", "hints"), key=lambda kind: rows[kind]["ratio"])
    behind = rows["hints"]["ms"] / rows[best]["ms"]
    print(f"{name}: best hint / best of all = {behind:.3f}")
    if case.hints_bound and behind > BEHIND:
        wrong.append(f"{name}: the best of ten hints is {behind:.3f} of the best time, {BEHIND} wanted")
    if rows[best]["ratio"] < case.wanted:
        wrong.append(f"{name}: {rows[best]['ratio']:.3f} of torch, {case.wanted} wanted")
    return {"runs": runs, "in_turns": rows, "hints_behind": behind, "wrong": wrong}


def main() -> int:
    """Print the runs; exit status 1 where a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="a case, such as gemm_4096")
    parser.add_argument("--rounds", type=int, default=6, help="of the comparison in turns")
    parser.add_argument("--simulate", action="store_true", help="small sizes on the CPU, to see that the script works")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    from tilelang.env import env

    env.TILELANG_AUTO_TUNING_DISABLE_CACHE = env.TILELANG_DISABLE_CACHE = True
    os.environ["CUDA_CACHE_DISABLE"] = "1"  # the driver's own cache
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    chosen = {name: make for name, make in cases(options.simulate).items() if options.only is None or name in options.only}
    if not chosen:
        parser.error(f"--only: there are {', '.join(cases(options.simulate))}")
    found = {name: examine(name, make(), options) for name, make in chosen.items()}
    wrong = [text for case in found.values() for text in case["wrong"]]
    if options.json:
        device = "simulator" if options.simulate else torch.cuda.get_device_name()
        report = {"device": device, "cores": len(os.sched_getaffinity(0)), "cases": found}
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    print("\n".join(wrong) or ("nothing failed; no bound means anything here" if options.simulate else "all bounds are met"))
    return 1 if wrong else 0


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


if __name__ == "__main__":
    sys.exit(main())

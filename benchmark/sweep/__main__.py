"""Many shapes of products, attention and products by 4-bit weights, beside torch and Triton in the same run.

    python -m sweep [PATTERN ...] --json FILE             on a GPU: measures what matches (in the folder benchmark/)
    python -m sweep --report FILE ... --markdown FILE     anywhere: the table, and a plot a family (SVG) beside it
    python -m sweep [PATTERN ...] --compile [--json FILE] anywhere: registers, spills and compile times for sm_90a

Every result is compared with torch's before it is measured. Kernels, torch and Triton are measured in turns, on inputs that
outgrow the L2 cache; ratios are torch's time over ours. Where one of them takes less than a quarter of a millisecond all of them
are measured in CUDA graphs, without the host's launches ("timing": "graph"; otherwise "events").
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from measure import SHORT_MS, block_ms, in_turns, sets_to_rotate

import tilelang

from .attentions import attentions
from .case import Case
from .products import products
from .report import write_report
from .weights import weights

TOLERANCE = 2e-2  # of the largest element


def cases(patterns: Sequence[str]) -> Iterator[Case]:
    for case in (*products(), *attentions(), *weights()):
        if not patterns or any(pattern in case.name for pattern in patterns):
            yield case


def compiled(case: Case) -> dict[str, Any]:
    """What ptxas says of each kernel of a case, for sm_90a."""
    start = time.perf_counter()
    target = {"kind": "cuda", "arch": "sm_90a"}
    kernel = tilelang.compile(case.program(), target=target, pass_configs=case.configs)
    resources = kernel.resources
    return {
        "family": case.family, "case": case.name, "compile_s": round(time.perf_counter() - start, 3),
        "kernels": [{k: getattr(r, k) for k in ("name", "registers", "spill_store_bytes", "shared_bytes")} for r in resources],
    }  # fmt: skip


def compile_ahead(chosen: list[Case]) -> float:
    """Compile the programs on all processors, so that measuring finds them in the cache; the seconds it took."""
    start = time.perf_counter()
    for configs in {json.dumps(case.configs, sort_keys=True): case.configs for case in chosen}.values():
        programs = (case.program() for case in chosen if case.configs == configs)
        tilelang.par_compile(programs, pass_configs=configs, ignore_error=True)
    return time.perf_counter() - start


def measured(case: Case, rounds: int) -> dict[str, Any]:
    """The times of a case and its rivals; raises AssertionError where the results differ."""
    row: dict[str, Any] = {"family": case.family, "case": case.name, "flops": case.flops, "bytes": case.bytes}
    inputs = [case.inputs("cuda") for _ in range(sets_to_rotate(case.bytes) if case.bytes < 2**30 else 1)]
    outputs = case.allocate("cuda")
    kernel = tilelang.compile(case.program(), pass_configs=case.configs)
    expected = case.torch(*inputs[0]).float()
    error = (case.result(kernel, inputs[0], outputs).float() - expected).abs().max() / expected.abs().max()
    assert error < TOLERANCE, f"{case.name}: relative error {error}"
    calls = {"torch": case.torch, "tilelang": lambda *x: case.result(kernel, list(x), outputs)}
    if case.triton is not None:
        calls["triton"] = case.triton
    graphs = case.captures and min(block_ms(call, inputs, 5) for call in calls.values()) < SHORT_MS
    times = in_turns(calls, inputs, rounds, repeats=10, graphs=graphs)
    return row | {"timing": "graph" if graphs else "events"} | {name: found["ms"] for name, found in times.items()}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="part of a case's name")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--report", type=Path, nargs="+", help="files of --json; of a case in several, the last row")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    args = parser.parse_args()
    if args.report:
        runs = [json.loads(path.read_text()) for path in args.report]
        rows = {row["case"]: row for run in runs for row in run["rows"]}
        write_report(runs[-1] | {"rows": list(rows.values())}, args.markdown or args.report[-1].with_suffix(".md"))
        return
    chosen = list(cases(args.patterns))
    if not args.compile:
        print(f"{len(chosen)} programs compiled in {compile_ahead(chosen):.1f} s", flush=True)
    results, start = [], time.monotonic()
    for case in chosen:
        if time.monotonic() - start > args.seconds:
            print("out of time: the rest was not run")
            break
        try:
            row = compiled(case) if args.compile else measured(case, args.rounds)
        except (tilelang.errors.TileLangError, AssertionError, RuntimeError) as error:
            row = {"family": case.family, "case": case.name, "error": str(error).splitlines()[0]}
        results.append(row)
        print(json.dumps(row), flush=True)
        if args.json:
            device = "sm_90a, compiled only" if args.compile else torch.cuda.get_device_name()
            args.json.write_text(json.dumps({"device": device, "torch": torch.__version__, "rows": results}, indent=1))


if __name__ == "__main__":
    main()

"""Run one random program and say how it ended."""

from __future__ import annotations

import sys
import traceback
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from testing.fuzz.generate import generate
from testing.fuzz.program import Program
from testing.programs.reference import torch_dtype


@dataclass(frozen=True)
class Outcome:
    """`kind`: ok, refused (an error of ours at a line of the program) or failed."""

    kind: str
    detail: str = ""


def run_seed(seed: int) -> Outcome:
    """Generate, compile, run, compare."""
    return run(generate(seed))


def run(program: Program, device: str = "cpu") -> Outcome:
    """Compile and run a program; compare every element of every output with the reference."""
    import tilelang
    from tilelang.errors import CompilationError, SimulationError, TileLangError

    try:
        kernel = tilelang.compile(program.function())
        arguments = [_argument(program, t, device) for t in program.tensors]
        before = [a.clone(memory_format=torch.contiguous_format) for a in arguments]
        kernel(*arguments)
    except TileLangError as error:
        place = error.span is not None and error.span.file.startswith("<fuzz")
        if isinstance(error, (CompilationError, SimulationError)) or not place:
            return Outcome("failed", f"{type(error).__name__}: {error}")
        return Outcome("refused", str(error))
    except Exception:
        return Outcome("failed", traceback.format_exc(limit=-6))
    return compare(program, arguments, before)


def compare(program: Program, arguments: list[torch.Tensor], before: list[torch.Tensor]) -> Outcome:
    expected = program.reference()
    for tensor, got, old in zip(program.tensors, arguments, before):
        memory = expected[tensor.name]
        out = got.detach().cpu().to(torch.float64).numpy()
        wrong = memory.defined & ~(out == memory.values)
        if wrong.any():
            spot = tuple(int(x) for x in np.argwhere(wrong)[0])
            found = f"{tensor.name}{list(spot)} = {out[spot]}, expected {memory.values[spot]}"
            return Outcome("failed", f"{found} ({int(wrong.sum())} of {wrong.size} wrong)")
        if tensor.name.startswith("R_"):
            continue
        same = _bytes(got) == _bytes(old)
        touched = ~memory.defined & ~same.reshape(*memory.defined.shape, -1).all(-1)
        if touched.any():
            return Outcome("failed", f"{tensor.name}{np.argwhere(touched)[0].tolist()} was written although the program does not")
    return Outcome("ok")


def _bytes(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def _argument(program: Program, tensor: Any, device: str) -> torch.Tensor:
    """The argument: inputs as they are, outputs and gaps between strides full of a pattern."""
    kind = torch_dtype(tensor.dtype)
    strides = tensor.strides or tuple(int(np.prod(tensor.shape[d + 1 :])) for d in range(len(tensor.shape)))
    count = 1 + sum((n - 1) * s for n, s in zip(tensor.shape, strides))
    raw = torch.full((count * torch.empty((), dtype=kind).element_size(),), 0x7B, dtype=torch.uint8)
    argument = raw.view(kind).as_strided(tensor.shape, strides)
    if tensor.name in program.initial:
        argument.copy_(torch.from_numpy(program.initial[tensor.name]).to(kind))
    return argument if device == "cpu" else raw.to(device).view(kind).as_strided(tensor.shape, strides)


def main(arguments: list[str]) -> int:
    """`python -m testing.fuzz.run FIRST COUNT` runs seeds; with one number it shows that program."""
    import os
    import time

    os.environ.setdefault("TILELANG_SIMULATE", "1")
    first, count = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 1
    tally = {"ok": 0, "refused": 0, "failed": 0}
    start = time.time()
    for seed in range(first, first + count):
        program = generate(seed)
        if count == 1:
            print(program.text())
        outcome = run(program)
        tally[outcome.kind] += 1
        if outcome.kind != "ok":
            print(f"--- seed {seed}: {outcome.kind}\n{outcome.detail}", flush=True)
            if folder := os.environ.get("TILELANG_FUZZ_KEEP"):
                with open(os.path.join(folder, f"{outcome.kind}_{seed}.py"), "w") as file:
                    file.write(program.text())
    print(tally, f"{time.time() - start:.1f} s")
    return int(tally["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

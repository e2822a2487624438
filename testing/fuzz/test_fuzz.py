"""Random tile programs against an exact reference: every one is right, or refused with a line of its own.

A handful of seeds runs always; TILELANG_FUZZ=N runs N more, TILELANG_FUZZ_SEED says from which on.
"""

from __future__ import annotations

import os

import pytest
import torch

from testing.fuzz.generate import generate
from testing.fuzz.run import run

FIXED = range(10)  # about a second each, most of it the host compiler


def seeds() -> list[int]:
    more, first = int(os.environ.get("TILELANG_FUZZ", "0")), int(os.environ.get("TILELANG_FUZZ_SEED", "100000"))
    return [*FIXED, *range(first, first + more)]


@pytest.mark.parametrize("seed", seeds())
def test_random_program(seed, monkeypatch):
    if checks := os.environ.get("TILELANG_CHECK"):  # the programs give tiles out whole, what nothing wrote included
        monkeypatch.setenv("TILELANG_CHECK", checks.replace("all", "race,bounds,deadlock,misuse").replace("init", "misuse"))
    program = generate(seed)
    outcome = run(program, "cuda" if torch.cuda.is_available() else "cpu")
    if outcome.kind == "failed":
        pytest.fail(f"{program.text()}\n{outcome.detail}", pytrace=False)


def test_programs_say_something():
    """The generator has not degenerated: most programs compute several tiles."""
    programs = [generate(seed) for seed in range(60)]
    assert sum(len(p.body) >= 4 for p in programs) > 40
    text = "".join(p.text() for p in programs)
    for word in ("T.copy", "T.fill", "T.Parallel", "T.Pipelined", "T.gemm", "T.reduce_", "T.atomic_", "if ", "while ", "tx"):
        assert word in text, word

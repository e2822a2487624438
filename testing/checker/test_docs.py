"""The example of docs/simulator.md finds what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import torch

import tilelang
import tilelang.language as T

PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulator.md"


def test_the_example_finds_its_race(tmp_path):
    source = next(block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S) if "def smooth" in block)
    program, call = source.split("\nprint(")
    path = tmp_path / "overlap.py"
    path.write_text(program)
    scope = {"tilelang": tilelang, "T": T}
    exec(compile(program, str(path), "exec"), scope)
    assert call.strip() == "smooth(1000).check(torch.randn(1000), torch.empty(1000)))"
    report = scope["smooth"](1000).check(torch.randn(1000), torch.empty(1000))
    (finding,) = report.findings
    assert not report.ok and (finding.check, finding.where) == ("race", "B[128]")
    assert f"{finding.check}: {finding.kind}, {finding.where}" in PAGE.read_text()
    assert finding.missing in PAGE.read_text()

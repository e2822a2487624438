"""docs/architecture.md lists the passes of `pipeline.py`, in their order, and the operators there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tilelang.tileop import base, registry  # noqa: F401 - the operators register themselves
from tilelang.transform.cpu.pipeline import CPU
from tilelang.transform.pipeline import CUDA

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()


@pytest.mark.parametrize(("passes", "title"), [(CUDA, "Passes:"), (CPU, "CPU targets:")], ids=["cuda", "cpu"])
def test_passes(passes, title):
    section = re.search(rf"^## \d+\. {title}.*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section and re.findall(r"^\| `(\w+)` \|", section[0], re.MULTILINE) == [step.__name__ for step in passes]


def test_sections_are_numbered():
    numbers = [int(n) for n in re.findall(r"^## (\d+)\. ", PAGE, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))

"""Every example runs as it is: on a GPU where there is one, else in the simulator. An example checks its own result."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(EXAMPLES.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(EXAMPLES).as_posix())
def test_example(path, capsys):
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main()
    assert "match" in capsys.readouterr().out


def test_there_are_examples():
    subjects = {p.parent.name for p in FILES}
    assert {"elementwise", "gemm", "norms", "attention", "dequantize", "linear_attention"} <= subjects

"""Every example runs as it is: on a GPU where there is one, else in the simulator. An example checks its own result."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(p for p in EXAMPLES.rglob("*.py") if "__main__" in p.read_text())  # others are what these import


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(EXAMPLES).as_posix())
def test_example(path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(path.parent)  # as for a script: its neighbours can be imported
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    module.main()
    assert "match" in capsys.readouterr().out


def test_there_are_examples():
    subjects = {p.parent.name for p in FILES}
    assert {"elementwise", "gemm", "norms", "attention", "dequantize", "linear_attention"} <= subjects

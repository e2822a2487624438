"""docs/language.md is what the docstrings say, and every public name has one."""

import importlib.util
from pathlib import Path

import tilelang.language as T
from tilelang.language.dtypes import NAMES
from tilelang.language.unavailable import known_names

ROOT = Path(__file__).parents[2]


def generator():
    spec = importlib.util.spec_from_file_location("generate_language", ROOT / "docs" / "generate_language.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_up_to_date():
    assert (ROOT / "docs" / "language.md").read_text() == generator().page(), "run python docs/generate_language.py"


def test_every_name_is_documented():
    silent = [n for n in T.__all__ if n not in NAMES and not generator().description(getattr(T, n)).strip()]
    assert not silent


def test_no_name_is_both_there_and_missing():
    assert not set(T.__all__) & set(known_names())

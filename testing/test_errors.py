"""The tree of exceptions."""

from __future__ import annotations

import inspect
import pickle

import pytest

from tilelang import errors
from tilelang.errors import JitError, SourceSpan, TileLangError, UnavailableError

CLASSES = sorted(
    {c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, TileLangError)}, key=lambda c: c.__name__
)

PARENTS = {
    "JITUnavailableError": "JitError",
    "CompilationError": "JitError",
    "CacheError": "JitError",
    "CacheUnavailable": "CacheError",
    "CacheCorrupt": "CacheError",
    "SpecializationError": "JitError",
    "LaunchConfigError": "JitError",
    "DeviceMismatchError": "JitError",
    "JITNoBuilderError": "JitError",
    "EagerJITBuildError": "JitError",
    "JITDisabledError": "JitError",
}


@pytest.mark.parametrize("name", PARENTS)
def test_the_documented_tree(name):
    assert issubclass(getattr(errors, name), getattr(errors, PARENTS[name]))


def test_codes_are_unique():
    codes = [c.code for c in CLASSES]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("error", CLASSES)
def test_an_error_survives_another_process(error):
    first = error("what is wrong", fix="do this", span=SourceSpan("nowhere.py", 3), notes=("a note",))
    again = pickle.loads(pickle.dumps(first))
    assert type(again) is error and str(again) == str(first) and again.span == first.span


def test_a_missing_tool_says_who_needs_it():
    error = UnavailableError("cupy is not installed", fix="pip install cupy", tool="cupy", needed_by="CupyJit")
    again = pickle.loads(pickle.dumps(error))
    assert (again.tool, again.needed_by) == ("cupy", "CupyJit") and isinstance(again, JitError)
    assert "Fix: pip install cupy" in str(again)

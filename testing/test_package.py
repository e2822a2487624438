"""Names of the package itself that no other test uses."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import tilelang
import tilelang.dtypes
from tilelang import libinfo
from tilelang.errors import UnsupportedError


def test_where_libraries_and_headers_lie():
    assert all(Path(p).exists() for p in libinfo.find_lib_path())
    assert (Path(libinfo.find_include_path()[0]) / "tl" / "core.h").exists()
    assert libinfo.find_lib_path("no.so", optional=True) == []
    with pytest.raises(RuntimeError, match="no.so"):
        libinfo.find_lib_path("no.so")
    assert tilelang.build_date == libinfo.build_date


def test_dtypes_by_name():
    assert tilelang.dtypes.bfloat16.bits == 16
    with pytest.raises(AttributeError):
        tilelang.dtypes.float17  # noqa: B018


def test_deprecated():
    @tilelang.deprecated("old", "new", "9.9")
    def old(x):
        return x + 1

    with pytest.warns(DeprecationWarning, match="old is deprecated; use new instead .it goes with version 9.9."):
        assert old(1) == 2


@pytest.mark.parametrize("name", ["rocm", "metal", "webgpu", "ascend"])
def test_back_ends_of_other_hardware(name):
    """They import, so that a program that also serves other machines runs on this one, and refuse to be used."""
    package = getattr(tilelang, name)
    assert importlib.import_module(f"tilelang.{name}.language") is package.language is tilelang.language
    with pytest.raises(UnsupportedError, match="no back end of"):
        package.Emitter(8)


def test_names_of_the_language():
    """The dialects of a CPU and of CUDA are one language, and `simplify_prim_func` leaves a function alone."""
    import tilelang.cpu.language
    import tilelang.cuda.language
    from tilelang.transform import simplify_prim_func

    assert tilelang.cuda.language is tilelang.cpu.language is tilelang.language
    assert simplify_prim_func(test_deprecated) is test_deprecated

"""C++ compilers as objects: their command lines, what tells them apart, what is missing."""

from __future__ import annotations

import pytest

from tilelang.errors import JITUnavailableError
from tilelang.jit import ClangInfo, CompilerInfo, CpuJit, GccInfo
from tilelang.jit.compilers import compiler_info


def test_command_lines():
    start = ["-DNDEBUG", "-std=c++17", "-fPIC"]
    assert GccInfo().cxxflags() == [*start, "-O3", "-march=native", "-fopenmp"]
    assert GccInfo(openmp=False, optlevel="1", target="x86-64-v2", extra_cxxflags=("-g",), fast_math=True).cxxflags() == [
        *start, "-O1", "-march=x86-64-v2", "-ffast-math", "-g"
    ]  # fmt: skip
    assert ClangInfo(openmp=False, fast_math=True).cxxflags()[-2:] == ["-ffast-math", "-fhonor-infinities"]
    assert GccInfo().restrict_qualifier() == "__restrict__" and "-shared" in GccInfo().linker_flags()
    with pytest.raises(TypeError):
        CompilerInfo()


def test_the_version_is_part_of_the_key(monkeypatch, tmp_path):
    keys = []
    for version in ("1.0", "2.0"):
        fake = tmp_path / version / "g++"
        fake.parent.mkdir()
        fake.write_text(f"#!/bin/sh\necho 'g++ {version}'\n")
        fake.chmod(0o755)
        keys.append(CpuJit(GccInfo(command=str(fake))).cache_identity())
    assert [key["version"] for key in keys] == ["g++ 1.0", "g++ 2.0"]
    assert CpuJit.create(GccInfo()) == CpuJit(GccInfo()) != CpuJit(GccInfo(fast_math=True))


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setattr(compiler_info.shutil, "which", lambda name: None)
    with pytest.raises(JITUnavailableError, match=r"(?s)clang\+\+ was not found.*apt-get install clang") as caught:
        ClangInfo().path()
    assert caught.value.tool == "clang++" and not CpuJit(ClangInfo()).available() and CompilerInfo.get_available_compilers() == []


def test_the_default_follows_cxx(monkeypatch):
    monkeypatch.setenv("CXX", "/opt/bin/clang++-18")
    assert CompilerInfo.get_default() == ClangInfo(command="/opt/bin/clang++-18")
    monkeypatch.setenv("CXX", "ccache-g++")
    assert CompilerInfo.get_default() == GccInfo(command="ccache-g++")

"""C++ compilers as objects: their command lines, what tells them apart, what is missing."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import CompilationError, JITUnavailableError
from tilelang.jit import ClangInfo, CompilerInfo, CpuJit, GccInfo
from tilelang.jit.compilers import compiler_info
from tilelang.toolchain.diagnostics import stopped


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


def test_a_compiler_that_the_system_stopped_says_nothing_about_the_text(tmp_path):
    fake = tmp_path / "g++"
    said = "g++: fatal error: Killed signal terminated program cc1plus"
    fake.write_text(f"#!/bin/sh\n[ $1 = --version ] && exit\necho '{said}' >&2\nexit 1")
    fake.chmod(0o755)

    @T.prim_func
    def one(A: T.Tensor((1,), "float32")):
        with T.Kernel(1, threads=1):
            A[0] = 1

    with pytest.raises(CompilationError, match="was stopped while it compiled `one`.*cc1plus") as caught:
        tilelang.compile(one, target="c", jit=CpuJit(GccInfo(command=str(fake))))
    assert caught.value.returncode == 1 and "num_workers" in caught.value.fix
    assert stopped("g++", "k", "k.cc:1: error: no such thing\n   1 | print(\"out of memory\")", 1) is None
    assert "signal 9" in str(stopped("nvcc", "k", "", -9))


def test_native_means_this_machine(tmp_path):
    """Row A8: a cache that machines share must not hand one of them the other's instructions."""
    own = GccInfo().instruction_set()
    assert own.startswith("-m") and "-march=native" not in own and GccInfo(target="x86-64-v2").instruction_set() == "x86-64-v2"
    keys = []
    for name, feature in (("old", "-mavx2"), ("new", "-mavx512f")):
        fake = tmp_path / name / "g++"
        fake.parent.mkdir()
        fake.write_text(f"#!/bin/sh\necho 'g++ 1.0'\necho ' /usr/lib/cc1plus -E {feature} -march=x' >&2\n")
        fake.chmod(0o755)
        keys.append(CpuJit(GccInfo(command=str(fake))).cache_identity())
    assert [key["instruction_set"] for key in keys] == ["-mavx2 -march=x", "-mavx512f -march=x"]


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


@pytest.mark.parametrize("threads", [1, 3])
def test_as_many_threads_as_the_object_says(threads):
    """Row A5: blocks say which thread of OpenMP's team ran them."""

    @T.prim_func
    def main(A: T.Tensor((512,), "int32")):
        T.import_source('#include <omp.h>\nextern "C" inline int team_size() { return omp_get_num_threads(); }')
        with T.Kernel(512, threads=1) as bx:
            A[bx] = T.call_extern("int32", "team_size")

    a = torch.zeros(512, dtype=torch.int32)
    tilelang.compile(main, target="c", jit=CpuJit.create(GccInfo(optlevel="1"), num_threads=threads))(a)
    assert (a == threads).all()
    assert CpuJit(num_threads=1).cache_identity() != CpuJit(num_threads=2).cache_identity() != CpuJit().cache_identity()
    with pytest.raises(TypeError, match="num_threads=0"):
        CpuJit(num_threads=0)


def test_settings_of_the_file_reach_the_command(tmp_path, monkeypatch):
    """Row A4: command, flags and environment of `[compiler.cpu]`."""
    log, command = tmp_path / "log", tmp_path / "own-g++"
    command.write_text(f'#!/bin/sh\necho "$TL_MARK $*" >> {log}\nexec g++ "$@"\n')
    command.chmod(0o755)
    config = tmp_path / "config.toml"
    config.write_text(f'[compiler.cpu]\ncommand = "{command}"\nflags = ["-DOWN=1"]\nenv = {{ TL_MARK = "seen" }}\n')
    monkeypatch.setenv("TILELANG_CONFIG", str(config))
    monkeypatch.setenv("TILELANG_DISABLE_CACHE", "1")
    monkeypatch.delenv("TILELANG_CXX", raising=False)

    @T.prim_func
    def main(A: T.Tensor((8,), "float32"), B: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=8):
            for i in T.Parallel(8):
                B[i] = A[i] + 1.0

    a = torch.randn(8)
    torch.testing.assert_close(tilelang.compile(main, out_idx=-1, target="c")(a), a + 1)
    compiled = [line for line in log.read_text().splitlines() if "-shared" in line]
    assert compiled and all(line.startswith("seen ") and "-DOWN=1" in line for line in compiled)

"""The text for a CPU, and what surrounds it: target names, the cache, errors of the compiler."""

from __future__ import annotations

import os
import threading
import time

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import CompilationError, UnavailableError, UnsupportedError
from tilelang.target import resolve_target
from tilelang.toolchain.host import compile_cpu_kernel


def copy_program(n=1000):
    @T.prim_func
    def copy(A: T.Tensor((n,), "float32"), B: T.Tensor((n,), "float32")):
        with T.Kernel(T.ceildiv(n, 256), threads=128) as bx:
            T.copy(A[bx * 256], B[bx * 256 : bx * 256 + 256])

    return copy


def test_text_is_what_a_person_would_write():
    kernel = tilelang.compile(copy_program(), target="c")
    source = kernel.get_kernel_source()
    assert "static __attribute__((noinline)) void copy_kernel_block(const float* __restrict__ A, float* __restrict__ B" in source
    assert "const int i_end = tl::min(256, 1000 - bx * 256);" in source
    assert "#pragma omp simd\n  for (int i = 0; i < i_end; ++i) {\n    B[bx * 256 + i] = A[bx * 256 + i];" in source
    assert "tl::for_each_block(grid, [=](int bx, int by, int bz) { copy_kernel_block(A, B, bx); });" in source


def test_targets_of_the_cpu():
    assert resolve_target("c").is_cpu and str(resolve_target("c")).startswith("c ")
    assert resolve_target({"kind": "c"}) == resolve_target("c")
    assert resolve_target(resolve_target("c"), simulate=True).is_cpu
    with pytest.raises(UnsupportedError, match="takes no arch"):
        resolve_target({"kind": "c", "arch": "sm_90"})


def test_every_pass_can_be_seen():
    from tilelang.engine import compile_prim_func

    names = [name for name, _ in compile_prim_func(copy_program(), resolve_target("c")).passes]
    assert names[:4] == ["trace", "drop_schedule", "expand_reducers", "check_semantics"] and names[-1] == "flatten_buffers"


def test_flags_reach_the_compiler_and_its_errors_the_user():
    @T.prim_func
    def main(A: T.Tensor((4,), "float32")):
        with T.Kernel(1, is_cpu=True, prelude="inline float twice(float x) { return x * FACTOR; }"):
            for i in T.Parallel(4):
                A[i] = T.call_extern("float32", "twice", A[i])

    a = torch.ones(4)
    tilelang.compile(main, target="c", compile_flags=["-DFACTOR=2.0f"])(a)
    assert torch.equal(a, torch.full((4,), 2.0))
    with pytest.raises(CompilationError, match="FACTOR") as caught:
        tilelang.compile(main, target="c")
    assert "FACTOR" in caught.value.log and "twice" in caught.value.source


def test_a_failed_gpu_argument_is_named():
    kernel = tilelang.compile(copy_program(), target="c")
    with pytest.raises(ValueError, match="`A`"):
        kernel(torch.zeros(999), torch.zeros(1000))


def test_other_python_threads_run_during_a_kernel():
    @T.prim_func
    def spin(flag: T.Tensor((1,), "int32"), seen: T.Tensor((1,), "int32")):
        with T.Kernel(1, is_cpu=True):
            value = T.alloc_var("int32")
            value = 0
            while value == 0:
                value = T.atomic_load(flag[0])
            seen[0] = value

    flag, seen = torch.zeros(1, dtype=torch.int32), torch.zeros(1, dtype=torch.int32)
    kernel = tilelang.compile(spin, target="c")
    worker = threading.Thread(target=kernel, args=(flag, seen))
    worker.start()
    time.sleep(0.05)
    flag[0] = 7  # only possible if the kernel holds no interpreter lock
    worker.join(20)
    assert not worker.is_alive() and seen.item() == 7


def test_one_kernel_in_many_python_threads():
    kernel = tilelang.compile(copy_program(), target="c")
    pairs = [(torch.randn(1000), torch.zeros(1000)) for _ in range(8)]
    workers = [threading.Thread(target=lambda p=p: [kernel(*p) for _ in range(20)]) for p in pairs]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert all(torch.equal(a, b) for a, b in pairs)


def test_llvm_takes_clang_and_nothing_else(monkeypatch, tmp_path):
    from tilelang.toolchain.host import cpu_compiler

    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="clang\\+\\+, which is not on PATH"):
        cpu_compiler("llvm")
    with pytest.raises(UnavailableError, match=r"neither g\+\+ nor clang\+\+"):
        cpu_compiler("c")
    for name in ("g++", "clang++-15", "clang++-14"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert cpu_compiler("llvm") == str(tmp_path / "clang++-15")
    assert cpu_compiler("c") == str(tmp_path / "g++")
    monkeypatch.setenv("CXX", "clang++-14")
    assert cpu_compiler("llvm") == str(tmp_path / "clang++-14")


@pytest.mark.parametrize("backend", ["tvm_ffi", "dlpack", "cython", "torch"])
def test_every_execution_backend_calls_it(backend):
    from tilelang.jit.execution_backend import available_backends

    if backend not in available_backends(resolve_target("c")):
        pytest.skip(f"{backend} is not available here")
    kernel = tilelang.compile(copy_program(), target="c", execution_backend=backend, out_idx=[1])
    a = torch.randn(1000)
    assert torch.equal(torch.as_tensor(kernel(a)), a)


@pytest.mark.parametrize(
    "said, exception, words",
    [
        (
            "/usr/bin/ld: cannot find -lomp: No such file or directory",
            UnavailableError,
            "OpenMP runtime: .*-lomp(.|\n)*libomp-dev",
        ),
        ("/usr/bin/ld: x.o: undefined symbol: magic", CompilationError, "refuses the text of `blend`: .*undefined symbol: magic"),
    ],
)
def test_what_the_linker_said(said, exception, words, monkeypatch, tmp_path):
    clang = tmp_path / "clang++"
    clang.write_text(f"#!/bin/sh\necho '{said}' >&2\necho 'clang++: error: linker command failed with exit code 1' >&2\nexit 1\n")
    clang.chmod(0o755)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(exception, match=words):
        compile_cpu_kernel("int x;", kind="llvm", name="blend")

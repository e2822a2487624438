"""Where kernels are kept: `cache=`, `cache_token=`, what becomes of a cached kernel that does not load, what entries say."""

from __future__ import annotations

import dataclasses
import json
import threading

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.cache import KernelCache, stats
from tilelang.cache.directory_store import DirectoryStore
from tilelang.cache.memory_store import MemoryStore
from tilelang.errors import ArgumentError, ArgumentTypeError, CacheCorrupt


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TILELANG_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TILELANG_DISABLE_CACHE", raising=False)
    monkeypatch.setattr("tilelang.cache.kernel_cache._in_process", MemoryStore())
    return tmp_path / "cache"


def scale(factor):
    @T.prim_func
    def main(A: T.Tensor((64,), "float32"), B: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=64):
            for i in T.Parallel(64):
                B[i] = A[i] * factor

    return main


def builds(program, **options) -> int:
    """How many compilers ran for a kernel that works."""
    before = stats.builds
    a = torch.randn(64)
    torch.testing.assert_close(tilelang.compile(program, out_idx=-1, target="c", **options)(a), a * 3)
    return stats.builds - before


def entries(root) -> int:
    return len(list(root.glob("v*/entries/*/*")))


def test_places(own_cache):
    assert [builds(scale(3.0), cache="memory") for _ in range(2)] == [1, 0] and entries(own_cache) == 0
    assert [builds(scale(3.0)) for _ in range(2)] == [1, 0] and entries(own_cache) == 1
    before = stats.hits, stats.misses
    assert builds(scale(3.0), cache=None) == 0 and (stats.hits, stats.misses) == before  # compiled, and nobody was asked
    assert entries(own_cache) == 1
    with pytest.raises(ArgumentTypeError, match="cache='tape'"):
        tilelang.compile(scale(3.0), cache="tape")

    @tilelang.jit(out_idx=-1, target="c", cache="memory", cache_token="only here")
    def lazy(factor):
        return scale(factor)

    lazy(3.0)
    lazy.with_options(cache_token="another")(3.0)
    assert entries(own_cache) == 1


def test_tokens():
    assert [builds(scale(3.0), cache_token=token) for token in ("v1", "v1", "v2", "")] == [1, 0, 1, 1]


def test_an_object_without_a_digest(own_cache):
    """Nothing is found before tracing; the text that it makes is."""

    def program(lock):
        @T.prim_func
        def main(A: T.Tensor((64,), "float32"), B: T.Tensor((64,), "float32")):
            with T.Kernel(1, threads=64):
                for i in T.Parallel(64):
                    B[i] = A[i] * (3.0 + lock.locked())

        return main

    assert program(threading.Lock()).cache_identity() is None
    assert [builds(program(threading.Lock())) for _ in range(2)] == [1, 0]
    assert not list(own_cache.glob("v*/requests/*/*"))


def test_a_cached_kernel_that_does_not_load(own_cache):
    tilelang.compile(scale(3.0), out_idx=-1, target="c")  # not called: a library that is loaded stays
    found = next(own_cache.glob("v*/entries/*/*"))
    artifact = KernelCache().find(found.name)
    DirectoryStore(own_cache).publish(found.name, dataclasses.replace(artifact, payload=b"no shared object"))
    before = stats.repaired
    assert builds(scale(3.0)) == 1 and stats.repaired > before
    assert builds(scale(3.0)) == 0


def test_when_the_second_one_does_not_load_either(own_cache, monkeypatch):
    tilelang.compile(scale(3.0), out_idx=-1, target="c")
    found = next(own_cache.glob("v*/entries/*/*"))
    artifact = KernelCache().find(found.name)
    junk = dataclasses.replace(artifact, payload=b"no shared object")
    DirectoryStore(own_cache).publish(found.name, junk)
    monkeypatch.setattr("tilelang.jit.compilers.cpu.CpuJit.build", lambda self, lowered: junk)
    with pytest.raises(CacheCorrupt, match="when it is compiled again either"):
        builds(scale(3.0))


def test_entries_say_what_made_them_and_can_be_made_again(own_cache):
    """Rows C16 and C34: sources are the same from the cache, and an entry's text and plan lead to its key."""
    fresh = tilelang.compile(scale(3.0), out_idx=-1, target="c")
    cached = tilelang.compile(scale(3.0), out_idx=-1, target="c")
    assert cached.artifact.directory is not None and stats.builds
    assert (fresh.code, fresh.host_source) == (cached.code, cached.host_source)
    assert fresh.prim_func.script() == cached.prim_func.script()
    meta = json.loads((cached.artifact.directory / "entry.json").read_text())["meta"]
    assert meta["name"] == "main" and meta["target"].startswith("c") and meta["versions"]["tilelang"] == tilelang.__version__
    assert {"source", "plan", "toolchain", "headers", "target"} <= set(meta["key"])
    again = cached.kernel.compile()  # from the stored text alone: no tracing, the same key
    assert again.artifact.directory == cached.artifact.directory


def test_when_compiling_has_paid_off():
    kernel = tilelang.compile(scale(3.0), out_idx=-1, target="c")
    with pytest.raises(ArgumentError, match="how long a call takes"):
        kernel.stats.break_even_calls(other_s=1.0)
    kernel.get_profiler().do_bench(n_warmup=1, n_repeat=3)
    assert kernel.stats.compile_s > 0 and kernel.stats.run_s > 0
    assert kernel.stats.break_even_calls(other_s=1.0) > 0
    assert kernel.stats.break_even_calls(other_s=1e-12) == float("inf")
    assert kernel.stats.break_even_calls(2.0, run_s=1.0) == kernel.stats.compile_s

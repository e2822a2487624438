"""Warp-specialised programs with TMA, mbarriers and wgmma run right whenever their operations take effect, and wrong, or not
at all, where a wait is dropped."""

from __future__ import annotations

import numpy as np
import pytest

from testing.simulator.programs import program
from tilelang.errors import SimulationError
from tilelang.simulator import TensorMap

SCHEDULES = [("early", 0), ("late", 0), ("late", 1), ("late", 2), ("random", 0), ("random", 1), ("random", 2)]


def _gemm(build, rng, shape, *, without="", **options):
    m, n, k = shape
    a, b = (rng.standard_normal((rows, k)).astype(np.float16) for rows in (m, n))
    c = np.full((m, n), np.nan, np.float16)
    maps = [
        TensorMap.of(a, (128, 64), swizzle=128),
        TensorMap.of(b, (128, 64), swizzle=128),
        TensorMap.of(c, (64, 64), swizzle=128),
    ]
    n_tiles, tiles = -(-n // 128), -(-n // 128) * -(-m // 128)
    module = build(program("gemm_ws", without=without), "gemm")
    module.launch("gemm", (2,), (384,), [*maps, -(-k // 64), n_tiles, tiles], shared_bytes=163840 + 64, **options)
    return c, a.astype(np.float32) @ b.astype(np.float32).T


def _cluster_gemm(build, rng, *, without="", **options):
    m, n, k = 128, 128, 320
    a, b = (rng.standard_normal((rows, k)).astype(np.float16) for rows in (m, n))
    c = np.full((m, n), np.nan, np.float16)
    maps = [TensorMap.of(a, (64, 64), swizzle=128), TensorMap.of(b, (64, 64), swizzle=128)]
    module = build(program("gemm_cluster", without=without), "gemm")
    module.launch(
        "gemm", (n // 128, m // 64), (256,), [*maps, c, n, k // 64], shared_bytes=6 * 8192 + 32, cluster=(1, 2), **options
    )
    return c, a.astype(np.float32) @ b.astype(np.float32).T


def _attention(build, rng, *, without="", rows=200, **options):
    heads = 2
    q, k, v = (rng.standard_normal((heads, rows, 64)).astype(np.float16) for _ in range(3))
    o = np.full_like(q, np.nan)
    maps = [TensorMap.of(x, (1, 64, 64), swizzle=128) for x in (q, k, v)]
    module = build(program("attention", without=without), "attention")
    scale = float(np.log2(np.e) / 8)
    arguments = [*maps, o, rows, -(-rows // 64), scale]
    module.launch("attention", (-(-rows // 128), heads), (384,), arguments, shared_bytes=16384 + 4 * 8192 + 72, **options)
    s = np.einsum("hqd,hkd->hqk", q.astype(np.float32), k.astype(np.float32)) / 8
    p = np.exp(s - s.max(-1, keepdims=True))
    return o, (p / p.sum(-1, keepdims=True)) @ v.astype(np.float32)


def _wrong(run) -> bool:
    try:
        got, expected = run()
    except SimulationError:
        return True
    return not np.allclose(got.astype(np.float32), expected, rtol=4e-3, atol=4e-2)


@pytest.mark.parametrize("time, seed", SCHEDULES)
@pytest.mark.parametrize("shape", [(256, 256, 384), (200, 264, 136)], ids=str)
def test_gemm(build, rng, shape, time, seed):
    got, expected = _gemm(build, rng, shape, time=time, seed=seed)
    np.testing.assert_allclose(got.astype(np.float32), expected, rtol=2e-3, atol=2e-2)


@pytest.mark.parametrize("time, seed", SCHEDULES)
def test_cluster_gemm(build, rng, time, seed):
    got, expected = _cluster_gemm(build, rng, time=time, seed=seed)
    np.testing.assert_allclose(got.astype(np.float32), expected, rtol=2e-3, atol=2e-2)


@pytest.mark.parametrize("time, seed", SCHEDULES)
def test_attention(build, rng, time, seed):
    got, expected = _attention(build, rng, time=time, seed=seed)
    np.testing.assert_allclose(got.astype(np.float32), expected, rtol=4e-3, atol=4e-3)


@pytest.mark.parametrize("part", ["empty_wait", "full_wait", "wgmma_wait", "last_wait", "store_barrier", "store_wait"])
def test_gemm_needs_each_wait(build, rng, part):
    """Some schedule of a few shows what is missing."""
    shape = (128, 128, 640)
    assert any(_wrong(lambda t=t, s=s: _gemm(build, rng, shape, without=part, time=t, seed=s)) for t, s in SCHEDULES)


@pytest.mark.parametrize("part", ["full_wait", "last_wait", "store_wait"])
def test_late_time_finds_missing_waits_at_once(build, rng, part):
    assert _wrong(lambda: _gemm(build, rng, (128, 128, 640), without=part, time="late", seed=0))


@pytest.mark.parametrize("part", ["init_sync", "empty_wait", "full_wait", "exit_sync"])
def test_cluster_gemm_needs_each_wait(build, rng, part):
    assert any(_wrong(lambda t=t, s=s: _cluster_gemm(build, rng, without=part, time=t, seed=s)) for t, s in SCHEDULES)


@pytest.mark.parametrize("part", ["empty_wait", "k_wait", "v_wait", "score_wait", "output_wait"])
def test_attention_needs_each_wait(build, rng, part):
    assert any(_wrong(lambda t=t, s=s: _attention(build, rng, without=part, rows=320, time=t, seed=s)) for t, s in SCHEDULES)


def test_equal_seeds_give_equal_bits(build):
    runs = [_attention(build, np.random.default_rng(5), time="random", seed=9)[0] for _ in range(2)]
    assert np.array_equal(runs[0].view(np.uint16), runs[1].view(np.uint16))

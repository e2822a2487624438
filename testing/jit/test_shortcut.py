"""Calls of eager functions are short-cut only where the kernel is the same."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import ArgumentError

OFFSET = 1.0


@tilelang.jit(execution_backend="simulator")
def combine(A, B, factor: float = 2.0, negate: bool = False):
    m, n = T.const("m, n")
    A: T.Tensor((m, n), "float32")
    B: T.StridedTensor((m, n), (T.dynamic("s"), 1), "float32")
    C = T.empty((m, n), "float32")
    with T.Kernel(m, threads=32) as row:
        for j in T.Parallel(n):
            value = A[row, j] * factor + B[row, j] + OFFSET
            C[row, j] = -value if negate else value
    return C


def reference(a, b, factor=2.0, negate=False, offset=1.0):
    value = a * factor + b + offset
    return -value if negate else value


def test_what_is_the_same_and_what_is_not(monkeypatch):
    combine.clear_cache()
    a, b = torch.randn(3, 8), torch.randn(3, 8)
    for _ in range(3):
        assert torch.equal(combine(a, b), reference(a, b))
    assert (combine.stats.misses, combine.stats.hits) == (1, 2)
    assert torch.equal(combine(a, a), reference(a, a))  # the same tensor twice, then two again
    assert torch.equal(combine(b, a), reference(b, a))
    wide = torch.randn(3, 16)[:, :8]
    assert torch.equal(combine(a, wide), reference(a, wide))
    c, d = torch.randn(5, 4), torch.randn(5, 4)
    assert torch.equal(combine(c, d), reference(c, d))
    for factor, negate in [(0.0, False), (-0.0, True), (1.0, True), (1.0, False)]:
        for _ in range(2):
            assert torch.equal(combine(a, b, factor, negate), reference(a, b, factor, negate))
    for negate in (True, False, True):
        assert torch.equal(combine(a, b, negate=negate), reference(a, b, negate=negate))
    assert torch.equal(combine(b, B=a, negate=True), reference(b, a, negate=True))
    assert torch.equal(combine(a, b, 3.0, negate=True), reference(a, b, 3.0, True))
    with pytest.raises(ArgumentError, match="m is 3"):
        combine(a, d)
    with pytest.raises(ArgumentError, match="float16"):
        combine(a.half(), b)
    monkeypatch.setitem(globals(), "OFFSET", 5.0)
    assert torch.equal(combine(a, b), reference(a, b, offset=5.0))
    monkeypatch.setenv("TILELANG_DEFAULT_TARGET", '{"kind": "cuda", "arch": "sm_80"}')
    before = combine.stats.misses
    assert torch.equal(combine(a, b), reference(a, b, offset=5.0)) and combine.stats.misses == before + 1


def test_it_takes_no_memory_without_end():
    a, b = torch.randn(3, 8), torch.randn(3, 8)
    combine(a, b)
    for stride in range(8, 600):
        combine(a, torch.empty(3 * stride).as_strided((3, 8), (stride, 1)))
    assert len(combine._shortcuts._found) <= 256

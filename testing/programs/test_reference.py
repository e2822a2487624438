"""The harness itself: what it must notice."""

from __future__ import annotations

import pytest
import torch

from testing.programs.launch import unchanged
from testing.programs.matrix import covering
from testing.programs.reference import ALL, assert_close, eps, is_float, poisoned, random


@pytest.mark.parametrize("dtype", ALL)
def test_an_output_that_was_not_written_fails(dtype):
    out = poisoned((3, 5), dtype, "cpu")
    expected = torch.zeros((3, 5), dtype=torch.float64 if is_float(dtype) else torch.int64)
    with pytest.raises(AssertionError, match="15 of 15"):
        assert_close(out.tensor, expected)


@pytest.mark.parametrize("shift", [-1, 70])
def test_a_write_beside_the_output_fails(shift):
    result = poisoned(70, "int32", "cpu")

    def kernel(out):
        out.zero_()
        result.storage.view(torch.int32)[64 + shift] = 7

    with pytest.raises(AssertionError, match="4 bytes"):
        unchanged(kernel, [], [result])


def test_a_changed_input_fails():
    a = torch.zeros(4)
    with pytest.raises(AssertionError, match="input 0"):
        unchanged(lambda x: x.add_(1), [a], [])
    unchanged(lambda x: x.add_(1), [a], [], inout=(0,))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "float8_e4m3", "float8_e5m2"])
def test_tolerance(dtype):
    """One unit in the last place is allowed, ten are not; NaN, infinity and the sign of infinity matter."""
    expected = torch.ones(8, dtype=torch.float64)
    wide = expected * (1 + eps(dtype))
    assert_close(wide.to(random(1, dtype, "cpu").dtype), expected, arithmetic="float64")
    with pytest.raises(AssertionError):
        assert_close((expected * (1 + 10 * eps(dtype))).to(random(1, dtype, "cpu").dtype), expected, arithmetic="float64")
    for value in (torch.nan, torch.inf):
        broken = torch.ones(8)
        broken[3] = value
        with pytest.raises(AssertionError, match="1 of 8"):
            assert_close(broken, expected)
    with pytest.raises(AssertionError):
        assert_close(torch.tensor([torch.inf]), torch.tensor([-torch.inf]))


@pytest.mark.parametrize("strength", [2, 3])
def test_covering(strength):
    axes = {"a": [0, 1, 2], "b": "xyz", "c": [True, False], "d": range(4)}
    chosen = list(covering(axes, strength, lambda a, b, c, d: not (a == 0 and b == "x")))
    assert chosen == list(covering(axes, strength, lambda a, b, c, d: not (a == 0 and b == "x")))
    for d in range(4):
        for c in (True, False):
            assert any(x["c"] is c and x["d"] == d for x in chosen)
    assert not any(x["a"] == 0 and x["b"] == "x" for x in chosen)

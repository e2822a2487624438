"""torch_assert_close: a share of elements may differ."""

from __future__ import annotations

import pytest
import torch

from tilelang.testing import torch_assert_close


def test_share_of_mismatches():
    a = torch.randn(1000)
    b = a.clone()
    b[17] += 1
    assert torch_assert_close(a, b, max_mismatched_ratio=0.01)
    with pytest.raises(AssertionError, match=r"1 of 1000 elements differ.*worst at \(17,\)"):
        torch_assert_close(a, b, max_mismatched_ratio=0.0)


def test_nan_and_types():
    a = torch.tensor([1.0, torch.nan])
    torch_assert_close(a, a.clone())
    with pytest.raises(AssertionError):
        torch_assert_close(a, a.clone(), equal_nan=False)
    with pytest.raises(AssertionError, match="float64"):
        torch_assert_close(a, a.double())
    with pytest.raises(AssertionError, match="shape"):
        torch_assert_close(a, a[:1])

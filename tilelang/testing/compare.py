"""Comparing tensors when a few elements may differ."""

from __future__ import annotations

from typing import Any


def torch_assert_close(
    tensor_a: Any,
    tensor_b: Any,
    rtol: float = 1e-2,
    atol: float = 1e-3,
    max_mismatched_ratio: float = 0.001,
    verbose: bool = False,
    equal_nan: bool = True,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    base_name: str = "LHS",
    ref_name: str = "RHS",
) -> bool:
    """Check that all but a few elements of two tensors are close.

    Parameters
    ----------
    tensor_a, tensor_b : torch.Tensor
        What was computed, and the reference.
    rtol, atol : float
        An element is close when `|a - b| <= atol + rtol * |b|`.
    max_mismatched_ratio : float
        The share of elements that may fail.
    equal_nan : bool
        Whether NaN equals NaN.

    Raises
    ------
    AssertionError
        With the number of mismatches, the worst one and its place.
    """
    import torch

    assert tensor_a.shape == tensor_b.shape, f"{base_name} has shape {tuple(tensor_a.shape)}, {ref_name} {tuple(tensor_b.shape)}"
    if check_device:
        assert tensor_a.device == tensor_b.device, f"{base_name} is on {tensor_a.device}, {ref_name} on {tensor_b.device}"
    if check_dtype:
        assert tensor_a.dtype == tensor_b.dtype, f"{base_name} is {tensor_a.dtype}, {ref_name} {tensor_b.dtype}"
    if check_layout:
        assert tensor_a.layout == tensor_b.layout, f"{base_name} has layout {tensor_a.layout}, {ref_name} {tensor_b.layout}"
    if check_stride:
        assert tensor_a.stride() == tensor_b.stride(), (
            f"{base_name} has strides {tensor_a.stride()}, {ref_name} {tensor_b.stride()}"
        )
    a, b = tensor_a.detach().double(), tensor_b.detach().to(tensor_a.device).double()
    bad = ~torch.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)
    count, total = int(bad.sum()), max(1, bad.numel())
    if verbose and count:
        print(f"{count} of {total} elements differ")
    if count / total > max_mismatched_ratio:
        error = torch.where(bad, (a - b).abs().nan_to_num(nan=torch.inf), torch.zeros_like(a))
        place = _unravel(int(error.argmax()), tuple(error.shape))
        raise AssertionError(
            f"{count} of {total} elements differ ({count / total:.2%}, allowed {max_mismatched_ratio:.2%}; "
            f"rtol={rtol}, atol={atol}); "
            f"worst at {place}: {base_name} {a[place].item():.6g}, {ref_name} {b[place].item():.6g}"
        )
    return True


def _unravel(index: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The place of an element by its number; torch.unravel_index does so after importing sympy, for seconds."""
    place: list[int] = []
    for extent in reversed(shape):
        index, digit = divmod(index, extent)
        place.insert(0, digit)
    return tuple(place)

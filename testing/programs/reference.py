"""Random inputs, poisoned outputs, and the comparison with a reference of higher precision.

The rule of comparison. `expected` is computed in float64 (or exactly, in integers) from the very inputs of the kernel, so what
may differ is rounding alone:

    |out - expected|  <=  2 * eps(output) * |expected|                    the last rounding, once more for a detour
                        + 8 * sqrt(terms) * eps(arithmetic) * scale      rounding of `terms` sums of size `scale`

with eps the distance from 1 to the next number of a dtype. `scale` is the sum of the magnitudes of what is added (for a matrix
product, |A| @ |B|), by default |expected|; `arithmetic` is the accumulator, by default the output dtype. Random signs make sums
of rounding errors grow with the root of their number; 8 standard deviations leave room for instructions that truncate.
Integers and bool are compared exactly. NaN equals NaN, infinities of equal sign are equal, and anything else that is not
finite differs.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import torch

FLOATS = ("float64", "float32", "float16", "bfloat16", "float8_e4m3", "float8_e5m2")
INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
ALL = (*FLOATS, *INTS, "bool")

_TORCH = {"float8_e4m3": torch.float8_e4m3fn, "tf32": torch.float32}
# tf32 keeps 10 bits of the fraction; the matrix units of Hopper keep about 13 bits of a float8 sum.
_EPS = {"tf32": 2.0**-10, "fp8_accumulator": 2.0**-13}
_GUARD_BYTES = 256


def torch_dtype(name: str) -> torch.dtype:
    """The torch dtype of a language dtype."""
    return _TORCH.get(name) or getattr(torch, name)


def eps(name: str) -> float:
    """The distance from 1 to the next number."""
    return _EPS.get(name) or torch.finfo(torch_dtype(name)).eps


def is_float(name: str) -> bool:
    return name in FLOATS


def product_rounding(out: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> dict[str, Any]:
    """How far `out` may be from a @ b: the arguments `terms`, `scale` and `arithmetic` of `assert_close`.

    The sums of float8 products are coarse on a GPU, and in the simulator with TILELANG_SIMULATOR_NUMERICS=hardware. The rule of
    Hopper's wgmma (arXiv 2511.10909 and arXiv 2512.07004; src/simulator/hardware_sum.h): the 32 products of a block and the sum
    so far are aligned to the largest of their exponents, cut off (towards zero) at 13 fractional bits and added exactly, and the
    new sum is cut off at 13 fractional bits. So a block makes 34 errors, each of the sign of what is cut off and uniform below
    2^-13 * largest, of variance (2^-13 * largest)^2 / 3, where `largest` is the largest product or sum.

    Parameters
    ----------
    out : torch.Tensor
        (M, N).
    a, b : torch.Tensor
        (M, K) and (K, N), of the dtypes that are multiplied.
    """
    terms = a.shape[1]
    narrow = out.is_cuda or os.environ.get("TILELANG_SIMULATOR_NUMERICS") == "hardware"
    if a.dtype.itemsize > 1 or not narrow:
        return dict(terms=terms, scale=a.double().abs() @ b.double().abs())
    # A product's exponent is the sum of its operands', which subnormal numbers do not lower.
    x, y = (torch.where(o.double() == 0, 0, o.double().abs().clamp(min=torch.finfo(o.dtype).smallest_normal)) for o in (a, b))
    sums = (a.double().unsqueeze(-1) * b.double()).cumsum(1).abs().amax(1)
    largest = torch.maximum(sums, (x.unsqueeze(-1) * y).amax(1))
    return dict(terms=(terms + 2 * -(-terms // 32)) / 3, scale=largest, arithmetic="fp8_accumulator")


def random(shape: Any, dtype: str, device: str, low: float | None = None, high: float | None = None) -> torch.Tensor:
    """Random values: floats standard normal, or uniform in [low, high); integers of the full range, or in [low, high)."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    kind = torch_dtype(dtype)
    if dtype == "bool":
        return torch.rand(shape, device=device) < 0.5
    if is_float(dtype):
        wide = torch.float64 if dtype == "float64" else torch.float32
        values = torch.randn(shape, dtype=wide, device=device)
        if low is not None and high is not None:
            values = torch.rand(shape, dtype=wide, device=device) * (high - low) + low
        return values.to(kind)
    info = torch.iinfo(kind)
    if low is None and info.bits == 64:
        high32 = torch.randint(-(2**31), 2**31, shape, device=device, dtype=torch.int64)
        return ((high32 << 32) ^ torch.randint(0, 2**32, shape, device=device, dtype=torch.int64)).view(kind)
    low_int = info.min if low is None else math.ceil(low)
    high_int = info.max + 1 if high is None else math.ceil(high)
    return torch.randint(low_int, high_int, shape, device=device, dtype=torch.int64).to(kind)


def random_tf32(shape: Any, device: str) -> torch.Tensor:
    """float32 values that tf32 holds exactly: the low 13 bits of the fraction are zero."""
    values = torch.randn(shape, device=device)
    return (values.view(torch.int32) & ~0x1FFF).view(torch.float32)


@dataclass(frozen=True)
class Poisoned:
    """An output whose every byte is poison, with a poisoned guard before and after it."""

    tensor: torch.Tensor
    storage: torch.Tensor
    guard: int

    def assert_guards(self) -> None:
        """Fail if the kernel wrote outside of its output."""
        poison = _poison_byte(self.tensor.dtype)
        for where, part in (("before", self.storage[: self.guard]), ("after", self.storage[self.storage.numel() - self.guard :])):
            changed = int((part != poison).sum())
            assert changed == 0, f"{changed} bytes {where} the output were overwritten"


def _poison_byte(dtype: torch.dtype) -> int:
    """0xFF is NaN in every float format; a bool may only hold 0 or 1; an integer gets a value unlikely to be a result."""
    return 1 if dtype == torch.bool else 0xFF if dtype.is_floating_point else 0xA5


def poisoned(shape: Any, dtype: str, device: str) -> Poisoned:
    """An output filled with NaN (floats) or a sentinel (integers)."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    kind = torch_dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    storage = torch.full((size + 2 * _GUARD_BYTES,), _poison_byte(kind), dtype=torch.uint8, device=device)
    tensor = storage[_GUARD_BYTES : _GUARD_BYTES + size].view(kind).view(shape)
    return Poisoned(tensor, storage, _GUARD_BYTES)


def assert_close(
    out: torch.Tensor,
    expected: torch.Tensor,
    dtype: str | None = None,
    *,
    terms: float | None = None,
    scale: torch.Tensor | float | None = None,
    arithmetic: str | None = None,
    ulps: float = 2.0,
) -> None:
    """Compare by the rule of this module.

    Parameters
    ----------
    out : torch.Tensor
        The kernel's result.
    expected : torch.Tensor
        The reference, float64 for floats.
    dtype : str, optional
        The precision of the result where it is coarser than the dtype of `out`.
    terms : float, optional
        How many numbers were added for one element, or how many roundings of full variance the sum amounts to; 1 with `scale`,
        else 0: only the last rounding counts.
    scale : torch.Tensor or float, optional
        The sum of their magnitudes.
    arithmetic : str, optional
        The dtype of the additions.
    ulps : float
        The factor of the first term, for functions that are less exact than a rounding.
    """
    assert tuple(out.shape) == tuple(expected.shape), f"shape {tuple(out.shape)}, expected {tuple(expected.shape)}"
    out, expected = out.detach().cpu(), expected.detach().cpu()
    if not out.dtype.is_floating_point:
        _assert_equal(out, expected)
        return
    name = dtype or str(out.dtype).removeprefix("torch.").removesuffix("fn")
    got, want = out.double(), expected.double()
    count = terms if terms is not None else 0 if scale is None else 1
    size = want.abs() if scale is None else torch.as_tensor(scale, dtype=torch.float64).cpu()
    bound = ulps * eps(name) * want.abs() + 8 * math.sqrt(count) * eps(arithmetic or name) * size
    # Results below the smallest normal number are rounded to multiples of the smallest subnormal one.
    bound = bound + torch.finfo(out.dtype).smallest_normal * eps(name)
    same = (got == want) | (got.isnan() & want.isnan())
    bad = ~(same | ((got - want).abs() <= bound))
    _report(bad, got, want, bound)


def _assert_equal(out: torch.Tensor, expected: torch.Tensor) -> None:
    if out.dtype == torch.uint64 or expected.dtype == torch.uint64:
        got, want = (x.view(torch.int64) if x.dtype == torch.uint64 else x.to(torch.int64) for x in (out, expected))
    else:
        got, want = out.to(torch.int64), expected.to(torch.int64)
    _report(got != want, got, want, None)


def _report(bad: torch.Tensor, got: torch.Tensor, want: torch.Tensor, bound: torch.Tensor | None) -> None:
    count = int(bad.sum())
    if count == 0:
        return
    places = bad.nonzero()
    rows = []
    for place in places[: 6 if count > 6 else count]:
        at = tuple(place.tolist())
        limit = "" if bound is None else f" (allowed difference {bound.expand(want.shape)[at].item():.3g})"
        rows.append(f"  at {at}: {got[at].item()}, expected {want[at].item()}{limit}")
    low, high = places.min(0).values.tolist(), places.max(0).values.tolist()
    raise AssertionError(f"{count} of {bad.numel()} elements differ, all within {low}..{high}:\n" + "\n".join(rows))

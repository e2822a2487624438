"""What a reduction computes: how two values combine, where it starts, and the device operator of the same meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import ir

KINDS = ("sum", "max", "min", "absmax", "abssum", "bitand", "bitor", "bitxor")
_EXTREMES = {"max": ir.Max, "absmax": ir.Max, "min": ir.Min}
_LOWEST = {"float8_e4m3fn": -448.0}  # no infinity in this format
_NARROW = ("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")


def accumulator(kind: str, dtype: str) -> str:
    """The dtype in which values of `dtype` combine: sums of narrow floats are rounded once, at their end."""
    return "float32" if kind in ("sum", "abssum") and dtype in _NARROW else dtype


@dataclass(frozen=True)
class ReduceKind:
    """A kind of reduction on elements of one dtype.

    Parameters
    ----------
    name : str
        One of `KINDS`.
    dtype : str
        Of the accumulator.
    nan_propagate : bool
        Whether a NaN among the elements makes the result of max, min, absmax NaN; else NaNs lose.
    """

    name: str
    dtype: str
    nan_propagate: bool = False

    @property
    def is_bitwise(self) -> bool:
        return self.name.startswith("bit")

    @property
    def keeps_nan(self) -> bool:
        return self.nan_propagate and self.name in _EXTREMES and "float" in self.dtype

    @property
    def device_operator(self) -> str:
        """The combining operator for `tl::warp_reduce`; magnitudes have been taken before."""
        plain = {"absmax": "max", "abssum": "sum"}.get(self.name, self.name)
        return f"tl::op_{plain}" + ("_nan" if self.keeps_nan else "")

    def identity(self) -> Any:
        """The value that changes nothing."""
        name = self.name
        if name in ("sum", "abssum", "absmax", "bitor", "bitxor"):
            return ir.zero(self.dtype)
        if self.dtype == "bool":
            return ir.const(name in ("min", "bitand"), "bool")
        if name == "bitand":
            return ir.const(_integer_range(self.dtype)[1] if self.dtype.startswith("uint") else -1, self.dtype)
        if "float" in self.dtype:
            lowest = _LOWEST.get(self.dtype, float("-inf"))
            return ir.const(lowest if name == "max" else -lowest, self.dtype)
        return ir.const(_integer_range(self.dtype)[0 if name == "max" else 1], self.dtype)

    def element(self, value: Any) -> Any:
        """An element as it enters: in the accumulator's dtype, its magnitude for absmax and abssum."""
        if ir.dtype_of(value) != self.dtype:
            value = ir.Cast(self.dtype, value)
        if self.name.startswith("abs") and not self.dtype.startswith("uint") and self.dtype != "bool":
            value = ir.call("tl.abs", [value], ret=self.dtype)
        return value

    def combine(self, a: Any, b: Any) -> Any:
        """Two values of the accumulator's dtype as one."""
        if self.name in ("sum", "abssum"):
            return ir.Or(a, b) if self.dtype == "bool" else a + b
        if self.name in _EXTREMES:
            if self.dtype == "bool":
                return (ir.And if self.name == "min" else ir.Or)(a, b)
            best = _EXTREMES[self.name](a, b)
            return ir.Select(_isnan(a), a, ir.Select(_isnan(b), b, best)) if self.keeps_nan else best
        return {"bitand": ir.BitwiseAnd, "bitor": ir.BitwiseOr, "bitxor": ir.BitwiseXor}[self.name](a, b)


def _isnan(value: Any) -> Any:
    return ir.call("tl.isnan", [value], ret="bool")


def _integer_range(dtype: str) -> tuple[int, int]:
    bits = int(dtype.lstrip("uint"))
    return (0, 2**bits - 1) if dtype.startswith("uint") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

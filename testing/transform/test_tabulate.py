"""Tables of expressions, against numpy's own types."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tilelang import ir
from tilelang.transform.tabulate import encode, round_to, tabulate

_TYPES = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
}


@pytest.mark.parametrize("dtype", _TYPES)
def test_rounding_and_encoding_of_every_finite_pattern_and_of_values_between(dtype):
    kind = _TYPES[dtype]
    patterns = np.arange(1 << (8 * np.dtype(kind).itemsize)).astype(f"uint{8 * np.dtype(kind).itemsize}")
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(patterns.view(kind))
    values = np.where(finite, patterns, 0).astype(patterns.dtype).view(kind).astype(np.float64)
    assert np.array_equal(encode(values[finite], dtype), patterns[finite].astype(np.int64))
    ordered = np.unique(values[finite])
    for between in ((ordered[1:] + ordered[:-1]) / 2, ordered[1:] * 0.75 + ordered[:-1] * 0.25):
        assert np.array_equal(round_to(between, dtype), between.astype(kind).astype(np.float64))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32"])
def test_integers_wrap_at_their_width(dtype):
    x = ir.var("x", dtype)
    values = np.arange(-128, 128) if dtype == "int8" else np.arange(256)
    mine = tabulate((x + x) * ir.const(37, dtype) ^ (x << ir.const(3, dtype)), x, values)
    own = values.astype(dtype)
    assert np.array_equal(mine, ((own + own) * np.array(37, dtype) ^ (own << np.array(3, dtype))).astype(np.int64))


def test_half_arithmetic_rounds_after_every_step():
    x = ir.var("x", "uint8")
    half = ir.Cast("float16", x)
    mine = tabulate((half * ir.const(0.1, "float16") + ir.const(3, "float16")) * half, x, np.arange(256))
    own = np.arange(256).astype(np.float16)
    assert np.array_equal(mine, ((own * np.float16(0.1) + np.float16(3)) * own).astype(np.float64))


def test_unknown_values_make_no_table():
    x = ir.var("x", "uint8")
    y = ir.var("y", "uint8")
    for expr in (
        x + y,
        ir.FloorDiv(ir.const(3, "uint8"), x),
        ir.Cast("float16", x) / ir.const(3, "float16"),
        ir.Cast("float16", ir.Cast("int32", x) * 1000),  # infinite from 66000 on
        ir.pure_call("tl.exp2", [ir.Cast("float32", x)], "float32"),
    ):
        assert tabulate(expr, x, np.arange(256)) is None

"""Which dtype an operation has."""

import numpy as np
import pytest

import tilelang.language as T
from tilelang.errors import DTypeError
from tilelang.language.dtypes import dtype
from tilelang.language.promotion import promote


@pytest.mark.parametrize(
    "a, b, common",
    [
        ("int8", "int32", "int32"),
        ("int32", "uint32", "int32"),
        ("uint8", "int32", "int32"),
        ("uint64", "int32", "uint64"),
        ("float16", "int64", "float16"),
        ("float16", "float32", "float32"),
        ("float16", "bfloat16", "float32"),
        ("float8_e4m3fn", "float16", "float16"),
        ("float8_e4m3fn", "float8_e5m2", "float32"),
        ("float64", "float32", "float64"),
        ("bool", "int8", "int8"),
        ("float16x4", "float32", "float32x4"),
    ],
)
def test_promote(a, b, common):
    assert promote(dtype(a), dtype(b)) == promote(dtype(b), dtype(a)) == common


def test_python_numbers_take_the_other_dtype():
    h, i, u = (T.dynamic(n, d) for n, d in (("h", "float16"), ("i", "int32"), ("u", "uint8")))
    assert (h * 2).dtype == (2 - h).dtype == (h + 0.1).dtype == "float16"
    assert (
        (i * 0.5).dtype == "float32" and (i + 2**40).dtype == "int64" and (u & 15).dtype == "uint8" and (u & 256).dtype == "int32"
    )
    assert (h < 3).dtype == "bool" and (np.int64(3) + i).dtype == "int32"
    assert T.if_then_else(i < 3, 0, h).dtype == "float16" and T.max(h, 0).dtype == "float16"


def test_refusals():
    h, i = T.dynamic("h", "float16"), T.dynamic("i", "int32")
    for wrong, fix in (
        (lambda: i / 2, "//"),
        (lambda: h & 1, "integers"),
        (lambda: h << 1, "integers"),
        (lambda: ~h, "integers"),
        (lambda: i // 0, ""),
        (lambda: T.cast(300, "int8"), ""),
        (lambda: i + "x", ""),
        (lambda: T.reinterpret(i, "float16"), "equal"),
        (lambda: T.infinity("int32"), "max_value"),
        (lambda: T.dtype("float7"), "one of"),
        (lambda: T.popcount(h), "integer"),
    ):
        with pytest.raises(DTypeError) as caught:
            wrong()
        assert fix in caught.value.fix


def test_dtype_objects():
    assert (
        T.float16 == "float16" and T.half == T.float16 and hash(T.float16) == hash("float16") and {T.float16: 1}["float16"] == 1
    )
    assert T.int8.bits == 8 and T.float32x4.bytes == 16 and T.float32x4.lanes == 4 and T.float32x4.element == "float32"
    assert T.dtype(np.float32) == T.dtype(np.dtype("float32")) == T.dtype(float) == "float32" and T.dtype(bool) == "bool"
    assert T.float8_e4m3 == "float8_e4m3fn" and T.float32(3).dtype == "float32" and T.int8(T.float16(2.5)).dtype == "int8"
    assert T.int8.min == -128 and T.uint16.max == 65535 and T.float8_e4m3.max == 448 and not T.float8_e4m3.has_infinity
    assert T.float16 != "float32" and T.float16 is not None and T.float16 != 3


def test_dtypes_pickle():
    import pickle

    assert pickle.loads(pickle.dumps(T.bfloat16)) is T.bfloat16

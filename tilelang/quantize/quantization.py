"""Expressions for one code of a packed word, under the names that programs import.

`_tir_packed_to_signed_convert("uint", 8)(4, word, i % 2, "float16")` is code i % 2 of an 8-bit word as a float16. In a loop they
are compiled as any other expression: whole runs of codes are unpacked at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import language as T
from ..errors import DTypeError

Convert = Callable[..., Any]


def _word(val: Any, storage_type: str, storage_nbit: int) -> Any:
    """The storage word in 32 bits, whose upper bits a mask will drop."""
    if storage_nbit not in (8, 16, 32) or not str(storage_type).startswith(("int", "uint")):
        raise DTypeError(f"codes packed in {storage_type}{storage_nbit}", fix='"int" or "uint" of 8, 16 or 32 bits')
    return T.cast(val, "uint32")


def _code(val: Any, nbit: int, pos: Any, storage_type: str, storage_nbit: int) -> Any:
    """Code `pos` of the word, unsigned."""
    return (_word(val, storage_type, storage_nbit) >> T.cast(pos * nbit, "uint32")) & T.uint32((1 << nbit) - 1)


def _tir_packed_to_unsigned_convert(storage_type: str = "uint", storage_nbit: int = 8) -> Convert:
    """`f(nbit, val, pos, dtype)`: the code as an unsigned number."""

    def convert(nbit: int, val: Any, pos: Any, dtype: Any) -> Any:
        return T.cast(_code(val, nbit, pos, storage_type, storage_nbit), dtype)

    return convert


def _tir_packed_to_signed_convert(storage_type: str = "uint", storage_nbit: int = 8) -> Convert:
    """`f(nbit, val, pos, dtype)`: the code less half its range (0 stands for the least number)."""

    def convert(nbit: int, val: Any, pos: Any, dtype: Any) -> Any:
        code = T.cast(_code(val, nbit, pos, storage_type, storage_nbit), "int32")
        return T.cast(code - (1 << (nbit - 1)), dtype)

    return convert


def _tir_packed_to_unsigned_convert_with_zeros(storage_type: str = "uint", storage_nbit: int = 8) -> Convert:
    """`f(nbit, val, pos, zero, dtype)`: the code less a zero point."""

    def convert(nbit: int, val: Any, pos: Any, zero: Any, dtype: Any) -> Any:
        code = T.cast(_code(val, nbit, pos, storage_type, storage_nbit), "int32")
        return T.cast(code - T.cast(zero, "int32"), dtype)

    return convert


def _tir_packed_int_to_int_convert(storage_type: str = "uint", storage_nbit: int = 8) -> Convert:
    """`f(nbit, val, pos, dtype)`: the code in two's complement."""

    def convert(nbit: int, val: Any, pos: Any, dtype: Any) -> Any:
        code = T.cast(_code(val, nbit, pos, storage_type, storage_nbit), "int32")
        half = 1 << (nbit - 1)
        return T.cast((code ^ half) - half, dtype)

    return convert


def _tir_packed_to_fp4_to_f16(storage_type: str = "uint", storage_nbit: int = 8) -> Convert:
    """`f(nbit, val, pos, dtype)`: a sign and three bits of exponent, e, as a float16: 0 where e is 0, else 2^(e - 7)."""

    def convert(nbit: int, val: Any, pos: Any, dtype: Any) -> Any:
        code = _code(val, nbit, pos, storage_type, storage_nbit)
        exponent = code & T.uint32(7)
        bits = ((exponent | T.uint32(8)) | ((code >> T.uint32(3)) << T.uint32(5))) << T.uint32(10)
        value = T.reinterpret(T.cast(bits, "uint16"), "float16")
        return T.cast(T.Select(exponent == T.uint32(0), T.float16(0), value), dtype)

    return convert


def _tir_u8_to_f4_to_bf16(nbit: int, val: Any, pos: Any, scale: Any, dtype: Any) -> Any:
    """A code of sign, two bits of exponent, one of mantissa as a bfloat16 times 2^scale; exponent 0 is none of its own."""
    code = _code(val, nbit, pos, "uint", 8)
    exponent = ((code & T.uint32(6)) >> T.uint32(1)) + T.uint32(126) + T.cast(scale, "uint32")
    exponent = T.min(exponent, T.uint32(255))
    bits = ((((code >> T.uint32(3)) << T.uint32(8)) | exponent) << T.uint32(7)) | ((code & T.uint32(1)) << T.uint32(6))
    return T.cast(T.reinterpret(T.cast(bits, "uint16"), "bfloat16"), dtype)


def _tir_u8_to_f8_e4m3_to_f16(nbit: int, val: Any, dtype: Any) -> Any:
    """A byte that holds a float8_e4m3fn as a float16 (or `dtype`), exactly."""
    return T.cast(T.reinterpret(T.cast(val, "uint8"), "float8_e4m3fn"), dtype)

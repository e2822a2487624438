"""Packing of weights on the host: several codes a byte, in order or interleaved for `get_lop3_intrin_group`."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError


def general_compress(lowprecision_weight: Any, source_bits: int = 4, storage_dtype: Any = "int8") -> Any:
    """Pack the codes of the last axis, the first one in the lowest bits.

    Parameters
    ----------
    lowprecision_weight : numpy.ndarray of shape (..., n)
        Codes from 0 to 2^source_bits - 1 (of others the lowest bits), of any numeric dtype.
    source_bits : int
        1, 2, 4 or 8.
    storage_dtype : numpy dtype
        How the packed bytes are viewed.

    Returns
    -------
    numpy.ndarray of shape (..., n * source_bits / 8 / bytes of storage_dtype)
    """
    import numpy as np

    if source_bits not in (1, 2, 4, 8):
        raise DTypeError(f"codes of {source_bits} bits", fix="1, 2, 4 or 8")
    count = 8 // source_bits
    codes = np.asarray(lowprecision_weight).astype(np.int8).view(np.uint8) & np.uint8((1 << source_bits) - 1)
    codes = codes.reshape(*codes.shape[:-1], -1, count)
    packed = np.zeros(codes.shape[:-1], np.uint8)
    for k in range(count):
        packed |= codes[..., k] << np.uint8(source_bits * k)
    return packed.view(np.dtype(storage_dtype))


def interleave_weight(qweight: Any, nbits: int = 4, target_dtype: str = "float16") -> Any:
    """Change the order of packed codes to the one that decodes by shifts of whole words.

    Parameters
    ----------
    qweight : numpy.ndarray
        From `general_compress`; its last axis holds a multiple of four bytes.
    nbits : int
        1, 2 or 4.
    target_dtype : str
        What they are decoded to: "float16" (eight codes a unit, even ones in its lower half) or "int8" (code i in byte i % 4 of
        32 bits; where a code is one bit, sixteen in 16 bits).

    Returns
    -------
    numpy.ndarray of int8
        In bytes, of the shape that `qweight` has as bytes.
    """
    import numpy as np

    if str(target_dtype) not in ("float16", "int8") or nbits not in (1, 2, 4):
        raise DTypeError(f"codes of {nbits} bits for {target_dtype}", fix="1, 2 or 4 bits; float16 or int8")
    words = np.ascontiguousarray(qweight).view(np.uint32)
    mask, out = np.uint32((1 << nbits) - 1), np.zeros_like(words)
    for source in range(32 // nbits):
        place = _place(source, nbits, str(target_dtype))
        out |= ((words >> np.uint32(source * nbits)) & mask) << np.uint32(place)
    return out.view(np.int8)


def _place(code: int, nbits: int, target: str) -> int:
    """The lowest bit of a code in 32 interleaved bits."""
    if target == "float16":
        unit, k = divmod(code, 8)
        return unit * 8 * nbits + k % 2 * 4 * nbits + k // 2 * nbits
    if nbits > 1:
        return code % 4 * 8 + code // 4 * nbits
    unit, k = divmod(code, 16)
    return unit * 16 + k % 2 * 8 + k // 2 % 2 * 4 + k // 4

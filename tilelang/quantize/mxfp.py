"""Device text that decodes 4-bit floats (float4_e2m1fn, as in MXFP4) to bfloat16."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedError


def get_mxfp_intrin_group(
    out_dtype: Any = "bfloat16",
    source_format: Any = "fp",
    source_bit: int = 4,
    storage_dtype: Any = "uint8",
    use_twiddling: bool = False,
) -> dict[str, Any]:
    """A device function that decodes eight values from every four bytes, exactly; scales are the caller's.

    Parameters
    ----------
    out_dtype : dtype
        bfloat16.
    source_format, storage_dtype :
        Of the array that holds the codes; any.
    source_bit : int
        4.
    use_twiddling : bool
        Two bytes (the first is the higher one) hold four values: sign, exponent and mantissa of three are those bits of the word,
        of it << 3 and of it << 6 under 0x81c0; the fourth one's are bits 14 (sign), 11 and 10 (exponent), 13 (mantissa).
        Otherwise a byte holds two values, the lower half first.

    Returns
    -------
    dict
        `func_name`, for `T.call_extern("handle", func_name, packed, values, groups)` with one group for eight values, and
        `c_source`, for `T.import_source`.

    Raises
    ------
    UnsupportedError
        For other dtypes.
    """
    if str(out_dtype) != "bfloat16" or source_bit != 4:
        raise UnsupportedError(f"decoding of {source_bit}-bit floats to {out_dtype}", fix="4 bits to bfloat16")
    name = f"decode_fp4_to_bf16{'_twiddling' if use_twiddling else ''}"
    decode = "tl::decode_twiddled_float4" if use_twiddling else "tl::decode_plain_float4"
    source = (
        "#include <tl/interleaved.h>\n"
        "template <class Packed, class Element>\n"
        f"__device__ void {name}(Packed* packed, Element* values, const int groups = 8) {{\n"
        f"  {decode}(packed, values, groups);\n}}\n"
    )
    return {"func_name": name, "c_source": source}

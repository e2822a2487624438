"""Device text that decodes interleaved integer codes: a mask, an exponent by "or" and one fma for two of them."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedError

_SHORT = {"float16": "f16", "bfloat16": "bf16", "int8": "i8"}
_FORMATS = {"float16": "tl::detail::half_format", "bfloat16": "tl::detail::bfloat16_format"}
_ZEROS = {
    "original": "(static_cast<float>(values[i]) - static_cast<float>(*zeros)) * static_cast<float>(*scale)",
    "rescale": "static_cast<float>(values[i]) * static_cast<float>(*scale) - static_cast<float>(*zeros)",
}


def get_lop3_intrin_group(
    out_dtype: Any,
    source_format: Any = "uint",
    source_bit: int = 4,
    storage_dtype: Any = "int8",
    with_scaling: bool = False,
    with_zeros: bool = False,
    zeros_mode: str = "original",
    storage_scope: str = "local",
) -> dict[str, Any]:
    """A device function that decodes codes in the order of `interleave_weight`.

    Parameters
    ----------
    out_dtype : dtype
        float16, bfloat16 (both of weights interleaved for float16) or int8.
    source_format : str
        "uint": codes from 0; "int": a code stands for the number plus half the range.
    source_bit : int
        1, 2 or 4; a signed code has at least 2.
    storage_dtype : dtype
        Of the array that holds the codes; any.
    with_scaling, with_zeros, zeros_mode :
        The function takes a pointer to a scale, and to a zero point that is subtracted before ("original") or after
        ("rescale") scaling. Not for int8.
    storage_scope : str
        "local".

    Returns
    -------
    dict
        `func_name`, for `T.call_extern("handle", func_name, packed, values[, scale[, zeros]][, count])`, and `c_source`, for
        `T.import_source`. `count` is a multiple of 8 (float), or of 16 (int8); that is its default.

    Raises
    ------
    UnsupportedError
        For other combinations.

    Examples
    --------
    >>> group = get_lop3_intrin_group("float16", "int", 4)
    >>> group["func_name"]
    'decode_i4s_to_f16'
    """
    out = str(out_dtype)
    signed = not str(source_format).startswith("uint")
    if (
        out not in _SHORT
        or source_bit not in ((2, 4) if signed else (1, 2, 4))
        or storage_scope != "local"
        or ((with_scaling or with_zeros) and out == "int8")
        or (with_zeros and (not with_scaling or zeros_mode not in _ZEROS))
    ):
        raise UnsupportedError(
            f"decoding of {source_format}{source_bit} to {out} (scaling {with_scaling}, zeros {with_zeros}: {zeros_mode}) "
            f"in {storage_scope}",
            fix='1 (unsigned), 2 or 4 bits to float16, bfloat16 or int8 in "local"; floats also with scaling, then with zeros '
            '"original" or "rescale"',
        )
    name = f"decode_i{source_bit}{'s' if signed else 'u'}_to_{_SHORT[out]}"
    bias = -(1 << (source_bit - 1)) if signed else 0
    decode = f"tl::decode_to_bytes<{source_bit}, {bias}>"
    if out != "int8":
        decode = f"tl::decode_to_halves<{_FORMATS[out]}, {source_bit}, {bias}>"
    types, parameters, formula = "class Packed, class Element", "Packed* packed, Element* values", ""
    if with_scaling:
        name, types, parameters, formula = (
            f"{name}_scale",
            f"{types}, class Scale",
            f"{parameters}, Scale* scale",
            _ZEROS["rescale"],
        )
        formula = formula.partition(" - ")[0]
    if with_zeros:
        name, types, parameters = f"{name}_zeros_{zeros_mode}", f"{types}, class Zeros", f"{parameters}, Zeros* zeros"
        formula = _ZEROS[zeros_mode]
    scale = f"#pragma unroll\n  for (int i = 0; i < count; ++i) values[i] = Element({formula});\n" if formula else ""
    count = 16 if out == "int8" else 8
    source = (
        "#include <tl/interleaved.h>\n"
        f"template <{types}>\n"
        f"__device__ void {name}({parameters}, const int count = {count}) {{\n"
        f"  {decode}(packed, values, count);\n{scale}}}\n"
    )
    return {"func_name": name, "c_source": source}

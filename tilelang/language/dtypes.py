"""Element types as pure Python objects: strings with a size, a kind and a call that casts."""

from __future__ import annotations

import re
from typing import Any

from ..errors import DTypeError

_FLOATS = {
    "float16": 16, "bfloat16": 16, "float32": 32, "float64": 64,
    "float8_e4m3fn": 8, "float8_e5m2": 8, "float8_e8m0fnu": 8, "float8_e4m3fnuz": 8, "float8_e5m2fnuz": 8,
    "float8_e4m3b11fnuz": 8, "float8_e3m4": 8, "float6_e2m3fn": 6, "float6_e3m2fn": 6, "float4_e2m1fn": 4,
    "float4_e2m1_unpacked": 8,
}  # fmt: skip
_INTS = {f"{kind}{bits}": bits for kind in ("int", "uint") for bits in (4, 8, 16, 32, 64)}
_BITS = {**_FLOATS, **_INTS, "bool": 8}
# e4m3 without "fn" is the same format as torch's float8_e4m3fn: one name in the IR. Matrix instructions read float32 tiles as
# tfloat32, which is no format in memory.
_ALIASES = {
    "float": "float32", "half": "float16", "double": "float64", "int": "int32", "uint": "uint32", "long": "int64",
    "short": "int16", "tfloat32": "float32", "float4_e2m1": "float4_e2m1fn", "float8_e4m3": "float8_e4m3fn", "boolean": "bool",
}  # fmt: skip
# TVM has no 4-bit float that takes a byte (its code in the low half): a float of 5 bits, which is no format, is it in the IR.
UNPACKED_FLOAT4 = "float5"
_FROM_IR = {UNPACKED_FLOAT4: "float4_e2m1_unpacked"}
# An element takes a byte, which torch has no floating type for: tensors of uint8 hold the codes.
WITHOUT_TORCH = ("float8_e4m3b11fnuz", "float8_e3m4", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1_unpacked")
_WITH_INFINITY = ("float16", "bfloat16", "float32", "float64", "float8_e5m2", "float8_e3m4")
_PYTHON = {int: "int32", float: "float32", bool: "bool"}
_RANGE = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38, "float32": 3.4028234663852886e38,
          "float64": 1.7976931348623157e308, "float8_e4m3fn": 448.0, "float8_e5m2": 57344.0, "float8_e8m0fnu": 2.0**127,
          "float8_e4m3fnuz": 240.0, "float8_e5m2fnuz": 57344.0, "float8_e4m3b11fnuz": 30.0, "float8_e3m4": 15.5,
          "float6_e2m3fn": 7.5, "float6_e3m2fn": 28.0, "float4_e2m1fn": 6.0, "float4_e2m1_unpacked": 6.0}  # fmt: skip
_VECTOR = re.compile(r"^([a-z0-9_]+?)x(\d+)$")


def _name_of(value: Any) -> str:
    """The canonical name of anything that denotes an element type."""
    if isinstance(value, str):
        text = str.__str__(value)
    elif hasattr(value, "dtype_name"):  # T.ptr: a table of pointers holds addresses
        text = value.dtype_name
    elif isinstance(value, type) and value in _PYTHON:
        text = _PYTHON[value]
    elif type(value).__module__.split(".")[0] == "torch":
        text = str(value).removeprefix("torch.")
    elif isinstance(value, type) and value.__module__ == "numpy":
        text = value.__name__.rstrip("_")
    elif hasattr(value, "name") and type(value).__module__.startswith("numpy"):
        text = value.name
    else:
        text = str(value)
    text = _ALIASES.get(text) or _FROM_IR.get(text) or text
    if text in _BITS:
        return text
    match = _VECTOR.match(text)
    if match and int(match[2]) >= 1:
        base = _ALIASES.get(match[1], match[1])
        if base in _BITS:
            return base if int(match[2]) == 1 else f"{base}x{int(match[2])}"
    raise DTypeError(
        f"{value!r} is not an element type of this version",
        fix="one of " + ", ".join(sorted(_BITS)) + ", or a vector of one such as float16x4",
    )


def in_language(text: str) -> str:
    """A message with the language's names of types in place of the IR's."""
    for name, own in _FROM_IR.items():
        text = text.replace(name, own)
    return text


def storage_name(name: str) -> str:
    """torch's name of what holds elements of a type: of 4-bit ones two in a byte, the even one in the low nibble."""
    packed = {
        **dict.fromkeys(WITHOUT_TORCH, "uint8"),
        **{"int4": "int8", "uint4": "uint8", "float4_e2m1fn": "float4_e2m1fn_x2", "float8_e4m3": "float8_e4m3fn"},
    }
    return packed.get(str.__str__(name), str.__str__(name))


class dtype(str):
    """An element type: equal to its name, callable to cast, with sizes.

    Examples
    --------
    >>> dtype("float16") == "float16", dtype("float16").bits, dtype(float)
    (True, 16, dtype('float32'))
    """

    __slots__ = ()
    _cache: dict[str, dtype] = {}

    def __new__(cls, value: Any = "float32") -> dtype:
        if type(value) is dtype:
            return value
        name = _name_of(value)
        found = cls._cache.get(name)
        if found is None:
            found = cls._cache[name] = super().__new__(cls, name)
        return found

    def __call__(self, value: Any = None) -> Any:
        """Cast a value to this type; without one, a new symbolic value of it."""
        from .math import cast

        if value is None:
            return _fresh_symbol(self)

        return cast(value, self)

    def __repr__(self) -> str:
        return f"dtype({str.__str__(self)!r})"

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, str):
            return str.__str__(self) == _ALIASES.get(str.__str__(other), str.__str__(other))
        if other is None or isinstance(other, (int, float, tuple, list, dict)):
            return False
        try:
            return str.__str__(self) == _name_of(other)
        except DTypeError:
            return False

    def __ne__(self, other: Any) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __reduce__(self):
        return dtype, (str.__str__(self),)

    @property
    def in_ir(self) -> str:
        """What TVM's IR calls it."""
        return str.__str__(self).replace("float4_e2m1_unpacked", UNPACKED_FLOAT4)

    @property
    def element(self) -> dtype:
        """The type of one lane."""
        return dtype(str.__str__(self).split("x")[0]) if self.lanes > 1 else self

    @property
    def lanes(self) -> int:
        match = _VECTOR.match(str.__str__(self))
        return int(match[2]) if match else 1

    @property
    def bits(self) -> int:
        """Bits of one value, all lanes."""
        return _BITS[str.__str__(self)] if self.lanes == 1 else self.element.bits * self.lanes

    @property
    def bytes(self) -> int:
        """Bytes that a value takes; one of 6 bits takes a whole byte."""
        return (self.bits + 7) // 8

    itemsize = bytes

    @property
    def is_float(self) -> bool:
        return str.__str__(self.element) in _FLOATS

    @property
    def is_int(self) -> bool:
        """A signed or unsigned integer (bool is neither)."""
        return str.__str__(self.element) in _INTS

    @property
    def is_unsigned(self) -> bool:
        return str.__str__(self).startswith("uint")

    @property
    def is_bool(self) -> bool:
        return str.__str__(self.element) == "bool"

    @property
    def is_float8(self) -> bool:
        return str.__str__(self).startswith("float8")

    @property
    def max(self) -> int | float:
        """The largest finite value."""
        if self.is_float:
            return _RANGE[str.__str__(self.element)]
        if self.is_bool:
            return 1
        return 2 ** (self.element.bits - (0 if self.is_unsigned else 1)) - 1

    @property
    def min(self) -> int | float:
        """The most negative finite value."""
        if self.is_float:
            return 2.0**-127 if str.__str__(self.element) == "float8_e8m0fnu" else -self.max  # e8m0: positive powers only
        return 0 if self.is_unsigned or self.is_bool else -(2 ** (self.element.bits - 1))

    @property
    def has_infinity(self) -> bool:
        return str.__str__(self.element) in _WITH_INFINITY

    def as_torch(self) -> Any:
        """The torch dtype of the same name; of 4-bit elements the one that holds two of them in a byte."""
        import torch

        if self.lanes > 1:
            raise DTypeError(f"{self} has no torch dtype", fix=f"use {self.element} and a last axis of {self.lanes}")
        return getattr(torch, storage_name(self))


def _fresh_symbol(kind: dtype) -> Any:
    """A symbolic value named by the assignment under way, as `m = T.int32()` in TVMScript."""
    from ..frontend.builder import current
    from .expr import symbol

    builder = current()
    return symbol(builder.next_name("v") if builder is not None else "v", kind)


NAMES: dict[str, dtype] = {name: dtype(name) for name in (*_BITS, *_ALIASES)}
NAMES.update({f"{name}x{n}": dtype(f"{name}x{n}") for name, bits in _BITS.items() for n in (2, 4, 8, 16, 32, 64)
              if bits >= 8 and name not in _FROM_IR.values()})  # fmt: skip

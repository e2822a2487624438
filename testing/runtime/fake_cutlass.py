"""What of CuTe DSL host programs use, run as plain Python: numbers of a width, memory by address, and functions of C."""

from __future__ import annotations

import ctypes
import functools
import types


class Number:
    """A value that keeps its type in sums, as traced ones do."""

    width, ctype = 64, ctypes.c_int64

    def __init__(self, value) -> None:
        self.value = value.value if isinstance(value, Number) else value

    def __add__(self, other):
        return type(self)(self.value + getattr(other, "value", other))

    def __eq__(self, other) -> bool:
        return self.value == other

    def __gt__(self, other) -> bool:
        return self.value > other


_CTYPES = {
    **{f"{sign}int{bits}": getattr(ctypes, f"c_{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
}
_NUMBERS = {
    name.capitalize(): type(name.capitalize(), (Number,), {"width": 8 * ctypes.sizeof(ctype), "ctype": ctype})
    for name, ctype in _CTYPES.items()
}
globals().update(_NUMBERS)


class _Pointed:
    def __init__(self, number: type[Number], address: Number) -> None:
        self.number, self.address = number, address.value

    def __setitem__(self, index: int, value: Number) -> None:
        assert index == 0 and self.address % ctypes.sizeof(self.number.ctype) == 0 and type(value) is self.number
        self.number.ctype.from_address(self.address).value = value.value


class _Compile:
    def __getitem__(self, option):
        return self

    def __call__(self, function, *examples):
        def call(*args):
            assert len(args) == len(examples)
            function(*(type(example)(value) for example, value in zip(examples, args)))

        return call


def _extern(*, name: str, inline: bool):
    def declare(prototype):
        *taken, returned = prototype.__annotations__.values()
        function = getattr(ctypes.CDLL(None), name)
        function.argtypes, function.restype = [t.ctype for t in taken], returned.ctype

        def call(*args):
            assert [type(a) for a in args] == taken
            return returned(function(*(a.value for a in args)))

        return functools.wraps(prototype)(call)

    return declare


cute = types.ModuleType("cutlass.cute")
cute.__dict__.update(
    extern=_extern,
    jit=lambda function: function,
    compile=_Compile(),
    GPUArch=str,
    AddressSpace=types.SimpleNamespace(generic=0),
    make_ptr=lambda number, address, space: (number, address),
    make_layout=lambda extent: extent,
    make_tensor=lambda pointer, layout: _Pointed(*pointer),
)

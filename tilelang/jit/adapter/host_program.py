"""Host programs in CuTe DSL: text that CuTe DSL's compiler turns into what lies between a kernel's arguments and the driver."""

from __future__ import annotations

import re
from typing import NamedTuple

from tilelang.codegen.launch_plan import KernelLaunch, LaunchPlan

_WIDTHS = {f"{sign}int{bits}": f"{'Ui' if sign else 'I'}nt{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_TYPES = {**_WIDTHS, "bool": "Uint8", "float32": "Float32", "float64": "Float64", "float16": "Int16", "bfloat16": "Int16"}
# A frame, in bytes: what the driver said of which launch, a CUlaunchConfig, room for three CUlaunchAttribute, and the
# pointers to a kernel's arguments before the arguments themselves.
_CONFIG, _ATTRIBUTES, _ATTRIBUTE, _POINTERS = 16, 80, 72, 296

_PRELUDE = f'''\
"""Host program of `{{name}}`: passes its arguments and launches it; the device code is the cubin that every backend runs."""

import cutlass.cute as cute
from cutlass import Float32, Float64, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64

COOPERATIVE, CLUSTER, OVERLAPS = 2, 4, 6  # CUlaunchAttributeID


@cute.extern(name="cuLaunchKernelEx", inline=False)
def launch(config: Int64, function: Int64, pointers: Int64, extra: Int64) -> Int32: ...


def store(address, *values):
    """Write values one after the other."""
    for value in values:
        place = cute.make_ptr(type(value), address, cute.AddressSpace.generic)
        cute.make_tensor(place, cute.make_layout(1))[0] = value
        address = address + type(value).width // 8


def argument(frame, position, value):
    """A value among the arguments of the next launch."""
    place = frame + {{values}} + 8 * position
    store(place, value)
    tensor_map(frame, position, place)


def tensor_map(frame, position, address):
    """What lies at an address among the arguments of the next launch."""
    store(frame + {_POINTERS} + 8 * position, address)


def configure(frame, stream, grid, block, shared, *attributes):
    """How the next launch is made; each attribute is its kind and its value."""
    store(frame + {_CONFIG}, *grid, *(Int32(n) for n in (*block, shared)))
    store(frame + {_CONFIG + 32}, stream, frame + {_ATTRIBUTES}, Int32(len(attributes)))
    for position, (kind, *value) in enumerate(attributes):
        store(frame + {_ATTRIBUTES} + {_ATTRIBUTE} * position, Int64(kind), *(Int32(n) for n in value))
'''


class HostProgram(NamedTuple):
    """A host program and what it is called with, in this order.

    Its arguments are the address of a frame, the stream, the addresses of `tensors`, the values of `scalars`, and for each
    launch: the function, the blocks of its grid (0: it is left out), and the addresses of its encoded tensor maps. It leaves
    in the frame a CUresult and which launch that is about.

    Parameters
    ----------
    text : str
        Python, self-contained, with one function of the name `entry`.
    types : tuple of str
        The type of each argument, by its name in CuTe DSL.
    tensors : tuple of int
        Which of the plan's parameters and workspaces.
    scalars : tuple of (str, str)
        Symbol and element type; float16 and bfloat16 as bits.
    words : int
        What a frame needs, in units of 8 bytes.
    """

    text: str
    types: tuple[str, ...]
    tensors: tuple[int, ...]
    scalars: tuple[tuple[str, str], ...]
    words: int


def host_program(plan: LaunchPlan) -> HostProgram:
    """The host program of a launch plan."""
    given = [argument for kernel in plan.kernels for argument in kernel.arguments]
    tensors = tuple(sorted({int(a.value) for a in given if a.kind == "tensor"}))
    scalars = tuple(sorted({(str(a.value), a.dtype) for a in given if a.kind == "symbol"}))
    every = [*(p.name for p in plan.parameters), *(w.name for w in plan.workspaces)]
    at = {i: _identifier(f"at_{every[i]}") for i in tensors}
    signature = [("frame", "Int64"), ("stream", "Int64"), *((name, "Int64") for name in at.values())]
    signature += [(_scalar(symbol, dtype), _TYPES[dtype]) for symbol, dtype in scalars]
    body = []
    for place, kernel in enumerate(plan.kernels):
        signature += [(f"function{place}", "Int64"), *((f"{axis}{place}", "Int32") for axis in "xyz")]
        signature += [(f"map{place}_{which}", "Int64") for which in range(len(kernel.tensor_maps))]
        body += _launch(place, kernel, at)
    most = max(len(kernel.arguments) for kernel in plan.kernels)
    prelude = _PRELUDE.format(name=plan.name, values=_POINTERS + 8 * most)
    text = "\n".join(
        [
            f"{prelude}\n",
            "@cute.jit",
            "def entry(",
            *(f"    {name}: {type_}," for name, type_ in signature),
            "):",
            "    status = Int32(0)",
            *body,
            "    store(frame, status)",
            "",
        ]
    )
    return HostProgram(text, tuple(type_ for _, type_ in signature), tensors, scalars, _POINTERS // 8 + 2 * most)


def _launch(place: int, kernel: KernelLaunch, at: dict[int, str]) -> list[str]:
    """The lines of one launch."""
    grid = ", ".join(f"{axis}{place}" for axis in "xyz")
    attributes = [f"(CLUSTER, {', '.join(map(str, kernel.cluster))})"] if kernel.cluster != (1, 1, 1) else []
    attributes += ["(COOPERATIVE, 1)"] if kernel.cooperative else []
    attributes += ["(OVERLAPS, 1)"] if kernel.overlaps else []
    how = ", ".join([f"({grid})", str(kernel.block), str(kernel.shared_bytes), *attributes])
    lines = [f"configure(frame, stream, {how})"]
    for position, argument in enumerate(kernel.arguments):
        if argument.kind == "tensor_map":
            lines.append(f"tensor_map(frame, {position}, map{place}_{argument.value})")
        else:
            tensor = argument.kind == "tensor"
            name = at[int(argument.value)] if tensor else _scalar(str(argument.value), argument.dtype)
            lines.append(f"argument(frame, {position}, {name})")
    lines.append(f"store(frame + 8, Int64({place}))")
    lines.append(f"status = launch(frame + {_CONFIG}, function{place}, frame + {_POINTERS}, Int64(0))")
    head = [f"    # {kernel.name}", "    if status == 0:", f"        if x{place} > 0:"]
    return head + [f"            {line}" for line in lines]


def _scalar(symbol: str, dtype: str) -> str:
    """A symbol may be passed in several types."""
    return _identifier(f"{dtype}_{symbol}")


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name, flags=re.ASCII)

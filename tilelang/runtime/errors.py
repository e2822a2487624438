"""The launcher's error records as our exceptions."""

from __future__ import annotations

import builtins
import functools

from tilelang.errors import (
    ArgumentError,
    ArgumentTypeError,
    DeviceMismatchError,
    ResourceError,
    TileLangError,
    UnavailableError,
)


class LaunchError(TileLangError, RuntimeError):
    """The CUDA driver refused a launch, or an earlier kernel on the device failed."""

    code = "TL0602"


class ExecutionError(TileLangError, RuntimeError):
    """A kernel on the CPU ended with an assertion of its author."""

    code = "TL0603"


class HostCallError(TileLangError, RuntimeError):
    """A function of T.call_packed is not registered, raised, or returned what its caller cannot read.

    If it raised an exception of Python's own, such as ValueError, this is one, too.
    """

    code = "TL0604"


@functools.cache
def host_call_error(kind: str) -> type[HostCallError]:
    """The class for a function that raised an exception of the name `kind`."""
    raised = getattr(builtins, kind, None)
    if not isinstance(raised, type) or not issubclass(raised, Exception) or issubclass(HostCallError, raised):
        return HostCallError
    try:
        return type("HostCallError", (HostCallError, raised), {"__module__": __name__})
    except TypeError:  # an exception with fields of its own, such as OSError
        return HostCallError


class NativeError(Exception):
    """What the launcher raises: category, argument position, message and fix, separated by the unit separator."""


# Category names are those of src/runtime/error.h; "simulation" holds a report of the simulator.
_CLASSES: dict[str, type[TileLangError]] = {
    "argument": ArgumentError,
    "type": ArgumentTypeError,
    "device": DeviceMismatchError,
    "resource": ResourceError,
    "unavailable": UnavailableError,
    "driver": LaunchError,
    "execution": ExecutionError,
    "host": HostCallError,
    "defect": TileLangError,
}


# What an UnavailableError of the launcher misses, by its words.
_MISSING = {"CUDA driver": "CUDA driver", " GPU": "GPU", "compiled kernel": "OpenMP", "simulator": "simulator"}


def explain(error: NativeError, args: tuple) -> TileLangError:
    """The exception to raise for `error`, where `args` were the arguments of the call."""
    category, position, message, fix = str(error).split("\x1f", 3)
    if category == "simulation":
        from tilelang.simulator import simulation_error

        return simulation_error(message)
    if category.startswith("host:"):
        return host_call_error(category.removeprefix("host:"))(message, fix=fix)
    if "{got}" in message and 0 <= int(position) < len(args):
        message = message.replace("{got}", describe_argument(args[int(position)]))
    if category == "unavailable":
        missing = next((tool for words, tool in _MISSING.items() if words in message), "")
        return UnavailableError(message, fix=fix, tool=missing, needed_by="the launcher")
    return _CLASSES[category](message, fix=fix)


def describe_argument(value: object) -> str:
    """A short name of an argument for a message: its type, and its value when that is short."""
    if value is None:
        return "None"
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{name} of shape {tuple(shape)}"
    text = repr(value)
    return f"{name} {text}" if len(text) <= 40 else name

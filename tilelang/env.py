"""Settings from the environment: `tilelang.env.TILELANG_CACHE_DIR` and friends.

Every access reads `os.environ` again, so that a test or a notebook can change a variable at any time; assigning to an
attribute overrides the environment until `del env.NAME`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from tilelang.errors import ConfigError

Value = TypeVar("Value")


class EnvironmentVariableError(ConfigError):
    """An environment variable with a value that it cannot have."""


def parse_bool(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("", "0", "false", "no", "off"):
        return False
    raise ValueError("expected 1, true, yes, on or 0, false, no, off")


def parse_seconds(text: str) -> float | None:
    if not text.strip():
        return None
    seconds = float(text)
    if not seconds > 0:
        raise ValueError("expected a positive number of seconds")
    return seconds


def parse_checks(text: str) -> tuple[str, ...]:
    from tilelang.simulator.check import parse_checks as parse

    return parse(text)


def parse_choice(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return text

    return parse


class Variable(Generic[Value]):
    """One environment variable: its type, its default, what it means."""

    def __init__(self, parse: Callable[[str], Value], default: Value, meaning: str) -> None:
        self.parse, self.default, self.__doc__ = parse, default, meaning

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Value:
        if instance is None:
            return self  # type: ignore[return-value]
        if self.name in instance.forced:
            return instance.forced[self.name]
        text = os.environ.get(self.name)
        if text is None:
            return self.default
        try:
            return self.parse(text)
        except ValueError as error:
            raise EnvironmentVariableError(
                f"{self.name}={text!r}: {error}", fix=f"unset {self.name} or give it such a value"
            ) from None

    def __set__(self, instance: Any, value: Value) -> None:
        instance.forced[self.name] = value

    def __delete__(self, instance: Any) -> None:
        instance.forced.pop(self.name, None)


class Environment:
    """All variables; see each one's docstring."""

    def __init__(self) -> None:
        self.forced: dict[str, Any] = {}

    def snapshot(self, names: tuple[str, ...]) -> tuple:
        """The unparsed values of variables: equal snapshots mean equal settings, and comparing them is cheap."""
        return (*map(os.environ.get, names), *self.forced.items())

    TILELANG_CACHE_DIR = Variable(
        lambda text: Path(text).expanduser(), Path.home() / ".tilelang" / "cache", "Where compiled kernels are kept."
    )
    TILELANG_DISABLE_CACHE = Variable(parse_bool, False, "Compile every kernel anew and write nothing.")
    TILELANG_CHECK: Variable[tuple[str, ...]] = Variable(
        parse_checks, (), "What to look for in every call of a simulated kernel: race,bounds,init,deadlock,misuse, or all."
    )
    TILELANG_SIMULATE = Variable(parse_bool, False, "Run CUDA kernels in the CPU simulator.")
    TILELANG_PRINT_ON_COMPILATION = Variable(parse_bool, True, "Log when a kernel's compilation begins and ends.")
    TILELANG_VERBOSE = Variable(parse_bool, False, "Show the output of NVRTC, nvcc and the C++ compiler.")
    TILELANG_COMPILE_TIMEOUT_SECONDS = Variable(parse_seconds, None, "Longest run of an external compiler.")
    TILELANG_CUDA_COMPILER = Variable(parse_choice("nvrtc", "nvcc"), "nvrtc", "What turns CUDA C++ into a cubin.")
    TILELANG_DEFAULT_TARGET = Variable(str, "auto", 'The target where none is given: "auto", "cuda", or a JSON dict.')
    TILELANG_EXECUTION_BACKEND = Variable(str, "auto", "The execution backend where none is given.")


env = Environment()

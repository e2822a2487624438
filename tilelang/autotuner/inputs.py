"""What configurations are run on: the same tensors for all, and the reference's answer."""

from __future__ import annotations

import contextvars
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilelang.errors import ArgumentError
from tilelang.profiler.supply import TensorSupplyType, supply_tensor

_captured: contextvars.ContextVar[tuple | None] = contextvars.ContextVar("tilelang_autotune_inputs", default=None)


class set_autotune_inputs:
    """Tune on these arguments instead of made-up ones, inside a `with`.

    Parameters
    ----------
    *args
        Tensors and scalars in the order of the kernel's parameters, outputs left out; or one list of them.

    Examples
    --------
    >>> with set_autotune_inputs(a, b):
    ...     kernel = matmul(M, N, K)
    """

    def __init__(self, *args: Any) -> None:
        self.values = tuple(args[0]) if len(args) == 1 and isinstance(args[0], (list, tuple)) else args

    def __enter__(self) -> set_autotune_inputs:
        self._token = _captured.set(self.values)
        return self

    def __exit__(self, *_: Any) -> None:
        _captured.reset(self._token)


def get_autotune_inputs() -> tuple | None:
    """The arguments of the innermost `set_autotune_inputs`; None outside of one."""
    return _captured.get()


@dataclass(frozen=True)
class Question:
    """How the arguments and the expected answer are found.

    Parameters
    ----------
    supply_type : TensorSupplyType
        How made-up tensors are filled.
    supply_prog : callable, optional
        Takes the parameters (a list of `KernelParam`, outputs left out) and returns the arguments.
    ref_prog : callable, optional
        Takes the arguments and returns what the kernel should (or does to its arguments what the kernel should).
    given : tuple, optional
        The arguments themselves.
    seed : int
        Of made-up tensors.
    """

    supply_type: TensorSupplyType = TensorSupplyType.Auto
    supply_prog: Callable | None = None
    ref_prog: Callable | None = None
    given: tuple | None = None
    seed: int = 0

    def arguments(self, params: Sequence[Any], device: str) -> list[Any]:
        """The arguments for a kernel with these parameters.

        Raises
        ------
        ArgumentError
            For a scalar or a symbolic shape, which nobody has given a value.
        """
        if self.given is not None:
            return list(self.given)
        if self.supply_prog is not None:
            made = self.supply_prog(list(params))
            return list(made) if isinstance(made, (list, tuple)) else [made]
        import torch

        for param in params:
            if param.is_scalar() or param.is_symbolic():
                what = "is a scalar" if param.is_scalar() else f"has the symbolic shape {param.shape}"
                raise ArgumentError(
                    f"`{param.name}` {what}: the tuner cannot make it up",
                    fix="tune inside `with set_autotune_inputs(...)`, or pass supply_prog",
                )
        with torch.random.fork_rng(devices=[device] if device != "cpu" else []):
            torch.manual_seed(self.seed)
            return [supply_tensor(param, self.supply_type, device) for param in params]


class Prepared:
    """Arguments, and what the reference makes of them, in a file that measuring processes read.

    Attributes
    ----------
    path : str
        The file: a dict with `arguments`, `expected` (tensors that the reference returned, or None) and `changed` (the
        arguments after the reference, if it returned nothing).
    reference_ms : float, optional
        The reference's time.
    """

    def __init__(self, question: Question, params: Sequence[Any], device: str, folder: Path, bench: Callable | None) -> None:
        import torch

        self.arguments = question.arguments(params, device)
        self.expected: list[Any] | None = None
        self.reference_ms: float | None = None
        changed = None
        if question.ref_prog is not None:
            copies = [a.clone() if isinstance(a, torch.Tensor) else a for a in self.arguments]
            returned = as_list(question.ref_prog(*copies))
            self.expected = returned or None
            changed = None if returned else copies
            if bench is not None:
                self.reference_ms = bench(lambda: question.ref_prog(*copies))  # type: ignore[misc]
        handle = tempfile.NamedTemporaryFile(dir=folder, suffix=".pt", delete=False)  # noqa: SIM115
        with handle:
            torch.save(_on_cpu({"arguments": self.arguments, "expected": self.expected, "changed": changed}), handle)
        self.path = handle.name


def signature_of(params: Sequence[Any]) -> tuple:
    """What arguments depend on: configurations with equal signatures share them."""
    return tuple((p.name, p.dtype, tuple(map(str, p.shape))) for p in params)


def as_list(value: Any) -> list[Any]:
    """What a kernel or a reference returned, as a list of tensors."""
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


def _on_cpu(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _on_cpu(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_on_cpu(item) for item in value]
    return value.detach().cpu() if hasattr(value, "detach") else value

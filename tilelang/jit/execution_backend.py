"""Which execution backends serve a target, and which one a call gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from tilelang.errors import UnsupportedError
from tilelang.jit.adapter.base import adapter_of, adapters

if TYPE_CHECKING:
    from tilelang.target import Target

ExecutionBackend = Literal["auto", "tvm_ffi", "dlpack", "cython", "nvrtc", "torch", "cutedsl", "simulator"]
"""The names that `execution_backend=` takes."""

BACKENDS: tuple[str, ...] = get_args(ExecutionBackend)


class ExecutionBackendError(UnsupportedError, ValueError):
    """An execution backend that does not exist or does not fit the target."""

    code = "TL0301"


def legal_backends(target: Target) -> tuple[str, ...]:
    """The backends that can call a kernel compiled for `target`, installed or not, the default first."""
    names = [name for name, adapter in adapters().items() if adapter.runs(target)]
    return tuple(sorted(names, key=lambda name: name != default_backend(target)))


def default_backend(target: Target) -> str:
    """What "auto" means for a target."""
    return "simulator" if target.simulated else "tvm_ffi"


def available_backends(target: Target) -> tuple[str, ...]:
    """Those of `legal_backends` whose libraries are installed."""
    return tuple(name for name in legal_backends(target) if adapters()[name].available())


def allowed_backends_for_target(target: Any, *, include_unavailable: bool = True) -> list[str]:
    """The backends that serve a target, the default first.

    Parameters
    ----------
    target : str, dict or Target
    include_unavailable : bool
        Also those whose libraries are not installed.

    Examples
    --------
    >>> allowed_backends_for_target("cuda")
    """
    from tilelang.target.target import resolve_target

    resolved = resolve_target(target)
    return list(legal_backends(resolved) if include_unavailable else available_backends(resolved))


def resolve_execution_backend(requested: str | None, target: Any) -> str:
    """The backend that a request means for a target; None and "auto" are its default.

    Raises
    ------
    ExecutionBackendError
        For a backend that does not exist, or that does not serve the target.
    JITUnavailableError
        When what the backend stands on is not installed.
    """
    from tilelang.target.target import resolve_target

    return choose_backend(requested or "auto", resolve_target(target))


def require_known(requested: str, target: object) -> None:
    """Refuse a name that is no backend."""
    if requested not in BACKENDS:
        raise ExecutionBackendError(
            f"Invalid execution backend '{requested}' for target '{target}'. Allowed: {', '.join(BACKENDS)}",
            fix="use execution_backend='auto'",
        )


def why_default(target: Target) -> str:
    """Why "auto" means what it means for a target."""
    legal = legal_backends(target)
    return f"auto: {legal[0]} is the first of those that call kernels for {target} ({', '.join(legal)})"


def choose_backend(requested: str, target: Target) -> str:
    """The backend that a request means.

    Raises
    ------
    ExecutionBackendError
        For a backend that does not exist, or that cannot call kernels of this target: lists those that can.
    JITUnavailableError
        When what the backend stands on is not installed.
    """
    require_known(requested, target)
    if requested == "auto":
        return default_backend(target)
    adapter = adapter_of(requested)
    adapter.available().require(f"execution_backend={requested!r}")
    if not adapter.runs(target):
        legal = legal_backends(target)
        raise ExecutionBackendError(
            f"Invalid execution backend '{requested}' for target '{target}'. Allowed: {', '.join(('auto', *legal))}",
            fix="use execution_backend='auto'",
        )
    return requested

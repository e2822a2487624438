"""Passes over tile programs: docs/architecture.md, section 5. `PassConfigKey` names what configures them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tilelang.pass_configs import PassConfigKey

__all__ = ["PassConfigKey", "simplify_prim_func"]

_F = TypeVar("_F", bound=Callable)


def simplify_prim_func(func: _F) -> _F:
    """Decorator of functions that return a PrimFunc: the function itself, since every program is simplified as it is compiled.

    Examples
    --------
    >>> @simplify_prim_func
    ... def matmul(M, N, K): ...
    """
    return func


def __getattr__(name: str) -> Any:
    from tilelang.transform.named_passes import pass_named

    found = None if name.startswith("_") else pass_named(name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found

"""Passes over tile programs: docs/architecture.md, section 5. `PassConfigKey` names what configures them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

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

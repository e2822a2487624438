"""A decorator for functions that a later version will not have."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any


def deprecated(reason: str, replacement: str | None = None, version: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """Warn at the first call of a function from each place.

    Parameters
    ----------
    reason : str
        What is deprecated, or why.
    replacement : str, optional
        What to use instead.
    version : str, optional
        From which version on it will be gone.

    Examples
    --------
    >>> @deprecated("T.symbolic", "T.dynamic")
    ... def symbolic(name): ...
    """
    text = f"{reason} is deprecated" if replacement else reason
    text += f"; use {replacement} instead" if replacement else ""
    text += f" (it goes with version {version})" if version else ""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            warnings.warn(text, DeprecationWarning, stacklevel=2)
            return function(*args, **kwargs)

        return called

    return decorate

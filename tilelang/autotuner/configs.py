"""Configurations, however they are given."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tilelang.errors import ArgumentError, ArgumentTypeError

PASS_CONFIGS = "pass_configs"  # the key of a configuration that is not a parameter of the function


def list_configs(configs: Any, args: tuple = (), kwargs: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The configurations as a list of dicts.

    Parameters
    ----------
    configs : sequence, dict or callable
        A list or tuple of dicts; a dict of lists, whose product is meant (a value that is no list is fixed); or a function
        that returns either, called with the arguments of the tuned function that it has parameters for.
    args, kwargs
        Of the tuned function's call.

    Raises
    ------
    ArgumentError
        When there is none.
    """
    if callable(configs):
        configs = _call(configs, args, kwargs or {})
    if isinstance(configs, Mapping):
        axes = [value if isinstance(value, (list, tuple)) else [value] for value in configs.values()]
        configs = [dict(zip(configs, values)) for values in itertools.product(*axes)]
    if not isinstance(configs, Sequence) or isinstance(configs, (str, bytes)):
        raise ArgumentTypeError(
            f"configs is a {type(configs).__name__}", fix="give a list of dicts, a dict of lists, or a function that returns one"
        )
    found = list(configs)
    if not found:
        raise ArgumentError("configs is empty: there is nothing to choose from", fix="give at least one configuration")
    for index, config in enumerate(found):
        if not isinstance(config, Mapping):
            raise ArgumentTypeError(f"configuration {index} is a {type(config).__name__}", fix="give dicts of keyword arguments")
    return [dict(config) for config in found]


def _call(function: Callable, args: tuple, kwargs: Mapping[str, Any]) -> Any:
    parameters = inspect.signature(function).parameters
    kinds = {p.kind for p in parameters.values()}
    if inspect.Parameter.VAR_POSITIONAL not in kinds:
        limit = [p for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        args = args[: len(limit)]
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        kwargs = {name: value for name, value in kwargs.items() if name in parameters}
    return function(*args, **kwargs)


def check_keys(configs: Sequence[Mapping[str, Any]], function: Callable) -> None:
    """Refuse configurations that name no parameter of the function.

    Raises
    ------
    ArgumentError
        "Unused keys in config", with the keys and the parameters that there are.
    """
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for index, config in enumerate(configs):
        unused = [key for key in config if key not in parameters and key != PASS_CONFIGS]
        if unused:
            raise ArgumentError(
                f"Unused keys in config {index}: {', '.join(map(repr, unused))}",
                fix=f"the parameters of `{getattr(function, '__name__', 'the kernel')}` are {', '.join(parameters)}",
            )

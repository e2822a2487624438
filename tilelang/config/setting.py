"""One setting: its variable, its key in the file, its values, its default, what it means."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from tilelang.config.file import active_file
from tilelang.config.kinds import Kind
from tilelang.errors import ConfigError

Value = TypeVar("Value")


class EnvironmentVariableError(ConfigError):
    """An environment variable with a value that it cannot have."""


class Resolved(NamedTuple):
    """A setting's value and where it came from.

    Parameters
    ----------
    name : str
        The environment variable.
    key : str
        The key in the file.
    value : object
        The value in force; None if `error` is set.
    source : str
        "default", "assigned" (to an attribute of `tilelang.env`), "environment" or the file's path.
    meaning : str
        What the setting does.
    error : str
        Why the value is refused; empty if it is not.
    """

    name: str
    key: str
    value: Any
    source: str
    meaning: str
    error: str = ""


class Setting(Generic[Value]):
    """A descriptor on `Environment`: reading it resolves the value anew, assigning forces one.

    Parameters
    ----------
    kind : Kind
        What values there are.
    default : object or callable
        The value when nothing sets it; a function is called each time.
    key : str
        Dotted key in the TOML file.
    meaning : str
        One sentence.
    alias : str
        A second name of the environment variable.
    """

    name: str

    def __init__(
        self, kind: Kind[Value], default: Value | Callable[[], Value], key: str, meaning: str, *, alias: str | None = None
    ) -> None:
        self.kind, self.default, self.key, self.__doc__, self.alias = kind, default, key, meaning, alias

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Value:
        if instance is None:
            return self  # type: ignore[return-value]
        return self.resolve(instance.forced)[0]

    def __set__(self, instance: Any, value: Value) -> None:
        instance.forced[self.name] = value

    def __delete__(self, instance: Any) -> None:
        instance.forced.pop(self.name, None)

    def resolve(self, forced: dict[str, Any]) -> tuple[Value, str]:
        """(the value, where it came from).

        Raises
        ------
        EnvironmentVariableError
            For a variable with a value that the setting cannot have, or two variables that disagree.
        ConfigError
            For such a value in the file.
        """
        if self.name in forced:
            return forced[self.name], "assigned"
        text = os.environ.get(self.name)
        name = self.name
        if self.alias is not None:
            second = os.environ.get(self.alias)
            if text is not None and second is not None and text != second:
                raise EnvironmentVariableError(
                    f"{self.name}={text!r} and {self.alias}={second!r} disagree", fix="they are one setting: unset one of them"
                )
            if text is None and second is not None:
                text, name = second, self.alias
        if text is not None:
            try:
                return self.kind.parse(text), f"environment ({name})" if name != self.name else "environment"
            except ValueError as error:
                raise EnvironmentVariableError(f"{name}={text!r}: {error}", fix=f"unset {name} or give it such a value") from None
        file = active_file()
        if self.key in file.values:
            try:
                return self.kind.of_toml(file.values[self.key]), str(file.path)
            except ValueError as error:
                raise ConfigError(
                    f"{file.path}: `{self.key}` is {file.values[self.key]!r}: {error}", fix="correct that line of the file"
                ) from None
        return (self.default() if callable(self.default) else self.default), "default"

    def describe(self, forced: dict[str, Any]) -> Resolved:
        """Value and source for people; a refused value is described, not raised."""
        try:
            value, source = self.resolve(forced)
            return Resolved(self.name, self.key, value, source, self.__doc__ or "")
        except ConfigError as error:
            source = "environment" if isinstance(error, EnvironmentVariableError) else str(active_path())
            return Resolved(self.name, self.key, None, source, self.__doc__ or "", error.message)


def active_path() -> Any:
    """The path of the file in force, or None."""
    try:
        return active_file().path
    except ConfigError:
        return os.environ.get("TILELANG_CONFIG")

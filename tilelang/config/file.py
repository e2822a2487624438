"""The configuration file: `TILELANG_CONFIG`, else `config.toml` in the user's configuration directory.

::

    [cache]
    root = "/scratch/me/tilelang"
    max_size = "8G"

    [jit]
    target = { kind = "cuda", arch = "sm_90a" }
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tilelang.config.places import config_home
from tilelang.errors import ConfigError


class ConfigFile(NamedTuple):
    """The settings of one file.

    Parameters
    ----------
    path : Path or None
        None when there is no file.
    values : mapping
        Values by dotted key, such as "cache.root". Tables that are values themselves are among them, too.
    """

    path: Path | None
    values: Mapping[str, Any]


def active_file() -> ConfigFile:
    """The file that is in force now; read once for each path.

    Raises
    ------
    ConfigError
        When `TILELANG_CONFIG` names no file, or a file is no TOML.
    """
    named = os.environ.get("TILELANG_CONFIG")
    return _find(named, None if named else os.environ.get("XDG_CONFIG_HOME"))


@functools.lru_cache(maxsize=16)
def _find(named: str | None, _config_home: str | None) -> ConfigFile:
    path = Path(named).expanduser() if named else config_home() / "config.toml"
    try:
        data = path.read_bytes()
    except OSError as error:
        if not named and not os.path.lexists(path):  # also where somebody else's home directory is closed to us
            return ConfigFile(None, {})
        raise ConfigError(
            f"the configuration file {path} cannot be read ({error.strerror})",
            fix="correct TILELANG_CONFIG or unset it" if named else f"make {path} readable or remove it",
        ) from None
    return read_file(path, data)


def read_file(path: Path, data: bytes) -> ConfigFile:
    """The settings in the text of a file."""
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib

    try:
        table = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", fix="correct the file at that place") from None
    values = dict(_flatten(table))
    if "cache_root" in values:  # the short form
        if "cache.root" in values:
            raise ConfigError(f"{path} sets both `cache_root` and `root` of [cache]", fix="keep one of them")
        values["cache.root"] = values.pop("cache_root")
    _warn_of_unknown_keys(path, values)
    return ConfigFile(path, values)


def _flatten(table: dict[str, Any], prefix: str = ""):
    for name, value in table.items():
        key = f"{prefix}{name}"
        yield key, value
        if isinstance(value, dict):
            yield from _flatten(value, f"{key}.")


def _warn_of_unknown_keys(path: Path, values: dict[str, Any]) -> None:
    from tilelang.env import Environment
    from tilelang.log import logger

    known = {setting.key for setting in Environment.settings()}
    sections = {key.rpartition(".")[0] for key in known} | {key.split(".")[0] for key in known if "." in key}
    for key in values:
        inside_a_value = any(key.startswith(f"{other}.") for other in known)
        if key in known or key in sections or inside_a_value:
            continue
        import difflib

        near = difflib.get_close_matches(key, known, n=1)
        logger.warning("%s: unknown key `%s`%s", path, key, f"; did you mean `{near[0]}`?" if near else "")

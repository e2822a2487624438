"""Times of earlier runs, kept in the cache directory: a configuration is measured once.

One file for each program, arguments, check, compiler and device; in it, one record for each configuration, so that adding a
configuration measures only that one.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from tilelang.autotuner.record import COMPILE_FAILED, CRASHED, MEASURED, PRUNED, TIMEOUT, WRONG, Record, config_key
from tilelang.autotuner.settings import ProfileSettings
from tilelang.cache import UnkeyableError, digest
from tilelang.env import env
from tilelang.frontend.identity import value_identity
from tilelang.jit.options import CompileOptions
from tilelang.jit.parallel.task import compiler_identity

# What running it again would only repeat. Lack of memory or of time may pass.
_LASTING = {MEASURED, PRUNED, COMPILE_FAILED, WRONG, TIMEOUT, CRASHED}


def history_key(identity: str | None, options: CompileOptions, arguments: Any, profile: ProfileSettings) -> str | None:
    """The name of a program's history; None where something has no digest, so that nothing may be remembered.

    Parameters
    ----------
    identity : str, optional
        Of the tuned function.
    options : CompileOptions
        Without what configurations add.
    arguments : object
        What the function is called with, and the shapes of given inputs.
    profile : ProfileSettings
        The check belongs to the key; how long is measured does not.
    """
    compiler = compiler_identity(options)
    if identity is None or compiler is None or env.TILELANG_DISABLE_CACHE or env.TILELANG_AUTO_TUNING_DISABLE_CACHE:
        return None
    programs = (profile.ref_prog, profile.supply_prog, profile.manual_check_prog)
    parts = [value_identity(program) if program is not None else "" for program in (*programs, arguments)]
    if None in parts:
        return None
    try:
        return digest(
            identity=identity,
            compiler=compiler,
            parts=parts,
            check=(profile.skip_check, profile.rtol, profile.atol, profile.max_mismatched_ratio),
            supply=profile.supply_type,
            backend=profile.backend,
            device=device_identity(options),
        )
    except UnkeyableError:
        return None


def device_identity(options: CompileOptions) -> str:
    """What the times are of: the GPU's name, or the simulator."""
    if options.target.simulated:
        return f"simulator of {options.target.arch}"
    if options.target.is_cpu:
        return f"CPU {options.target.arch}"
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else options.target.arch


def _path(key: str) -> Path:
    return Path(env.TILELANG_CACHE_DIR) / "autotuner" / key[:2] / f"{key}.json"


def recall(key: str | None, records: Sequence[Record]) -> None:
    """Fill in what earlier runs found out."""
    if key is None:
        return
    try:
        known = json.loads(_path(key).read_text())["records"]
    except (OSError, ValueError, KeyError):
        return
    names = {f.name for f in fields(Record)} - {"index", "config", "reused"}
    for record in records:
        earlier = known.get(config_key(record.config))
        if isinstance(earlier, dict) and earlier.get("status") in _LASTING:
            for name in names & set(earlier):
                setattr(record, name, earlier[name])
            record.reused = True


def remember(key: str | None, records: Sequence[Record]) -> None:
    """Add this run's records; an unwritable directory is no error."""
    if key is None:
        return
    path = _path(key)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            known = json.loads(path.read_text())["records"]
        except (OSError, ValueError, KeyError):
            known = {}
        known.update({config_key(r.config): r.to_dict() for r in records if r.status in _LASTING})
        handle, name = tempfile.mkstemp(prefix=".staging-", dir=path.parent)
        with os.fdopen(handle, "w") as file:
            json.dump({"records": known}, file, indent=1)
        os.replace(name, path)

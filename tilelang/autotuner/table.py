"""A file of chosen configurations that ships beside a kernel."""

from __future__ import annotations

import json
import math
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilelang.autotuner.record import plain
from tilelang.errors import TileLangError
from tilelang.log import logger

if TYPE_CHECKING:
    from tilelang.autotuner.result import AutotuneResult

_VERSION = 1


class TuningTableError(TileLangError, LookupError):
    """A table that has no answer, or one for another version of the function."""

    code = "TL0723"


@dataclass(frozen=True)
class Entry:
    """One answer.

    Parameters
    ----------
    arguments : dict
        Of the call; of tensors, shape and dtype.
    device : str
        The GPU's name.
    config : dict
        The chosen configuration.
    latency_ms : float
        Its time when it was tuned.
    digest : str, optional
        Of the tuned function's text and what it reads.
    tried : int
        How many configurations were measured.
    """

    arguments: dict[str, Any]
    device: str
    config: dict[str, Any]
    latency_ms: float
    digest: str | None = None
    tried: int = 0


@dataclass
class TuningTable:
    """Entries by arguments and device.

    The file is JSON, one entry a line, so that people can read it and version control can merge it.

    Examples
    --------
    >>> table = TuningTable.open("matmul.tune.json")
    >>> table.find({"M": 4096, "N": 4096, "K": 4096}, "NVIDIA H100 80GB HBM3").config
    """

    path: Path | None = None
    entries: list[Entry] = field(default_factory=list)

    @staticmethod
    def open(path: str | Path) -> TuningTable:
        """The table in a file; an empty one if there is no file yet.

        Raises
        ------
        TuningTableError
            For a file that is no table, or of a newer version.
        """
        path = Path(path)
        if not path.exists():
            return TuningTable(path)
        try:
            data = json.loads(path.read_text())
            if data["version"] != _VERSION:
                raise ValueError(f"version {data['version']}, expected {_VERSION}")
            return TuningTable(path, [Entry(**entry) for entry in data["entries"]])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TuningTableError(f"{path} is not a tuning table: {error}", fix="write it anew by tuning") from None

    def add(self, arguments: dict[str, Any], result: AutotuneResult, digest: str | None) -> Entry:
        """Enter a tuning run, in place of an older one for the same call and device."""
        measured = sum(record.latency_ms is not None for record in result.records)
        entry = Entry(plain(arguments), result.device, plain(result.config), result.latency, digest, measured)
        self.entries = [e for e in self.entries if (e.arguments, e.device) != (entry.arguments, entry.device)] + [entry]
        return entry

    def save(self, path: str | Path | None = None) -> None:
        """Write the file, atomically."""
        target = Path(path) if path is not None else self.path
        if target is None:
            raise TuningTableError("this table has no file", fix="save(path)")
        target.parent.mkdir(parents=True, exist_ok=True)
        lines = ",\n".join("  " + json.dumps(asdict(entry)) for entry in self.entries)
        handle, name = tempfile.mkstemp(prefix=".staging-", dir=target.parent)
        with os.fdopen(handle, "w") as file:
            file.write(f'{{"version": {_VERSION}, "entries": [\n{lines}\n]}}\n')
        os.replace(name, target)

    def find(
        self, arguments: dict[str, Any], device: str, digest: str | None = None, nearest: bool = False, required: bool = False
    ) -> Entry | None:
        """The entry for a call.

        Parameters
        ----------
        arguments, device
            Of the call.
        digest : str, optional
            Of the function now. An entry that was tuned for another text is *stale*: it is passed over with a warning, or
            refused when `required`.
        nearest : bool
            Whether an entry for other sizes will do: see `nearest`.
        required : bool
            Raise where there is no answer.

        Raises
        ------
        TuningTableError
            Only when `required`.
        """
        wanted = plain(arguments)
        of_device = [e for e in self.entries if e.device == device]
        found = next((e for e in of_device if e.arguments == wanted), None)
        if found is None and nearest:
            found = self.nearest(wanted, device)
        stale = found is not None and digest is not None and found.digest is not None and found.digest != digest
        if found is not None and not stale:
            return found
        if stale:
            message = f"the entry of {self._name()} for {wanted} was tuned for another version of the function"
            if not required:
                logger.warning("%s: tuning again", message)
                return None
            raise TuningTableError(message, fix="tune again and commit the table")
        if required:
            known = "; ".join(str(e.arguments) for e in of_device[:8]) or "nothing"
            raise TuningTableError(
                f"{self._name()} has no entry for {wanted} on {device}",
                fix="tune it and commit the table, or allow lookup='nearest'",
                notes=(f"for this device it has {known}",),
            )
        return None

    def nearest(self, arguments: dict[str, Any], device: str) -> Entry | None:
        """The entry for the nearest sizes.

        The rule: all arguments that are not sizes (not positive ints, also inside of shapes) must be equal; among those
        entries the smallest sum of |log2(size / entry's size)| wins, the earlier one in a tie.
        """
        best, distance = None, math.inf
        for entry in self.entries:
            if entry.device == device:
                apart = _distance(plain(arguments), entry.arguments)
                if apart < distance:
                    best, distance = entry, apart
        return best

    def _name(self) -> str:
        return str(self.path) if self.path is not None else "the tuning table"


def _distance(a: Any, b: Any) -> float:
    if _is_size(a) and _is_size(b):
        return abs(math.log2(a / b))
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return sum(_distance(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return sum(map(_distance, a, b))
    return 0.0 if a == b and type(a) is type(b) else math.inf


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0

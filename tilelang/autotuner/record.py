"""What became of each configuration."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from tilelang.errors import TileLangError

# In the order in which a configuration can meet them.
PRUNED, SKIPPED, COMPILE_FAILED, COMPILE_TIMEOUT = "pruned", "skipped", "compile failed", "compile timeout"
CRASHED, TIMEOUT, OUT_OF_MEMORY, WRONG, FAILED = "crashed", "timeout", "out of memory", "wrong result", "failed"
STOPPED, MEASURED = "stopped early", "measured"
FAILURES = (COMPILE_FAILED, COMPILE_TIMEOUT, CRASHED, TIMEOUT, OUT_OF_MEMORY, WRONG, FAILED)


class AutotuneError(TileLangError, RuntimeError):
    """No configuration could be used; the notes say why of each."""

    code = "TL0722"


@dataclass
class Record:
    """One configuration of a tuning run.

    Attributes
    ----------
    index : int
        Its place in the list.
    config : dict
        As given.
    status : str
        "measured", or what it came to instead: pruned, skipped (no time left), compile failed, compile timeout, crashed,
        timeout, out of memory, wrong result, failed, stopped early (slower than the best by the early-stop factor).
    reason : str
        In words.
    latency_ms, spread : float, optional
        Median time of a call; distance of its quartiles over it.
    predicted_ms : float, optional
        What the cost model said.
    compile_s : float
        Of this run; 0 when it was in the cache.
    samples : list of float
        Medians of repeated measurements.
    reused : bool
        The time is of an earlier run.
    """

    index: int
    config: dict[str, Any]
    status: str = SKIPPED
    reason: str = ""
    latency_ms: float | None = None
    spread: float | None = None
    predicted_ms: float | None = None
    compile_s: float = 0.0
    samples: list[float] = field(default_factory=list)
    reused: bool = False

    def failed(self, status: str, reason: Any) -> None:
        """Note why it is out; frames of C++ that a library appends are left out."""
        text = reason.message if isinstance(reason, TileLangError) else f"{type(reason).__name__}: {reason}"
        self.status, self.reason = status, text.partition("\nframe #0")[0].strip()

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {**asdict(self), "config": plain(self.config)}

    def __str__(self) -> str:
        time = f"{self.latency_ms:.4f} ms" if self.latency_ms is not None else self.status
        return f"#{self.index} {self.config}: {time}" + (f" ({self.reason.splitlines()[0]})" if self.reason else "")


def plain(value: Any) -> Any:
    """`value` as JSON data: enumerations and dtypes by name."""
    if isinstance(value, dict):
        return {str(getattr(key, "value", key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (bool, int, float, str)) and type(value) in (bool, int, float, str) or value is None:
        return value
    return str(getattr(value, "name", value))


def config_key(config: dict[str, Any]) -> str:
    """A configuration as a string that is equal for equal ones."""
    return json.dumps(plain(config), sort_keys=True)

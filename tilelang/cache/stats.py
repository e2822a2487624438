"""What the cache did for this process."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class CacheStats:
    """Counters since the process began or `clear()`.

    Attributes
    ----------
    hits, misses : int
        Look-ups of a kernel that found it on disk or in memory, and that did not.
    builds : int
        Kernels that were compiled.
    corrupt : int
        Entries that were not what had been published.
    repaired : int
        Those that were replaced by a fresh build.
    unwritable : int
        Failures to write to a cache directory.
    pruned : int
        Entries that were removed to keep the cache within its size.
    """

    hits: int = 0
    misses: int = 0
    builds: int = 0
    corrupt: int = 0
    repaired: int = 0
    unwritable: int = 0
    pruned: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter; safe between threads."""
        with self._guard:
            setattr(self, name, getattr(self, name) + by)

    def clear(self) -> None:
        """All counters to zero."""
        for name in self.as_dict():
            setattr(self, name, 0)

    def as_dict(self) -> dict[str, int]:
        """The counters by name."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    @property
    def hit_rate(self) -> float:
        """Hits over look-ups; 0 before the first."""
        return self.hits / max(1, self.hits + self.misses)


stats = CacheStats()

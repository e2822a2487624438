"""Python's garbage collector, which stays out of the way of the passes."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def paused_collector() -> Iterator[None]:
    """No garbage collection inside.

    The passes make many small objects, which reference counts free; for a sixth of the time of a compilation the collector would
    look again at everything that TVM and torch keep alive. What cycles there are wait for the next collection.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:  # another thread that pauses it meanwhile loses only time
            gc.enable()

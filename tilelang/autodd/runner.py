"""Ask whether programs still fail with the text, several at a time, each but once."""

from __future__ import annotations

import ast
import itertools
import os
import queue
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from tilelang.autodd.fork import ForkBackend
from tilelang.autodd.process import ProcessBackend
from tilelang.errors import ArgumentError

BACKENDS: dict[str, type[ForkBackend] | type[ProcessBackend]] = {"fork": ForkBackend, "process": ProcessBackend}


class Runner:
    """Runs candidates.

    Parameters
    ----------
    source : Path
        The original: its name, its directory and its imports count.
    err_msg : str
        What a candidate has to print, or say in its exception, to count as the same failure.
    backend : str
        How candidates run: a key of `BACKENDS`.
    timeout : float
        Seconds for one candidate.
    jobs : int
        How many run at a time.

    Attributes
    ----------
    runs : int
        How many have run.
    last_output : str
        What the last one printed.
    """

    def __init__(self, source: Path, err_msg: str, backend: str, timeout: float, jobs: int) -> None:
        if backend not in BACKENDS:
            raise ArgumentError(f"there is no backend {backend!r}", fix=" or ".join(BACKENDS))
        if not err_msg:
            raise ArgumentError("the text of the failure is empty", fix="--err-msg 'a part of the message'")
        if jobs < 1 or timeout <= 0:
            raise ArgumentError(f"{jobs} jobs of {timeout} seconds", fix="at least one job, and more than no time")
        self.source, self.err_msg, self.timeout = source.absolute(), err_msg, timeout
        self.jobs, self.runs, self.last_output = jobs, 0, ""
        self._known: dict[str, bool] = {}
        self._count = itertools.count()
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="tilelang-autodd-")
        # Candidates' kernels are nobody's: they neither fill the user's cache nor are found there.
        environment = {**os.environ, "TILELANG_CACHE_DIR": str(Path(self._folder.name, "cache"))}
        modules = imported_modules(self.source)
        self._places = [BACKENDS[backend](modules, self.source.parent, environment) for _ in range(jobs)]
        self._free: queue.SimpleQueue[ForkBackend | ProcessBackend] = queue.SimpleQueue()
        for place in self._places:
            self._free.put(place)
        self._pool = ThreadPoolExecutor(jobs)

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)
        for backend in self._places:
            backend.close()
        self._folder.cleanup()

    def first(self, texts: Sequence[str]) -> int | None:
        """The index of the first of these programs that fails in the same way; None if none does.

        They run at the same time; those behind the first one that does are stopped.
        """
        stop = threading.Event()
        futures = [self._pool.submit(self.fails, text, stop) for text in texts]
        try:
            for index, future in enumerate(futures):
                if future.result():
                    return index
            return None
        finally:
            stop.set()
            for future in futures:
                if not future.cancel():
                    future.exception()  # wait for it

    def fails(self, text: str, stop: threading.Event | None = None) -> bool:
        """Whether this program fails in the same way."""
        if text in self._known:
            return self._known[text]
        folder = Path(self._folder.name, str(next(self._count)))
        folder.mkdir()
        path, output = folder / self.source.name, folder / "output"
        path.write_text(text)
        stop = stop or threading.Event()
        place = self._free.get()
        try:
            ended = place.run(path, output, self.timeout, stop)
        finally:
            self._free.put(place)
        said = output.read_text(errors="replace") if output.exists() else ""
        found = ended and self.err_msg in said
        with self._lock:
            self.runs += 1
            self.last_output = said
            if ended or not stop.is_set():
                self._known[text] = found
        return found


def imported_modules(source: Path) -> list[str]:
    """What a program imports at its top, and the compiler where that is used: the same in all candidates."""
    found: dict[str, None] = {}
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.Import):
            found.update(dict.fromkeys(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found[node.module] = None
    return [*found, "tilelang.engine.driver"] if any(name.partition(".")[0] == "tilelang" for name in found) else [*found]

"""Ask whether programs still fail with the text: each in a process that is killed when its time is over."""

from __future__ import annotations

import ast
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from tilelang.errors import ArgumentError

BACKENDS = ("fork", "process")
_STEP = 0.05  # seconds between looks at the clock


class Runner:
    """Runs candidates, several at a time.

    Parameters
    ----------
    source : Path
        The original: its name, its directory and its imports count.
    err_msg : str
        What a candidate has to print, or say in its exception, to count as the same failure.
    backend : {"fork", "process"}
        Forked from a process that has imported what the original imports, or a fresh interpreter each.
    timeout : float
        Seconds for one candidate.
    jobs : int
        How many run at a time.
    """

    def __init__(self, source: Path, err_msg: str, backend: str, timeout: float, jobs: int) -> None:
        if backend not in BACKENDS:
            raise ArgumentError(f"there is no backend {backend!r}", fix="fork or process")
        if backend == "fork" and not hasattr(os, "fork"):
            raise ArgumentError("this system does not fork processes", fix="--backend process")
        if not err_msg:
            raise ArgumentError("the text of the failure is empty", fix="--err-msg 'a part of the message'")
        if jobs < 1 or timeout <= 0:
            raise ArgumentError(f"{jobs} jobs of {timeout} seconds", fix="at least one job, and more than no time")
        self.source, self.err_msg, self.timeout, self.jobs = source.absolute(), err_msg, timeout, jobs
        self.runs = 0
        self.last_output = ""
        self._known: dict[str, bool] = {}
        self._count = itertools.count()
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="tilelang-autodd-")
        # Candidates' kernels are nobody's: they neither fill the user's cache nor are found there.
        self._environment = {**os.environ, "TILELANG_CACHE_DIR": str(Path(self._folder.name, "cache"))}
        self._pool = ThreadPoolExecutor(jobs)
        self._servers: list[_Server] = []
        if backend == "fork":
            modules = imported_modules(self.source)
            self._servers = [_Server(modules, self.source.parent, self._environment) for _ in range(jobs)]
        self._free = list(self._servers)

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)
        for server in self._servers:
            server.close()
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
                future.cancel()
            for future in futures:
                if not future.cancelled():
                    future.exception()

    def fails(self, text: str, stop: threading.Event | None = None) -> bool:
        """Whether this program fails in the same way."""
        with self._lock:
            if text in self._known:
                return self._known[text]
            number = next(self._count)
            server = self._free.pop() if self._servers else None
        folder = Path(self._folder.name, str(number))
        folder.mkdir()
        path, output = folder / self.source.name, folder / "output"
        path.write_text(text)
        stop = stop or threading.Event()
        try:
            if server is not None:
                finished = server.run(path, self.source.parent, output, self.timeout, stop)
            else:
                finished = _run_fresh(path, self.source.parent, output, self.timeout, stop, self._environment)
        finally:
            if server is not None:
                with self._lock:
                    self._free.append(server)
        said = output.read_text(errors="replace") if output.exists() else ""
        with self._lock:
            self.runs += 1
            self.last_output = said
            found = finished and self.err_msg in said
            if finished or not stop.is_set():
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


def _wait(process: subprocess.Popen, timeout: float, stop: threading.Event) -> bool:
    """Whether the process ended by itself in time."""
    end = time.monotonic() + timeout
    while not stop.is_set() and (left := end - time.monotonic()) > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(left, _STEP))
            return True
    return False


def _run_fresh(path: Path, directory: Path, output: Path, timeout: float, stop: threading.Event, environment: dict) -> bool:
    command = [sys.executable, "-m", "tilelang.autodd.candidate", str(path), str(directory)]
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, start_new_session=True
        )
        try:
            return _wait(process, timeout, stop)
        finally:
            _kill_group(process.pid)
            process.wait()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


class _Server:
    """A `fork_server` and the candidate that runs there now."""

    def __init__(self, modules: list[str], directory: Path, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "tilelang.autodd.fork_server", json.dumps(modules), str(directory)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        self._ready = False

    def run(self, path: Path, directory: Path, output: Path, timeout: float, stop: threading.Event) -> bool:
        """Whether the candidate ended by itself in time."""
        if not self._ready:
            self._answer()
            self._ready = True
        assert self._process.stdin is not None
        print(json.dumps([str(path), str(directory), str(output)]), file=self._process.stdin, flush=True)
        pid = int(self._answer())
        over, timed_out = threading.Event(), threading.Event()

        def watch() -> None:
            end = time.monotonic() + timeout
            while not over.wait(_STEP):
                if stop.is_set() or time.monotonic() > end:
                    timed_out.set()
                    _kill_group(pid)
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        self._answer()
        over.set()
        watcher.join()
        return not timed_out.is_set()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ArgumentError("the process from which candidates are forked has ended", fix="--backend process")
        return line

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

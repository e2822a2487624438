"""Candidates forked from a process that has imported what the original imports: each starts in milliseconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tilelang.autodd.process import kill_group
from tilelang.errors import ArgumentError

_STEP = 0.05  # seconds between looks at the clock


class ForkBackend:
    """A `fork_server` and the candidate that runs there now; parameters and methods are those of `ProcessBackend`.

    Raises
    ------
    ArgumentError
        Where processes cannot be forked, or if the server ends.
    """

    def __init__(self, modules: Sequence[str], directory: Path, environment: dict[str, str]) -> None:
        if not hasattr(os, "fork"):
            raise ArgumentError("this system does not fork processes", fix="--backend process")
        command = [sys.executable, "-m", "tilelang.autodd.fork_server", json.dumps(list(modules)), str(directory)]
        self._directory, self._ready = directory, False
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )

    def run(self, path: Path, output: Path, timeout: float, stop: threading.Event) -> bool:
        """Run a candidate: see `ProcessBackend.run`."""
        if not self._ready:
            self._answer()
            self._ready = True
        assert self._process.stdin is not None
        print(json.dumps([str(path), str(self._directory), str(output)]), file=self._process.stdin, flush=True)
        pid = int(self._answer())
        ended, killed = threading.Event(), threading.Event()

        def watch() -> None:
            end = time.monotonic() + timeout
            while not ended.wait(_STEP):
                if stop.is_set() or time.monotonic() > end:
                    killed.set()
                    kill_group(pid)
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        self._answer()
        ended.set()
        watcher.join()
        return not killed.is_set()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ArgumentError("the process from which candidates are forked has ended", fix="--backend process")
        return line

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

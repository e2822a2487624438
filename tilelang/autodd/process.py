"""Candidates in fresh interpreters: slow to start, and nothing of one is left for the next."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_STEP = 0.05  # seconds between looks at the clock


class ProcessBackend:
    """One place where a candidate runs.

    Parameters
    ----------
    modules : sequence of str
        What the original imports; each candidate imports it anyway.
    directory : Path
        Where the original lies.
    environment : dict
        The candidates' environment variables.
    """

    def __init__(self, modules: Sequence[str], directory: Path, environment: dict[str, str]) -> None:
        self._directory, self._environment = directory, environment

    def run(self, path: Path, output: Path, timeout: float, stop: threading.Event) -> bool:
        """Run a candidate, with what it prints into `output`.

        Returns
        -------
        bool
            Whether it ended by itself, before the time was over and `stop` was set; it and what it started are gone in any case.
        """
        command = [sys.executable, "-m", "tilelang.autodd.candidate", str(path), str(self._directory)]
        with output.open("wb") as file:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=self._environment, start_new_session=True
            )
            try:
                return _ends(process, timeout, stop)
            finally:
                kill_group(process.pid)
                process.wait()

    def close(self) -> None:
        """Nothing is kept."""


def _ends(process: subprocess.Popen, timeout: float, stop: threading.Event) -> bool:
    end = time.monotonic() + timeout
    while not stop.is_set() and (left := end - time.monotonic()) > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(left, _STEP))
            return True
    return False


def kill_group(pid: int) -> None:
    """Kill a process that leads a group, and all that it started there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)

"""The process from which candidates are forked: it has imported what the program imports, so that each starts in milliseconds.

Protocol: a line with the paths of the candidate, of the directory of the original and of the file for its output, as JSON, on
standard input; a line with the process id and then one with the exit status on standard output. Whoever started it kills
candidates by their process group; it ends with its input.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import signal
import sys
import threading


def main(modules: list[str], directory: str) -> None:
    """Serve until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what imported modules print
    sys.path[0:1] = [directory]
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    sys.stdout.flush()  # or every candidate would print it again
    print("ready", file=answers, flush=True)
    requests: queue.Queue[str | None] = queue.Queue()
    current: list[int] = []

    def read() -> None:
        with os.fdopen(os.dup(0)) as lines:
            for line in lines:
                requests.put(line)
        for pid in current:  # who asked is gone
            _kill(pid)
        requests.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (line := requests.get()) is not None:
        path, where, output = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _candidate(path, where, output)
        with contextlib.suppress(OSError):  # the child may have done it
            os.setpgid(pid, pid)
        current[:] = [pid]
        print(pid, file=answers, flush=True)
        _, status = os.waitpid(pid, 0)
        current.clear()
        _kill(pid)  # what it started and left
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _candidate(path: str, directory: str, output: str) -> None:
    from tilelang.autodd.candidate import run

    os.setpgid(0, 0)
    nothing, text = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(nothing, 0)
    os.dup2(text, 1)
    os.dup2(text, 2)
    status = 1
    try:
        status = run(path, directory)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status & 0xFF)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2])

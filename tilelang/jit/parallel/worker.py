"""A worker process: calls functions that arrive on its socket, one after the other, and answers with what they return."""

from __future__ import annotations

import contextlib
import pickle
import resource
import traceback
from multiprocessing.connection import Connection
from typing import Any

from tilelang.errors import TileLangError
from tilelang.jit.parallel.failure import JobError

_OK, _FAILED = "ok", "failed"


class Retire(BaseException):
    """Raised by a function whose process should do no further work; carries the exception to report.

    A CUDA context that saw an illegal access fails every later call.
    """

    def __init__(self, reason: BaseException) -> None:
        self.reason = reason
        super().__init__(str(reason))


def serve(descriptor: int) -> None:
    """Answer requests until the other end closes or a function asks to retire."""
    connection = Connection(descriptor)
    connection.send_bytes(b"")  # ready
    while True:
        try:
            request = connection.recv_bytes()
            connection.send_bytes(b"")  # begun
        except (EOFError, OSError):
            return
        answer, retire = _answer(request)
        try:
            connection.send_bytes(answer)
        except OSError:
            return
        if retire:
            return


def _answer(request: bytes) -> tuple[bytes, bool]:
    retire = False
    try:
        function, arguments, keywords, memory_limit = pickle.loads(request)
        _limit_memory(memory_limit)
        return pickle.dumps((_OK, function(*arguments, **keywords))), False
    except Retire as wrapped:
        error, retire = wrapped.reason, True
    except BaseException as raised:
        error = raised
    return pickle.dumps((_FAILED, portable(error))), retire


def _limit_memory(limit: int | None) -> None:
    """Cap what this process may allocate. Mapped files and reserved address space (CUDA's) do not count."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = resource.RLIM_INFINITY if limit is None else limit
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def portable(error: BaseException) -> BaseException:
    """`error` if it can be sent as it is, else a `JobError` that describes it."""
    if isinstance(error, MemoryError):
        return JobError("the job ran out of memory", fix="raise the memory limit", notes=_frames(error))
    try:
        copy = pickle.loads(pickle.dumps(error))
        if type(copy) is type(error) and isinstance(error, Exception):
            if not isinstance(error, TileLangError) and hasattr(error, "add_note"):
                error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)[-4:]))
            return error
    except Exception:  # any failure to travel is answered by the description below
        pass
    return JobError(f"{type(error).__name__}: {error}", notes=_frames(error))


def _frames(error: BaseException) -> tuple[str, ...]:
    return tuple(line.rstrip() for line in traceback.format_exception(error)[-6:])


def unpack(answer: bytes) -> Any:
    """The value that a function returned, for the process that asked; raises what it raised."""
    kind, value = pickle.loads(answer)
    if kind == _FAILED:
        raise value
    return value

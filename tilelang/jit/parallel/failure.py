"""What can happen to a job in another process, beside what its function raises."""

from __future__ import annotations

import signal

from tilelang.errors import TileLangError


class WorkerError(TileLangError, RuntimeError):
    """The process that ran a job ended before the job did."""

    code = "TL0710"


class WorkerTimeoutError(WorkerError, TimeoutError):
    """A job took longer than it was given, and its process was killed."""

    code = "TL0711"


class JobError(TileLangError, RuntimeError):
    """A job raised an exception that cannot be sent between processes; its type, text and traceback are in the notes."""

    code = "TL0712"


def died(status: int | None, what: str, memory_limit: int | None) -> WorkerError:
    """The exception for a worker process that ended with a wait status (None: unknown) while it did `what`."""
    capped = f" (it may use {memory_limit / 2**30:.1f} GiB of memory)" if memory_limit else ""
    if status is None:
        reason = "was lost"
    elif status < 0:
        reason = f"was killed by {_signal_name(-status)}"
    else:
        reason = f"ended with exit status {status}"
    return WorkerError(
        f"the process that {what} {reason}{capped}", fix="other jobs are not affected; give this one less to do, or more memory"
    )


def timed_out(seconds: float, what: str) -> WorkerTimeoutError:
    """The exception for a job that was killed after `seconds`."""
    return WorkerTimeoutError(f"{what} took longer than {seconds:g} s and was killed", fix="raise the timeout, if that is wanted")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

"""Worker processes that can be killed, as a `concurrent.futures.Executor`."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import pickle
import select
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from tilelang.jit.parallel.failure import died, timed_out
from tilelang.jit.parallel.worker import unpack

DEFAULT_MEMORY_LIMIT = 8 * 2**30  # bytes of one compiling worker; a large kernel takes 0.5 GiB
_IDLE_SECONDS = 300.0  # then the processes of a pool end, until the next job


@dataclass(eq=False)
class _Job:
    future: Future
    request: bytes
    timeout: float | None
    what: str
    memory_limit: int | None
    again: bool = False  # given to a second worker, because the first ended before it began


@dataclass(eq=False)
class _Worker:
    token: str
    connection: Connection
    job: _Job | None = None
    deadline: float = float("inf")
    late: bool = False  # killed at its deadline
    ready: bool = False  # forked, and listening
    begun: bool = False  # it has taken its job
    status: int | None = None
    gone: bool = False

    def start_clock(self) -> None:
        """The time limit of a job counts from when a worker is there to do it."""
        if self.ready and self.job is not None and self.job.timeout is not None:
            self.deadline = time.monotonic() + self.job.timeout


@dataclass
class _Server:
    """The zygote, as seen from here."""

    process: subprocess.Popen
    control: socket.socket
    workers: dict[str, _Worker] = field(default_factory=dict)


class WorkerPool(Executor):
    """Runs functions in worker processes that are reused, capped in memory and killed when they hang.

    Parameters
    ----------
    max_workers : int
        Processes at a time.
    kind : str
        What is imported before workers are forked: "compile" (TVM and the compilers, torch is kept out), "measure" (torch)
        or "plain" (nothing).
    memory_limit : int, optional
        Bytes that a worker may allocate; None: no limit.

    Examples
    --------
    >>> with WorkerPool(2) as pool:
    ...     pool.call(math.factorial, 10, timeout=5.0).result()
    3628800
    """

    def __init__(self, max_workers: int, kind: str = "compile", memory_limit: int | None = DEFAULT_MEMORY_LIMIT) -> None:
        self.max_workers, self.kind, self.memory_limit = max(1, max_workers), kind, memory_limit
        self._lock = threading.Lock()
        self._queue: deque[_Job] = deque()
        self._doomed: list[Future] = []
        self._tokens = itertools.count()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._closed = self._killed = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    # -- for callers --------------------------------------------------------------------------------------------------
    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> Future:
        """Call a function of an importable module in a worker."""
        return self._enqueue(fn, args, kwargs, None, f"ran {fn.__name__}")

    def call(self, fn: Callable, /, *args: Any, timeout: float | None = None, what: str = "") -> Future:
        """`submit` with a time limit.

        Parameters
        ----------
        timeout : float, optional
            Seconds from the moment a worker starts on it; then the worker is killed and the future raises
            `WorkerTimeoutError`.
        what : str
            What the job does ("compiled `matmul`"), for messages.
        """
        return self._enqueue(fn, args, {}, timeout, what or f"ran {fn.__name__}")

    def _enqueue(self, fn: Callable, args: tuple, kwargs: dict, timeout: float | None, what: str) -> Future:
        job = _Job(Future(), pickle.dumps((fn, args, kwargs, self.memory_limit)), timeout, what, self.memory_limit)
        with self._lock:
            if self._closed:
                raise RuntimeError("the pool has been shut down")
            self._queue.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="tilelang-workers", daemon=True)
                self._thread.start()
        self._wake()
        return job.future

    def start(self) -> None:
        """Start a process now, if none runs, so that the first job does not wait for its imports."""
        if self._server is None:
            self.submit(os.getpid)

    def abort(self, future: Future) -> None:
        """Cancel a job; if a worker is busy with it, kill the worker."""
        if not future.cancel() and not future.done():
            with self._lock:
                self._doomed.append(future)
            self._wake()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all processes; with `wait`, after the jobs that were submitted."""
        with self._lock:
            self._closed = True
            pending = [job.future for job in self._queue]
            if cancel_futures or not wait:
                self._queue.clear()
        if cancel_futures or not wait:
            for future in pending:
                future.cancel()
        self._wake()
        if wait and self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def kill(self) -> None:
        """End all processes at once, whatever they are doing."""
        self._killed = True
        self.shutdown(wait=True, cancel_futures=True)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._wake_write, b"\0")

    # -- the thread that serves them ----------------------------------------------------------------------------------
    def _loop(self) -> None:
        idle_since = time.monotonic()
        try:
            while not self._killed:
                self._abort_doomed()
                self._dispatch()
                busy = [w for w in self._workers() if w.job is not None]
                if busy or self._queue:
                    idle_since = time.monotonic()
                elif self._closed:
                    return
                elif time.monotonic() - idle_since > _IDLE_SECONDS:
                    self._stop_server()
                self._wait(busy)
        finally:
            self._stop_server()

    def _workers(self) -> list[_Worker]:
        return list(self._server.workers.values()) if self._server else []

    def _wait(self, busy: list[_Worker]) -> None:
        """Sleep until something happens, and take note of it."""
        sources: dict[int, Any] = {self._wake_read: None}
        if self._server:
            sources[self._server.control.fileno()] = self._server
            sources.update((w.connection.fileno(), w) for w in self._workers() if not w.gone)
        nearest = min((w.deadline for w in busy), default=float("inf")) - time.monotonic()
        ready, _, _ = select.select(list(sources), [], [], max(0.0, min(nearest, _IDLE_SECONDS)))
        for descriptor in ready:
            source = sources[descriptor]
            if source is None:
                os.read(self._wake_read, 4096)
            elif isinstance(source, _Worker):
                self._hear(source)
        if self._server and self._server.control.fileno() in ready:
            self._hear_server(self._server)
        now = time.monotonic()
        for worker in busy:
            if now >= worker.deadline and worker.job is not None and not worker.late:
                worker.late = True
                worker.deadline = float("inf")
                self._kill(worker)

    def _hear(self, worker: _Worker) -> None:
        """An answer, or the end of a worker."""
        try:
            answer = worker.connection.recv_bytes()
        except (EOFError, OSError):
            worker.gone = True  # its job ends when the server says why
            worker.connection.close()
            return
        if not answer:  # it listens, or takes its job
            worker.begun = worker.ready
            if not worker.ready:
                worker.ready = True
                worker.start_clock()
            return
        job, worker.job, worker.deadline = worker.job, None, float("inf")
        if job is not None and not worker.late:
            try:
                job.future.set_result(unpack(answer))
            except BaseException as error:
                _fail(job.future, error)
        elif job is not None:
            _fail(job.future, timed_out(job.timeout or 0.0, f"the process that {job.what}"))

    def _hear_server(self, server: _Server) -> None:
        try:
            message = server.control.recv(256)
        except OSError:
            message = b""
        if not message:
            self._lose_server()
            return
        _, token, status = message.decode().split()
        worker = server.workers.pop(token, None)
        if worker is not None:
            worker.status = int(status)
            self._bury(worker)

    def _bury(self, worker: _Worker) -> None:
        if not worker.gone:
            while worker.job is not None and worker.connection.poll():  # an answer that was sent before the end
                self._hear(worker)
                if worker.gone:
                    break
            if not worker.gone:
                worker.connection.close()
                worker.gone = True
        job, worker.job = worker.job, None
        if job is not None and worker.ready and not (worker.begun or worker.late or job.again):
            job.again = True  # handed over while the worker was retiring, or dying of an earlier job
            with self._lock:
                self._queue.appendleft(job)
        elif job is not None:
            late = worker.late and job.timeout is not None
            what = f"the process that {job.what}"
            _fail(job.future, timed_out(job.timeout or 0.0, what) if late else died(worker.status, job.what, job.memory_limit))

    def _lose_server(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.control.close()
        server.process.wait()
        for worker in server.workers.values():
            worker.status = server.process.returncode
            self._bury(worker)

    def _abort_doomed(self) -> None:
        with self._lock:
            doomed, self._doomed = self._doomed, []
            waiting = [job for job in self._queue if job.future in doomed]  # for their second worker
            for job in waiting:
                self._queue.remove(job)
        for job in waiting:
            _fail(job.future, died(None, job.what, None))
        for worker in self._workers():
            if worker.job is not None and worker.job.future in doomed:
                worker.job.timeout = None
                worker.job.again = True
                self._kill(worker)

    def _kill(self, worker: _Worker) -> None:
        if self._server:
            with contextlib.suppress(OSError):
                self._server.control.send(f"kill {worker.token}".encode())

    def _dispatch(self) -> None:
        """Hand waiting jobs to free workers, old or new."""
        while True:
            with self._lock:
                job = self._queue.popleft() if self._queue else None
            if job is None:
                return
            worker = self._free_worker()
            if worker is None:
                with self._lock:
                    self._queue.appendleft(job)
                return
            if not job.again and not job.future.set_running_or_notify_cancel():
                continue
            worker.job, worker.begun, worker.late = job, False, False
            worker.start_clock()
            try:
                worker.connection.send_bytes(job.request)
            except OSError:
                continue  # it is ending: the server will say why

    def _free_worker(self) -> _Worker | None:
        workers = self._workers()
        for worker in workers:
            if worker.job is None and not worker.gone and not worker.late:
                return worker
        if len([w for w in workers if not w.gone]) >= self.max_workers:
            return None
        if self._server is None:
            self._server = _start_server(self.kind)
        return _spawn(self._server, str(next(self._tokens)))

    def _stop_server(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.control.close()  # the server kills its workers and ends
        for worker in server.workers.values():
            worker.gone = True
            with contextlib.suppress(OSError):
                worker.connection.close()
            if worker.job is not None:
                _fail(worker.job.future, died(None, worker.job.what, None))
        try:
            server.process.wait(1)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()


def _fail(future: Future, error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _start_server(kind: str) -> _Server:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    path = [os.path.abspath(entry) for entry in sys.path]
    program = (
        f"import sys; sys.path[:] = {path!r}; from tilelang.jit.parallel.zygote import main; main({theirs.fileno()}, {kind!r})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
    )
    theirs.close()
    return _Server(process, ours)


def _spawn(server: _Server, token: str) -> _Worker:
    ours, theirs = socket.socketpair()
    with theirs, contextlib.suppress(OSError):  # a lost server is noticed by its closed socket
        socket.send_fds(server.control, [f"spawn {token}".encode()], [theirs.fileno()])
    worker = _Worker(token, Connection(ours.detach()))
    server.workers[token] = worker
    return worker


_shared: dict[str, WorkerPool] = {}
_shared_lock = threading.Lock()


def shared_pool(
    max_workers: int, kind: str = "compile", name: str = "", memory_limit: int | None = DEFAULT_MEMORY_LIMIT
) -> WorkerPool:
    """This process's pool of a kind (and name), grown to `max_workers`; its workers serve one call after another."""
    with _shared_lock:
        pool = _shared.get(kind + name)
        if pool is None:
            pool = _shared[kind + name] = WorkerPool(max_workers, kind, memory_limit)
        pool.max_workers = max(pool.max_workers, max_workers)
        return pool


@atexit.register
def _shut_down_shared() -> None:
    for pool in _shared.values():
        pool.kill()


os.register_at_fork(after_in_child=_shared.clear)

"""The process from which worker processes are forked: what they need is imported once, and each starts in milliseconds.

It is started fresh rather than forked from the user's process, which may hold a CUDA context, threads and locks; and it does
not import the user's main module, so that scripts need no `if __name__ == "__main__"`. It ends with the user's process, and
its workers with it.

Messages of the control socket, each a datagram: `spawn <token>` with a descriptor, and `kill <token>`, to this process;
`exited <token> <status>` from it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import sys

# What each kind of worker imports before it is forked.
PRELOAD: dict[str, tuple[str, ...]] = {
    "plain": (),
    "compile": (
        "tilelang.engine.callback",
        "tilelang.engine.driver",
        "tilelang.ir.transport",
        "tilelang.jit.compiler",
        "tilelang.jit.compilers.cuda",
        "tilelang.jit.launch_grid",
        "tilelang.jit.lowered",
        "tilelang.jit.param",
        "tilelang.jit.parallel.task",
        "tilelang.runtime.launcher",
        "tilelang.simulator.compiler",
        "tilelang.toolchain.resources",
    ),
    "measure": ("torch", "tilelang.autotuner.measure", "tilelang.jit.adapter", "tilelang.testing.compare"),
}
# A compiler does not need torch, which tvm-ffi imports for 3 seconds where it finds it.
BLOCKED = {"compile": ("torch",)}
# What else it does once for all: (module, function).
PREPARE = {"compile": ("tilelang.toolchain.nvrtc", "load")}
_PR_SET_PDEATHSIG = 1


def main(descriptor: int, kind: str) -> None:
    """Serve until the other end of the socket closes.

    Parameters
    ----------
    descriptor : int
        The control socket.
    kind : str
        A key of `PRELOAD`.
    """
    control = socket.socket(fileno=descriptor)
    for name in BLOCKED.get(kind, ()):
        sys.modules[name] = None  # type: ignore[assignment]
    for name in PRELOAD[kind]:
        importlib.import_module(name)
    if kind in PREPARE:
        module, function = PREPARE[kind]
        getattr(importlib.import_module(module), function)()
    gc.collect()
    gc.freeze()  # collections in the workers leave the shared pages alone
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    workers: dict[int, str] = {}  # process id to token
    try:
        while True:
            ready = select.select([control.fileno(), wake_read], [], [])[0]
            if wake_read in ready:
                os.read(wake_read, 4096)
                _reap(workers, control)
            if control.fileno() in ready:
                message, descriptors, _, _ = socket.recv_fds(control, 256, 1)
                if not message:
                    return
                verb, token = message.decode().split()
                if verb == "spawn":
                    pid = _fork(descriptors[0], control, (wake_read, wake_write))
                    workers[pid] = token
                    os.close(descriptors[0])
                else:
                    _kill(pid for pid, name in workers.items() if name == token)
    except (BrokenPipeError, ConnectionResetError):
        return
    finally:
        _kill(workers)


def _reap(workers: dict[int, str], control: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            _kill([pid])  # compilers that it started
            token = workers.pop(pid, None)
            if token is not None:
                control.send(f"exited {token} {os.waitstatus_to_exitcode(status)}".encode())


def _kill(pids) -> None:
    """Kill workers with all that they started: each leads its own process group."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _fork(descriptor: int, control: socket.socket, wake: tuple[int, int]) -> int:
    server = os.getpid()
    pid = os.fork()
    if pid:
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # also here: a kill may come before the child has done so
        return pid
    try:
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == server:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            for unused in wake:
                os.close(unused)
            from tilelang.jit.parallel.worker import serve

            serve(descriptor)
    finally:
        os._exit(0)  # whatever happened: the server's own clean-up is not this process's

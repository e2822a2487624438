"""Compiling many kernels at once, in processes that can be killed."""

from __future__ import annotations

from tilelang.jit.parallel.failure import JobError, WorkerError, WorkerTimeoutError
from tilelang.jit.parallel.par_compile import KernelList, par_compile
from tilelang.jit.parallel.pool import WorkerPool

__all__ = ["JobError", "KernelList", "WorkerError", "WorkerPool", "WorkerTimeoutError", "par_compile"]

"""Refusing to compile: for one kernel (`no_jit`), for a block of code (`no_jit_scope`), for a process (TILELANG_JIT=off)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tilelang.env import env
from tilelang.errors import JITDisabledError
from tilelang.jit.compilers.base import BinaryJit

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.lowered import LoweredKernel
    from tilelang.jit.wrapper import KernelWrapper

_forbidden: ContextVar[bool] = ContextVar("tilelang_no_jit", default=False)


class NoJit(BinaryJit):
    """Compiles nothing: lowering and inspection work, compiling is an error. There is one object, `no_jit`."""

    name = "no_jit"
    _only: NoJit | None = None

    def __new__(cls) -> NoJit:
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __reduce__(self) -> tuple[type[NoJit], tuple[()]]:
        return NoJit, ()

    def compile(self, kernel: Any, **options: Any) -> KernelWrapper:
        raise disabled(str(getattr(kernel, "__name__", getattr(kernel, "name", "the kernel"))), "")

    def build(self, lowered: LoweredKernel) -> Artifact:
        raise disabled(lowered.name, "")


no_jit = NoJit()


@contextlib.contextmanager
def no_jit_scope() -> Iterator[None]:
    """Inside, kernels come from the cache or not at all: a miss raises JITDisabledError with the key that is missing."""
    token = _forbidden.set(True)
    try:
        yield
    finally:
        _forbidden.reset(token)


def compiling_forbidden() -> bool:
    """Whether only cached binaries may run now."""
    return _forbidden.get() or not env.TILELANG_JIT


def disabled(name: str, digest: str) -> JITDisabledError:
    """The error for a kernel that would have to be compiled."""
    where = f"; the cache has no entry {digest}" if digest else ""
    error = JITDisabledError(
        f"compiling `{name}` is explicitly disabled{where}",
        fix="compile it ahead into this cache, or leave no_jit, no_jit_scope() and TILELANG_JIT=off",
    )
    error.digest = digest
    return error

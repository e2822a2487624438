"""The native launcher behind a tvm-ffi function: the default, with no Python between the call and the binary."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilelang.jit.adapter.base import Adapter, register

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.options import CompileOptions
    from tilelang.runtime.launcher import Named, Recover
    from tilelang.target import Target


@register
class TvmFfiAdapter(Adapter):
    """Takes what tvm-ffi takes: torch tensors and other DLPack producers; outputs come from the framework of the inputs."""

    name = "tvm_ffi"

    def __init__(self, artifact: Artifact, options: CompileOptions) -> None:
        super().__init__(artifact, options)
        self._launcher = load_launcher(artifact)

    @classmethod
    def runs(cls, target: Target) -> bool:
        return True

    def __call__(self, *args: Any) -> Any:
        return self._launcher(*args)

    def entry(self, named: Named, recover: Recover | None) -> Callable[..., Any]:
        own = getattr(self._launcher, "entry", None)  # a watching launcher has none
        return super().entry(named, recover) if own is None else own(named, recover)

    @property
    def raw_function(self) -> Any:
        return getattr(self._launcher, "function", None)


def load_launcher(artifact: Artifact) -> Any:
    """The native launcher of an artifact; with TILELANG_CHECK, one that watches every access of a simulated kernel."""
    from tilelang.env import env
    from tilelang.runtime import Launcher

    if artifact.kind == "simulator" and env.TILELANG_CHECK:
        from tilelang.simulator.check import CheckedLauncher

        return CheckedLauncher(artifact, env.TILELANG_CHECK)
    return Launcher(artifact.plan, artifact.binary())

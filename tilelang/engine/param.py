"""What a kernel says of its parameters, and what `tilelang.lower` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilelang.jit.param import KernelParam

if TYPE_CHECKING:
    from .lower import CompiledArtifact

__all__ = ["CompiledArtifact", "KernelParam"]


def __getattr__(name: str) -> Any:
    if name == "CompiledArtifact":
        from .lower import CompiledArtifact

        return CompiledArtifact
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Kernels that a builder made an extension module of: `CpuJit(module_builder=...)`."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from typing import TYPE_CHECKING, Any

from tilelang.jit.adapter.base import Adapter

if TYPE_CHECKING:
    from types import ModuleType

    from tilelang.cache import Artifact
    from tilelang.jit.options import CompileOptions
    from tilelang.target import Target


class ExtensionAdapter(Adapter):
    """Calls what the builder's `get_wrapper` gives; it takes the place of an execution backend."""

    name = "extension"

    def __init__(self, artifact: Artifact, options: CompileOptions) -> None:
        super().__init__(artifact, options)
        from tilelang.jit.lowered import LoweredKernel

        lowered = LoweredKernel(artifact.source, artifact.plan, artifact.remarks, options, lambda: None, artifact.shared)
        self.module = _load(module_name(self.plan.name), artifact.binary().library)
        self._call = options.compiler.module_builder.get_wrapper(lowered, self.module)  # type: ignore[union-attr]

    @classmethod
    def runs(cls, target: Target) -> bool:
        return target.is_cpu

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)


def module_name(kernel: str) -> str:
    """The name of a kernel's module."""
    return f"tilelang_{kernel}"


def _load(name: str, path: str) -> ModuleType:
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module

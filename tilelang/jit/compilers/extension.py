"""CPU kernels as Python extension modules of a user's own making."""

from __future__ import annotations

import sysconfig
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tilelang.errors import ArgumentTypeError, JITUnavailableError

if TYPE_CHECKING:
    from tilelang.jit.lowered import LoweredKernel


class ExtensionModuleBuilderBase(ABC):
    """Writes the extension module around a kernel's text, and the function that calls it: `CpuJit(module_builder=...)`.

    The text defines, for each launch of `kernel.plan.kernels`, the function

        extern "C" int <name>__cpu(void** arguments, const unsigned grid[3], char* report, unsigned long capacity)

    which runs the launch on the calling thread and its helpers, without Python: release the interpreter lock around it.

    Examples
    --------
    >>> class Counting(LauncherModuleBuilder):
    ...     def get_wrapper(self, kernel, module):
    ...         run = super().get_wrapper(kernel, module)
    ...         def call(*args):
    ...             call.count += 1
    ...             return run(*args)
    ...         call.count = 0
    ...         return call
    >>> kernel = tilelang.compile(func, target="c", jit=CpuJit(module_builder=Counting()))
    """

    def include_dirs(self) -> list[str]:
        """Folders of headers beside those of the kernel's text: Python's."""
        folder = sysconfig.get_path("include")
        if not Path(folder, "Python.h").is_file():
            raise JITUnavailableError(
                f"{folder} has no Python.h", fix="install Python's headers (python3-dev)", tool="Python.h", needed_by="CpuJit"
            )
        return [folder]

    @abstractmethod
    def render_module(self, kernel: LoweredKernel, module_name: str) -> str:
        """The C++ text of the module, `kernel.source` included."""

    @abstractmethod
    def get_wrapper(self, kernel: LoweredKernel, module: ModuleType) -> Callable[..., Any]:
        """What calls of the kernel end in: a function of the parameters that are not outputs, by position."""

    def cache_identity(self) -> Any:
        """What tells its modules from another builder's: the text of its class, and its attributes."""
        from tilelang.frontend.identity import value_identity

        identity = value_identity((type(self), vars(self)))
        if identity is None:
            raise ArgumentTypeError(
                f"nothing tells what {type(self).__name__} writes from what another builder does",
                fix="define it in a file, with plain attributes, or give it a method cache_identity",
            )
        return identity


class LauncherModuleBuilder(ExtensionModuleBuilderBase):
    """The module is the kernel's text; calls are checked, and run without the interpreter lock, by the native launcher."""

    def render_module(self, kernel: LoweredKernel, module_name: str) -> str:
        return f"""#include <Python.h>
{kernel.source}
static PyModuleDef tl_module = {{PyModuleDef_HEAD_INIT, "{module_name}", "The kernel {kernel.name}.", 0}};
PyMODINIT_FUNC PyInit_{module_name}() {{ return PyModuleDef_Init(&tl_module); }}
"""

    def get_wrapper(self, kernel: LoweredKernel, module: ModuleType) -> Callable[..., Any]:
        from tilelang.runtime import Binary, Launcher

        assert module.__file__ is not None
        return Launcher(kernel.plan, Binary.cpu(module.__file__))

"""From a tile program to text: the driver of the passes, `tilelang.lower`, hooks on the text.

Names load when they are used: `tilelang.engine.param` and `callback` import no TVM.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Not at first use: importing the submodule later would put it in the place of its function, which has the same name.
from .lower import CompiledArtifact, lower

if TYPE_CHECKING:
    from .compilation import Compilation, PassRun, Stage, program_text
    from .driver import BackEnd, CompiledProgram, compile_prim_func
    from .param import KernelParam

_NAMES = {
    "Compilation": "compilation",
    "PassRun": "compilation",
    "Stage": "compilation",
    "BackEnd": "driver",
    "CompiledProgram": "driver",
    "compile_prim_func": "driver",
    "program_text": "compilation",
    "KernelParam": "param",
    "register_c_postproc": "callback",
    "register_cuda_postproc": "callback",
    "register_cuda_postproc_callback": "callback",
}

__all__ = [
    "BackEnd",
    "Compilation",
    "CompiledArtifact",
    "CompiledProgram",
    "KernelParam",
    "PassRun",
    "Stage",
    "compile_prim_func",
]
__all__ += ["lower", "program_text"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        value = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""A tile-level language for GPU kernels.

Importing this package loads neither TVM nor torch nor NumPy: names beyond the light ones below are imported at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tilelang.env import env
from tilelang.jit import compile, djit  # and with it `tilelang.jit`, which is also the decorator
from tilelang.log import logger, set_log_level
from tilelang.math import cdiv, next_power_of_2

if TYPE_CHECKING:
    from tilelang.jit import JITKernel as JITKernel
    from tilelang.jit import is_jitted as is_jitted
    from tilelang.jit import jit as jit
    from tilelang.jit import no_jit_scope as no_jit_scope
    from tilelang.jit import xpr as xpr
    from tilelang.pass_configs import PassConfigKey as PassConfigKey

__version__ = "0.2.0"

_SUBMODULES = ["analysis", "ascend", "autodd", "autotuner", "cache", "carver", "codegen", "contrib", "cpu", "cuda", "dtypes"]
_SUBMODULES += [
    "engine",
    "errors",
    "frontend",
    "ir",
    "language",
    "layout",
    "libinfo",
    "metal",
    "profiler",
    "runtime",
    "simulator",
]
_SUBMODULES += ["quantize", "rocm", "target", "testing", "tileop", "toolchain", "tools", "transform", "utils", "webgpu"]
_NAMES = {
    "CompiledArtifact": "tilelang.engine",
    "DataType": "tilelang.ir",
    "build_date": "tilelang.libinfo",
    "deprecated": "tilelang.deprecation",
    "load": "tilelang.loading",
    "lower": "tilelang.engine",
    "register_c_postproc": "tilelang.engine.callback",
    "register_cuda_postproc": "tilelang.engine.callback",
    "register_hip_postproc": "tilelang.engine.callback",
    "tvm": "tilelang.ir",
    "JITImpl": "tilelang.jit.impl",
    "JITKernel": "tilelang.jit.kernel",
    "KernelList": "tilelang.jit.parallel",
    "PassConfigKey": "tilelang.pass_configs",
    "autotune": "tilelang.autotuner",
    "is_jitted": "tilelang.jit.stats",
    "no_jit_scope": "tilelang.jit.compilers.no_jit",
    "par_compile": "tilelang.jit.parallel",
    "Profiler": "tilelang.profiler",
    "TensorSupplyType": "tilelang.profiler",
    "SharedLayout": "tilelang.layout",
    "Fragment": "tilelang.layout",
    "Layout": "tilelang.layout",
    "xpr": "tilelang.jit.xpr",
}

__all__ = ["cdiv", "compile", "disable_cache", "djit", "enable_cache", "env", "is_cache_enabled", "jit"]
__all__ += ["logger", "next_power_of_2", "set_log_level", *_NAMES, *_SUBMODULES]


def enable_cache() -> None:
    """Keep compiled kernels on disk, whatever the environment says."""
    env.TILELANG_DISABLE_CACHE = False


def disable_cache() -> None:
    """Compile anew and write nothing, whatever the environment says."""
    env.TILELANG_DISABLE_CACHE = True


def is_cache_enabled() -> bool:
    """Whether compiled kernels are kept on disk."""
    return not env.TILELANG_DISABLE_CACHE


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"tilelang.{name}")
    raise AttributeError(f"module 'tilelang' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

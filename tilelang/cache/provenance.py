"""How an entry came to be: what `tilelang cache show` prints and a reader needs to build it again."""

from __future__ import annotations

import os
import platform
import time
from typing import TYPE_CHECKING, Any

from tilelang.cache.key import CacheKey
from tilelang.toolchain.versions import package_version

if TYPE_CHECKING:
    from tilelang.codegen.launch_plan import LaunchPlan
    from tilelang.jit.options import CompileOptions

_PACKAGES = ("apache-tvm", "apache-tvm-ffi", "nvidia-cuda-nvrtc", "cuda-bindings")


def provenance(plan: LaunchPlan, options: CompileOptions, key: CacheKey, seconds: float) -> dict[str, Any]:
    """The `meta` of an artifact.

    Parameters
    ----------
    plan : LaunchPlan
        The kernel's name and parameters.
    options : CompileOptions
        How it was compiled.
    key : CacheKey
        What its digest covers.
    seconds : float
        How long the toolchain took.
    """
    from tilelang import __version__

    return {
        "name": plan.name,
        "dtypes": sorted({parameter.dtype for parameter in plan.parameters}),
        "target": str(options.target),
        "execution_backend": options.execution_backend,
        "pass_configs": {str(key): str(value) for key, value in options.pass_configs.items()},
        "compile_flags": list(options.compile_flags),
        "key": key.parts,
        "seconds": round(seconds, 3),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "host": platform.node(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "process": os.getpid(),
        "versions": {"tilelang": __version__, **{package: package_version(package) for package in _PACKAGES}},
    }

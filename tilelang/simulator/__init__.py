"""Run kernel text on the CPU: compile it with the host's C++ compiler, launch it on the simulator's runtime library.

The runtime is in `src/simulator` (C interface: `include/tl_sim_abi.h`), its headers stand in for those of `src/device`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tilelang.simulator.compiler import cache_key, compile_kernel
    from tilelang.simulator.launch import SimulatedModule, resolve_places, simulation_error
    from tilelang.simulator.runtime import include_directories, library_path, load_library, source_root
    from tilelang.simulator.tensor_map import TensorMap

_WHERE = {
    **dict.fromkeys(("cache_key", "compile_kernel"), "compiler"),
    **dict.fromkeys(("SimulatedModule", "resolve_places", "simulation_error"), "launch"),
    **dict.fromkeys(("include_directories", "library_path", "load_library", "source_root"), "runtime"),
    "TensorMap": "tensor_map",
}

__all__ = [
    "SimulatedModule",
    "TensorMap",
    "cache_key",
    "compile_kernel",
    "include_directories",
    "library_path",
    "load_library",
    "resolve_places",
    "simulation_error",
    "source_root",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"tilelang.simulator.{_WHERE[name]}"), name)

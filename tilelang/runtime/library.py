"""The native launcher library, loaded once."""

from __future__ import annotations

import functools

from tilelang.paths import library_path


@functools.cache
def load_runtime():
    """The functions of src/runtime: `cuda_launcher`, `simulator_launcher`."""
    import tvm_ffi

    from tilelang.runtime.errors import NativeError

    path = library_path("tilelang_runtime")
    tvm_ffi.register_error("tilelang.runtime.NativeError", NativeError)
    return tvm_ffi.load_module(str(path))

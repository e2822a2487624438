"""The native launcher library, loaded once: an extension module, and a library of tvm-ffi functions."""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
from pathlib import Path
from typing import Any

from tilelang.paths import library_path


@functools.cache
def load_runtime() -> Any:
    """The extension module of src/runtime/python; it needs tvm-ffi's library, but neither its Python package nor torch."""
    import ctypes

    from tilelang.runtime.errors import NativeError
    from tilelang.runtime.frameworks import describe

    path = str(library_path("tilelang_runtime"))
    ctypes.CDLL(str(_tvm_ffi_library()))  # ours finds it by its soname
    loader = importlib.machinery.ExtensionFileLoader("tilelang_runtime", path)
    spec = importlib.util.spec_from_file_location("tilelang_runtime", path, loader=loader)
    assert spec is not None
    try:
        module = importlib.util.module_from_spec(spec)
    except ImportError as error:
        from tilelang.errors import UnavailableError

        raise UnavailableError(
            f"the native library {path} does not load, or is of another version of this package: {error}",
            fix="run `python -m tilelang.runtime.build` in the checkout, or install the package again",
        ) from None
    loader.exec_module(module)
    module.configure(NativeError, describe)
    return module


@functools.cache
def load_functions() -> Any:
    """The same library's tvm-ffi function `launcher_functions`, for arguments that only tvm-ffi can take."""
    import tvm_ffi

    from tilelang.runtime.errors import NativeError

    tvm_ffi.register_error("tilelang.runtime.NativeError", NativeError)
    return tvm_ffi.load_module(str(library_path("tilelang_runtime")))


def _tvm_ffi_library() -> Path:
    """Found without importing the package, which takes as long as all of ours."""
    spec = importlib.util.find_spec("tvm_ffi")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        found = Path(folder, "lib", "libtvm_ffi.so")
        if found.is_file():
            return found
    import tvm_ffi  # laid out otherwise (or missing, which the import says best)

    return Path(tvm_ffi.libinfo.find_libtvm_ffi())

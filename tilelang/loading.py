"""Functions of files: `tilelang.load("gemm.py:matmul")`, `tilelang.load("lab://ops/gemm.py:matmul")`."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tilelang.env import env
from tilelang.errors import ArgumentError


def load(spec: str) -> Any:
    """The function that `FILE:NAME` or `TAG://FILE:NAME` names.

    Parameters
    ----------
    spec : str
        A file and a name in it. After a tag, the file is looked up in the folders that the setting `TILELANG_KERNEL_PATH`
        (`[paths]` in the file) gives the tag, in their order, and must lie inside one of them. `.py` may be left out. Without
        a name, the only kernel of the file.

    Raises
    ------
    ArgumentError
        When the tag, the file or the name does not exist, or the file leaves its folder.

    Examples
    --------
    >>> matmul = tilelang.load("examples/gemm/matmul.py:matmul")  # doctest: +SKIP
    """
    place, _, name = spec.rpartition(":")
    if not place or name.startswith("//") or "/" in name:
        place, name = spec, ""
    tag, separator, inside = place.partition("://")
    path = _in_collection(spec, tag, inside) if separator else Path(place).expanduser()
    path = path if path.suffix or path.is_file() else path.with_suffix(".py")
    if not path.is_file():
        raise ArgumentError(f"{spec!r}: there is no file {path}", fix="write FILE:NAME, such as kernels/gemm.py:matmul")
    module = load_file(path)
    return _kernel_of(module, path, name)


def load_file(path: Path) -> ModuleType:
    """The module of a file, run once; its folder is on the import path while it runs, as if Python had been given the file."""
    path = path.resolve()
    name = f"tilelang_loaded_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise ArgumentError(f"{path} is not a Python file", fix="name a file that ends in .py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.parent))
    return module


def _in_collection(spec: str, tag: str, inside: str) -> Path:
    folders = env.TILELANG_KERNEL_PATH
    if tag not in folders:
        known = f"known are {', '.join(sorted(folders))}" if folders else "none is known"
        raise ArgumentError(f"{spec!r}: no collection is named {tag!r}; {known}", fix="set TILELANG_KERNEL_PATH=TAG=FOLDER")
    for folder in folders[tag]:
        for path in (folder / inside, (folder / inside).with_suffix(".py")):
            if not path.resolve().is_relative_to(folder.resolve()):
                raise ArgumentError(f"{spec!r} leaves the folder {folder}", fix="name a file inside the collection")
            if path.is_file():
                return path
    looked = ", ".join(map(str, folders[tag]))
    raise ArgumentError(f"{spec!r}: no file {inside} in {looked}", fix="correct the path after ://")


def _kernel_of(module: ModuleType, path: Path, name: str) -> Any:
    kernels = [key for key, value in vars(module).items() if is_kernel(value) and not key.startswith("_")]
    if name:
        if not hasattr(module, name):
            near = difflib.get_close_matches(name, vars(module), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ArgumentError(f"{path} has no `{name}`{hint}", fix=f"its kernels: {', '.join(kernels) or 'none'}")
        return getattr(module, name)
    if len(kernels) != 1:
        found = f"{len(kernels)} kernels ({', '.join(kernels)})" if kernels else "no kernel"
        raise ArgumentError(f"{path} has {found}", fix="name one: FILE:NAME")
    return getattr(module, kernels[0])


def is_kernel(value: Any) -> bool:
    """Whether `value` is a function under `@tilelang.jit` or a tile program."""
    from tilelang.frontend.mode import is_prim_func
    from tilelang.jit import JITImpl

    return isinstance(value, JITImpl) or is_prim_func(value)

"""A program compiled to be looked at: what the passes did, without a binary and without the cache."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tilelang.errors import FunctionTypeError

if TYPE_CHECKING:
    from tilelang.engine import Compilation


def label(compilation: Compilation) -> str:
    """A file name for a compilation: its function, and a digest of program, target and pass configurations."""
    written = "".join(stage.after for stage in compilation.stages if stage.name == "trace")
    configs = sorted((key, str(value)) for key, value in compilation.configs.items())
    digest = hashlib.sha256(f"{compilation.target}\0{configs}\0{written}".encode()).hexdigest()[:10]
    return f"{file_name(compilation.name)}-{digest}"


def file_name(text: str) -> str:
    """A name as it can be part of a path."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)


def observe(program: Any, target: Any = None, pass_configs: Mapping[Any, Any] | None = None) -> Compilation:
    """Run the passes on a program.

    Parameters
    ----------
    program : PrimFunc or JITKernel
        A function under T.prim_func, what `tilelang.jit` functions' `get_tir` returns, or a kernel.
    target : optional
        As for `tilelang.compile`; a kernel's own, or "auto", by default.
    pass_configs : mapping, optional
        Beside those of a kernel.

    Raises
    ------
    FunctionTypeError
        For anything else.
    """
    from tilelang.engine import compile_prim_func
    from tilelang.jit.impl import is_prim_func, traced
    from tilelang.jit.kernel import JITKernel
    from tilelang.pass_configs import normalize_pass_configs
    from tilelang.target.target import resolve_target

    own: dict[str, Any] = {}
    if isinstance(program, JITKernel):
        target, own = target if target is not None else program.target, dict(program.pass_configs)
    elif not is_prim_func(program):
        raise FunctionTypeError(
            f"{type(program).__name__} is no tile program",
            fix="pass a function under T.prim_func, a kernel, or get_tir(...) of a function under tilelang.jit",
        )
    func = traced(program)
    for asked in ((func.attrs or {}).get("tilelang_pass_configs"), pass_configs):
        own |= normalize_pass_configs(dict(asked or {}))
    compilation = compile_prim_func(func, resolve_target(target), own).compilation
    assert compilation is not None
    return compilation

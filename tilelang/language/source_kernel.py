"""T.CUDASourceCodeKernel: a launch whose kernel the author wrote in CUDA C++."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from .._lazy import ir
from ..errors import DTypeError, SemanticError, SourceNotFoundError
from ..frontend.builder import require
from .kernel import Kernel

_SUFFIXES = (".cu", ".cuh", ".h", ".hpp", ".cpp", ".cc", ".c", ".txt")


class CUDASourceCodeKernel(Kernel):
    """A launch of a `__global__` function given as CUDA C++.

    It gets the function's parameters in the order of the signature, tensors as pointers to their first element and scalars by
    value, and behind them the symbols of dynamic shapes that are no parameters, in the order of their appearance.

    Parameters
    ----------
    *blocks : int or Expr
        One to three grid extents.
    threads : int or sequence of int, optional
        Threads of a block; 128 by default.
    source_code_or_path : str or path
        The text, or the file that holds it.
    entry_name : str
        The `__global__` function in it.
    cluster_dims : int or sequence of int, optional
        Blocks of a cluster.
    prelude : str, optional
        C++ text placed before it.

    Raises
    ------
    SourceNotFoundError
        If what looks like a file is not there (also a FileNotFoundError).
    SemanticError
        If the text has no such function.

    Examples
    --------
    >>> with T.CUDASourceCodeKernel(T.ceildiv(n, 256), threads=256, source_code_or_path=SOURCE, entry_name="scale"):
    ...     pass
    """

    def __init__(
        self,
        *blocks: Any,
        threads: Any = None,
        source_code_or_path: Any,
        entry_name: str = "main_kernel",
        cluster_dims: Any = None,
        prelude: str | None = None,
    ) -> None:
        super().__init__(*blocks, threads=threads, prelude=prelude, cluster_dims=cluster_dims)
        if not isinstance(entry_name, str) or not entry_name.isidentifier():
            raise DTypeError(f"entry_name={entry_name!r} of T.CUDASourceCodeKernel", fix="the name of a __global__ function")
        self.source, self.entry = exported(_read(source_code_or_path), entry_name), entry_name

    def open(self, names: list[str]) -> Any:
        indices = super().open(names)
        builder = require("T.CUDASourceCodeKernel")
        parameters = [getattr(p, "node", p) for p in builder.parameters]
        call = ir.call("tl.source_kernel", [ir.StringImm(self.source), ir.StringImm(self.entry), *parameters], span=self.span)
        builder.emit(ir.evaluate(call, self.span))
        return indices


def _read(source: Any) -> str:
    """The text, or what the file holds."""
    if not isinstance(source, (str, os.PathLike)):
        raise DTypeError(f"source_code_or_path={source!r} of T.CUDASourceCodeKernel", fix="give CUDA C++ text, or a path")
    text = os.fspath(source)
    if isinstance(source, str) and ("\n" in text or "__global__" in text):
        return text
    path = Path(text)
    if path.is_file():
        return path.read_text()
    if not isinstance(source, str) or path.suffix in _SUFFIXES or os.sep in text:
        raise SourceNotFoundError(
            f"T.CUDASourceCodeKernel: there is no file {text!r}", fix="give an existing path, or the text itself"
        )
    return text


def exported(source: str, entry: str) -> str:
    """The text with its entry declared `extern "C"`, so that the driver finds it by this name."""
    found = re.search(rf"""((?:extern\s+"C"\s+)?)__global__\b[^;{{}}]*?\b{re.escape(entry)}\s*\(""", source)
    if found is None:
        names = re.findall(r"__global__\b[^;{}]*?(\w+)\s*\(\s*(?!\d)", source)
        known = [n for n in names if n != "__launch_bounds__"]
        raise SemanticError(
            f"the source of T.CUDASourceCodeKernel has no __global__ function {entry!r}",
            fix=f"entry_name=... one of {', '.join(known)}" if known else "declare it `__global__ void`",
        )
    inside = source[: found.start()].count("{") > source[: found.start()].count("}")  # of an extern "C" block
    if found[1] or (inside and re.search(r'extern\s+"C"\s*\{', source[: found.start()])):
        return source
    return source[: found.start()] + 'extern "C" ' + source[found.start() :]

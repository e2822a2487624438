"""Compile for a GPU that need not be there: a function; `python -m tilelang.tools.compile_only` is `tilelang compile`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilelang.errors import ArgumentError

if TYPE_CHECKING:
    from tilelang.jit import JITKernel

# What a file's name asks for, as `tilelang show --what` calls it.
SUFFIXES = {".cu": "source", ".cc": "source", ".ptx": "ptx", ".sass": "sass", ".json": "host"}


def compile_only(
    program: Any,
    target: Any = "cuda",
    *,
    output: str | Path | Iterable[str | Path] = (),
    out_idx: int | Sequence[int] | None = None,
    pass_configs: Mapping[Any, Any] | None = None,
    compile_flags: Sequence[str] | str | None = None,
) -> JITKernel:
    """Compile a program and write what was asked for; no GPU is needed, and none is used.

    Parameters
    ----------
    program : PrimFunc
        A function under T.prim_func, or `get_tir(...)` of one under `tilelang.jit`.
    target : str, dict or Target
        Such as {"kind": "cuda", "arch": "sm_90a"}; a plain "sm_90a" is that. "cuda" is the GPU that is here, else sm_90a.
    output : path or iterable of path
        What to write, by the names' ends: .cu (or .cc), .ptx, .sass, .json (the launch plan), .cubin (.so for a CPU).
    out_idx, pass_configs, compile_flags : optional
        As for `tilelang.compile`.

    Returns
    -------
    JITKernel
        With `artifact.payload`, the binary.

    Raises
    ------
    ArgumentError
        For a name whose end says nothing.

    Examples
    --------
    >>> compile_only(matmul.get_tir(1024, 1024, 1024), "sm_90a", output="matmul.cubin")
    """
    from tilelang.jit import compile
    from tilelang.target.target import resolve_target

    if isinstance(target, str) and target.startswith(("sm_", "compute_")):
        target = {"kind": "cuda", "arch": target}
    backend = None if resolve_target(target).is_cpu else "tvm_ffi"  # a cubin, although no GPU may be here to run it
    kernel = compile(
        program,
        out_idx=out_idx,
        target=target,
        execution_backend=backend,
        pass_configs=dict(pass_configs or {}),
        compile_flags=compile_flags,
    )
    for path in [output] if isinstance(output, (str, Path)) else output:
        write_form(kernel, Path(path))
    return kernel


def write_form(kernel: JITKernel, path: Path) -> None:
    """Write a kernel in the form that a file's name asks for, with the folders of the file.

    Raises
    ------
    ArgumentError
        For a name whose end says nothing.
    """
    content = _content(kernel, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def _content(kernel: JITKernel, path: Path) -> str | bytes:
    if path.suffix in SUFFIXES:
        return kernel_text(kernel, SUFFIXES[path.suffix])
    binary = {"cuda": ".cubin"}.get(kernel.artifact.kind, ".so")
    if path.suffix == binary:
        return kernel.artifact.payload
    known = ", ".join([*SUFFIXES, binary])
    raise ArgumentError(f"{path}: no such form of a kernel for {kernel.target}", fix=f"end the name in one of {known}")


def kernel_text(kernel: JITKernel, form: str) -> str:
    """A kernel's "source", "host" (the launch plan), "ptx" or "sass"."""
    if form == "source":
        return kernel.get_kernel_source()
    if form == "host":
        return kernel.get_host_source()
    return kernel._get_ptx() if form == "ptx" else kernel._get_sass()


def main() -> None:
    """`tilelang compile` with the command line's arguments."""
    from tilelang.cli.app import app

    app(["compile", *sys.argv[1:]], prog_name="tilelang")


if __name__ == "__main__":
    main()

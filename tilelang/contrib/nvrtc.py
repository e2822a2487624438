"""NVRTC: CUDA C++ text to PTX or a cubin in this process."""

from __future__ import annotations

from collections.abc import Sequence

from tilelang.contrib.compile_text import arch_of, words
from tilelang.errors import UnsupportedError


def get_nvrtc_version() -> tuple[int, int]:
    """The library's version, as (13, 0).

    Raises
    ------
    UnavailableError
        If it is not installed.
    """
    from tilelang.toolchain.nvrtc import version

    return version()


def compile_cuda(
    code: str,
    target_format: str = "ptx",
    arch: str | int | None = None,
    options: Sequence[str] | str | None = None,
    verbose: bool = False,
) -> bytearray:
    """Compile CUDA C++ text, in which `#include <tl/...>` finds the device library.

    Parameters
    ----------
    code : str
    target_format : {"ptx", "cubin"}
    arch : str or int, optional
        As "sm_90a", "90a" or 90; that of the GPU, or sm_90a where none is, by default.
    options : sequence of str or str, optional
        Further options of the compiler.
    verbose : bool
        Log what the compiler says.

    Returns
    -------
    bytearray

    Raises
    ------
    CompilationError
        If the compiler refuses the text.
    """
    from tilelang.toolchain.nvrtc import compile_text

    if target_format not in ("ptx", "cubin"):
        raise UnsupportedError(f"target_format={target_format!r}", fix='NVRTC makes "ptx" and "cubin"')
    found, _ = compile_text(code, arch_of(arch), form=target_format, name="code", options=words(options), verbose=verbose)
    return bytearray(found.rstrip(b"\0") if target_format == "ptx" else found)

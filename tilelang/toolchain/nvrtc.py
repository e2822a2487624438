"""NVRTC: CUDA C++ to cubin in this process, through cuda-bindings."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Sequence

from tilelang.errors import UnavailableError
from tilelang.log import logger
from tilelang.paths import device_include_directory
from tilelang.toolchain.diagnostics import USER_TEXT, check_log, tool_failure
from tilelang.toolchain.locate import toolkit_headers

# What an author's own text may need beside the language: textures, the runtime's types and calls, launches from the device.
_OF_THE_RUNTIME = re.compile(r"cuda|<<<|#include(?! <tl/)")


@functools.cache
def _bindings():
    try:
        from cuda.bindings import nvrtc
    except ImportError as error:
        raise UnavailableError(f"cuda-bindings is not installed ({error})", fix="pip install 'cuda-bindings==13.*'") from None
    return nvrtc


def load() -> None:
    """Load the library, where there is one: for a process from which others are forked that will need it."""
    with contextlib.suppress(UnavailableError, RuntimeError):
        _bindings().nvrtcVersion()


def version() -> tuple[int, int]:
    """The library's version: major, minor."""
    nvrtc = _bindings()
    try:
        answer = nvrtc.nvrtcVersion()
    except RuntimeError as error:
        raise _not_loaded(error) from None
    status, major, minor = answer
    _check(nvrtc, (status,))
    return major, minor


def _not_loaded(error: RuntimeError) -> UnavailableError:
    return UnavailableError(f"NVRTC could not be loaded ({error})", fix="pip install 'nvidia-cuda-nvrtc==13.0.*'")


def identity() -> str:
    """Package versions; the library itself is not loaded, because a cache hit must not."""
    from tilelang.toolchain.versions import package_version

    return f"nvrtc {package_version('nvidia-cuda-nvrtc')}, cuda-bindings {package_version('cuda-bindings')}"


def compile_text(source: str, arch: str, *, form: str, name: str, options: Sequence[str], verbose: bool) -> tuple[bytes, str]:
    """(the text as `form`, "cubin" or "ptx"; what the compiler said)."""
    nvrtc = _bindings()
    wanted = arch if form == "cubin" else arch.replace("sm_", "compute_")  # a virtual architecture stops before ptxas
    arguments = [f"--gpu-architecture={wanted}", f"--include-path={device_include_directory()}", "--std=c++17"]
    # NVRTC knows memcpy, but not GCC's spelling of it, which the headers share with the host compilers.
    arguments += ["-D__builtin_memcpy=memcpy", *options]
    if USER_TEXT in source:
        if (headers := toolkit_headers()) is not None:
            arguments.append(f"--include-path={headers}")
    elif _OF_THE_RUNTIME.search(source) is None:
        arguments.append("--minimal")  # declares none of it, which saves 6 ms
    if form == "cubin":
        # The report costs nothing measurable. NVRTC's own cache would leave it out, and ptxas' warnings with it.
        arguments += ["--ptxas-options=-v", "--no-cache"]
    try:
        program = _check(nvrtc, nvrtc.nvrtcCreateProgram(source.encode(), f"{name}.cu".encode(), 0, [], []))
    except RuntimeError as error:  # cuda-bindings looks for the library at the first call
        raise _not_loaded(error) from None
    try:
        result = nvrtc.nvrtcCompileProgram(program, len(arguments), [argument.encode() for argument in arguments])[0]
        log = _read(nvrtc, program, "ProgramLog").rstrip(b"\0").decode(errors="replace").strip()
        if result != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            if verbose:
                logger.error("NVRTC on `%s`: %s\n%s", name, result.name, log)
            raise tool_failure("NVRTC", name, f"{result.name}\n{log}", source, options)
        check_log("NVRTC", name, log, verbose)
        return _read(nvrtc, program, form.upper()), log
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _read(nvrtc, program, what: str) -> bytes:
    size = _check(nvrtc, getattr(nvrtc, f"nvrtcGet{what}Size")(program))
    buffer = bytearray(size)
    _check(nvrtc, getattr(nvrtc, f"nvrtcGet{what}")(program, buffer))
    return bytes(buffer)


def _check(nvrtc, answer: tuple):
    status, *values = answer
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise RuntimeError(f"NVRTC failed: {status.name}")
    return values[0] if values else None

"""Kernel text to a shared object for the simulator."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tilelang.errors import CompilationError
from tilelang.simulator.runtime import include_directories, source_root
from tilelang.simulator.toolchain import compiler_identity, host_compiler
from tilelang.toolchain.diagnostics import USER_TEXT, stopped
from tilelang.toolchain.workspace import work_directory

# -g1: lines for memory faults, at no measurable cost. Uninitialised locals get a pattern (bytes 0xfe: NaN or a huge number),
# so that reading one shows. Undefined symbols are the runtime library's, which is loaded first.
_FLAGS = [
    "-std=c++17",
    "-g1",
    "-fPIC",
    "-shared",
    "-nostdlib",
    "-w",
    "-pipe",
    "-fno-exceptions",
    "-fno-rtti",
    "-ffp-contract=off",
    "-fno-strict-aliasing",
    "-ftrivial-auto-var-init=pattern",
    "-fno-asynchronous-unwind-tables",
    "-fno-stack-protector",
    "-fno-plt",
    "-fstack-clash-protection",  # a frame larger than the guard page must meet it, not step over it
]
# For the checker: plain accesses call back (no sanitizer runtime is linked: src/simulator/checker/instrumentation.cc stands in)
# and array indices are checked. g++ must give every local array a place of its own, and each call back that of its access in
# the source: it loses those of stores that it moves out of loops or branches, and of copies of class objects, hence TL_WATCHED
# (tl/float_types.h).
_WATCHED_FLAGS = ["-fsanitize=thread", "-fsanitize=bounds", "-DTL_WATCHED"]
_WATCHED_FLAGS_OF_GCC = ["-fstack-reuse=none", "-fno-tree-loop-im", "-fno-tree-cselim"]
_NO_ENTRY_HOOKS = {
    "gcc": ["--param", "tsan-instrument-func-entry-exit=0"],
    "clang": ["-mllvm", "-tsan-instrument-func-entry-exit=0"],
}
_OPTIONAL_FLAGS = {"-ftrivial-auto-var-init=pattern"}  # g++ before 12 has no such flag


def compile_kernel(
    source: str, entry_names: list[str], *, opt: str = "-O1", watched: bool = False, registers: bool = True
) -> bytes:
    """Compile kernel text for the CPU.

    Parameters
    ----------
    source : str
        CUDA C++ text by the rules of the device library; one `TL_ENTRY(name)` for each kernel.
    entry_names : list of str
        The kernels that must be there.
    opt : str
        Optimisation flag of the compiler.
    watched : bool
        Whether loads and stores of the text are to be seen by the checker (`tilelang.simulator.check`).
    registers : bool
        With `watched`: whether those of all local arrays are, too.

    Returns
    -------
    bytes
        A shared object that exports `name__sim` for each entry. It holds no path and may be cached under
        `cache_key()` and its source.

    Raises
    ------
    UnavailableError
        There is no C++ compiler.
    CompilationError
        The compiler refused the text, or an entry is missing. The compiler's output is in the attribute `log`.
    """
    compiler = host_compiler()
    includes = [flag for folder in include_directories() for flag in ("-I", str(folder))]
    with work_directory() as scratch:
        target = Path(scratch, "kernel.so")
        text = Path(scratch, "kernel.cc")
        if watched:
            from tilelang.simulator.watched_text import mark_iterations

            source = mark_iterations(source)
        text.write_text(source)
        hooks = _watched_flags(compiler, registers) if watched else []
        flags = [*_FLAGS, *hooks, opt, *includes, str(text), "-o", str(target), "-lm"]
        done = subprocess.run([compiler, *flags], capture_output=True, text=True)
        if done.returncode and any(flag in done.stderr for flag in _OPTIONAL_FLAGS):
            flags = [flag for flag in flags if flag not in _OPTIONAL_FLAGS]
            done = subprocess.run([compiler, *flags], capture_output=True, text=True)
        if done.returncode:
            outside = stopped(compiler, entry_names[0] if entry_names else "kernel", done.stderr, done.returncode)
            if outside is not None:
                error = outside
            elif USER_TEXT in source:
                error = _refusal(
                    f"{compiler} refuses the kernel text with what T.import_source added", done.stderr,
                    fix="the simulator takes C++ without PTX and without the CUDA toolkit's types; run this kernel on a GPU",
                )  # fmt: skip
            else:
                error = _refusal(f"{compiler} refuses the generated kernel text", done.stderr)
            error.source, error.command, error.returncode = source, (compiler, *flags), done.returncode
            raise error
        binary = target.read_bytes()
    for name in entry_names:
        if f"{name}__sim\0".encode() not in binary:
            raise _refusal(f"the kernel text has no TL_ENTRY({name})", "")
    return binary


def kernel_command(source: str, target: str) -> list[str]:
    """The command line that compiles a file of kernel text to a shared object."""
    includes = [flag for folder in include_directories() for flag in ("-I", str(folder))]
    return [host_compiler(), *_FLAGS, "-O1", *includes, "-x", "c++", source, "-o", target, "-lm"]


def _watched_flags(compiler: str, registers: bool) -> list[str]:
    family = "clang" if "clang" in Path(compiler).name else "gcc"
    header = source_root() / "simulator" / "checker" / "watched_text.h"
    flags = [*_WATCHED_FLAGS, *(_WATCHED_FLAGS_OF_GCC if family == "gcc" else [])]
    return [*flags, *_NO_ENTRY_HOOKS[family], *(["-include", str(header)] if registers else [])]


def cache_key() -> str:
    """What a compiled kernel depends on besides its text: compiler, flags."""
    return compiler_identity() + " " + " ".join(_FLAGS)


_DEFECT = "this is a defect of tilelang: please report the kernel and the attribute `log`"


def _refusal(message: str, log: str, fix: str = _DEFECT) -> CompilationError:
    error = CompilationError(message, fix=fix)
    error.log = log
    return error

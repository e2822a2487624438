"""The host's C++ compiler for CPU kernels: text to a shared object that the launcher loads.

target="c" takes any (the environment variable CXX, else g++, else clang++); target="llvm" takes clang++, and nothing else: both
compile the same text. TVM's own LLVM code generator is not used: it has no fp8 (docs/cpu.md).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tilelang.env import env
from tilelang.errors import CompilationError, UnavailableError
from tilelang.paths import source_directory
from tilelang.simulator.toolchain import compiler_identity, host_compiler
from tilelang.toolchain.diagnostics import stopped

# Arithmetic is the author's: no reassociation beyond the reductions that the text names. What the machine cannot observe is given
# up: errno of math functions, floating-point exceptions.
RULES = (
    "-shared",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fno-strict-aliasing",
    "-fno-semantic-interposition",
    "-w",
    "-pipe",
)
_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fPIC", *RULES)


# As -ffast-math, but NaN and infinity keep their meaning.
_FAST_MATH = ("-fassociative-math", "-freciprocal-math", "-fno-signed-zeros")


def cpu_compile_options(pass_configs: dict[str, object], compile_flags: Sequence[str]) -> list[str]:
    """The options beside those that every kernel gets."""
    fast = list(_FAST_MATH) if pass_configs.get("tl.enable_fast_math") else []
    return [*fast, *compile_flags]


def cpu_compiler(kind: str) -> str:
    """Path of the compiler that serves target "c" or "llvm".

    Raises
    ------
    UnavailableError
        There is none.
    """
    if kind == "c":
        return host_compiler()
    named = os.environ.get("CXX", "")
    for candidate in (named if _is_clang(named) else "clang++", *(f"clang++-{version}" for version in range(30, 11, -1))):
        path = shutil.which(candidate)
        if path:
            return path
    raise UnavailableError(
        'target="llvm" compiles with clang++, which is not on PATH',
        fix='install it (Debian, Ubuntu: apt-get install clang libomp-dev), name it in CXX, or use target="c"',
    )


def _is_clang(compiler: str) -> bool:
    return "clang" in Path(compiler).name


def _flags(compiler: str, flags: Sequence[str] = _FLAGS) -> list[str]:
    # What <tl/math_library.h> declares for g++, clang knows by this name.
    return [*flags, *(["-fveclib=libmvec"] if _is_clang(compiler) and os.uname().machine == "x86_64" else [])]


def cpu_compiler_identity(kind: str = "c") -> str:
    """What a compiled kernel depends on besides its text, for cache keys."""
    compiler = cpu_compiler(kind)
    own = f" {env.TILELANG_CXXENV}" if env.TILELANG_CXXENV else ""
    return f"{compiler_identity(compiler)} {' '.join([*_flags(compiler), *env.TILELANG_CXXFLAGS])}{own}"


def cpu_include_directories() -> list[Path]:
    """Include path for kernel text on a CPU: what it does its own way, what it shares with the simulator, the rest."""
    return [source_directory("cpu"), source_directory("simulator") / "include", source_directory("device")]


def cpu_command(
    source: str, target: str, options: Sequence[str] = (), kind: str = "c", compiler: Sequence[str] = ()
) -> list[str]:
    """The command line that makes a shared object of a file; `compiler` is a command with flags that stand for the usual ones."""
    path = compiler[0] if compiler else cpu_compiler(kind)
    flags = [*compiler[1:], *_flags(path, RULES)] if compiler else [*_flags(path), *env.TILELANG_CXXFLAGS]
    includes = [flag for folder in cpu_include_directories() for flag in ("-I", str(folder))]
    return [path, *flags, *options, *includes, "-x", "c++", source, "-o", target, "-lm"]


def compile_cpu_kernel(
    source: str,
    *,
    kind: str = "c",
    name: str = "kernel",
    options: Sequence[str] = (),
    verbose: bool = False,
    compiler: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> bytes:
    """Compile kernel text for this machine.

    Parameters
    ----------
    source : str
        C++ text with one `TL_ENTRY(kernel)` for each kernel.
    kind : {"c", "llvm"}
        The target, which says what compiler may serve.
    name : str
        Of the program, for messages.
    options : sequence of str
        Further flags.
    verbose : bool
        Show the command and what the compiler says.
    compiler : sequence of str
        A command with flags, instead of the target's compiler with the usual ones.
    environment : mapping, optional
        Variables of the compiler's process beside this process's own.

    Returns
    -------
    bytes
        The shared object.

    Raises
    ------
    UnavailableError
        There is no C++ compiler, or it has no OpenMP runtime.
    CompilationError
        The compiler refused the text; `log` holds its words.
    """
    with tempfile.TemporaryDirectory(prefix="tilelang-") as scratch:
        text, binary = Path(scratch, "kernel.cc"), Path(scratch, "kernel.so")
        text.write_text(source)
        command = cpu_command(str(text), str(binary), options, kind, compiler)
        variables = {**os.environ, **env.TILELANG_CXXENV, **(environment or {})}
        done = subprocess.run(command, capture_output=True, text=True, env=variables)
        if verbose:
            print(" ".join(command), done.stderr, sep="\n")
        if done.returncode and "-lomp" in done.stderr:
            raise UnavailableError(
                f"{command[0]} has no OpenMP runtime: {_first_error(done.stderr)}",
                fix='install it (Debian, Ubuntu: apt-get install libomp-dev, of the version of clang), or use target="c"',
            )
        if done.returncode:
            error = stopped(command[0], name, done.stderr, done.returncode) or CompilationError(
                f"{command[0]} refuses the text of `{name}`: {_first_error(done.stderr)}",
                fix="check compile_flags, T.import_source, T.call_extern; else please report the kernel and the attribute `log`",
            )
            error.log, error.source = done.stderr, source
            error.command, error.returncode = tuple(command), done.returncode
            raise error
        return binary.read_bytes()


def _first_error(log: str) -> str:
    lines = [line for line in log.splitlines() if "error" in line]
    if lines and "linker command failed" in lines[0]:  # says nothing: the linker's own words stand before it
        lines = [line for line in log.splitlines() if "ld" in line.split(":")[0]] or lines
    return (lines or log.splitlines() or ["it said nothing"])[0].split("error:")[-1].strip()

"""What a C++ compiler for CPU kernels is called with: `GccInfo`, `ClangInfo`."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tilelang.errors import JITUnavailableError


@dataclass(frozen=True)
class CompilerInfo(ABC):
    """A compiler and its settings.

    Parameters
    ----------
    openmp : bool
        Share blocks out over threads.
    optlevel : str
        "0" to "3". Fast math is a setting of its own and never part of a level.
    cxx_standard : str
        Such as "c++17".
    target : str
        The CPU to compile for; "native" is this machine's, whose instruction set is part of every cache key.
    extra_cxxflags : tuple of str
        Further flags.
    fast_math : bool
        Allow changes of results: reassociation, no NaN, approximate division.
    env : tuple of (str, str)
        Environment variables of the compiler's process.
    """

    openmp: bool = True
    optlevel: str = "3"
    cxx_standard: str = "c++17"
    target: str = "native"
    extra_cxxflags: tuple[str, ...] = ()
    fast_math: bool = False
    env: tuple[tuple[str, str], ...] = ()

    @abstractmethod
    def cxx(self) -> str:
        """The compiler's command."""

    @abstractmethod
    def fast_math_flags(self) -> list[str]:
        """The flags that `fast_math` means."""

    def cxxflags(self) -> list[str]:
        """Flags for compiling."""
        flags = ["-DNDEBUG", f"-std={self.cxx_standard}", "-fPIC", f"-O{self.optlevel}", f"-march={self.target}"]
        flags += ["-fopenmp"] if self.openmp else []
        return [*flags, *(self.fast_math_flags() if self.fast_math else []), *self.extra_cxxflags]

    def linker_flags(self) -> list[str]:
        """Flags for linking a shared object."""
        return ["-shared", "-lm"]

    def include_flags(self) -> list[str]:
        """Where the headers of kernel text are."""
        from tilelang.toolchain.host import cpu_include_directories

        return [flag for folder in cpu_include_directories() for flag in ("-I", str(folder))]

    def restrict_qualifier(self) -> str:
        """How the compiler spells C's `restrict`."""
        return "__restrict__"

    def path(self) -> str:
        """Where the command is.

        Raises
        ------
        JITUnavailableError
            When it is not on PATH.
        """
        found = shutil.which(self.cxx())
        if found is None:
            raise JITUnavailableError(
                f"{self.cxx()} was not found", fix=self.remedy(), tool=self.cxx(), needed_by=type(self).__name__
            )
        return found

    def remedy(self) -> str:
        """One line that installs it."""
        return f"apt-get install {self.cxx().replace('clang++', 'clang')}"

    def version(self) -> str:
        """The first line of what `--version` says."""
        return _version(self.path())

    def instruction_set(self) -> str:
        """What `target` means on this machine: for "native" the options that the compiler makes of it, one after the other."""
        return _native(self.path()) if self.target == "native" else self.target

    @staticmethod
    def get_default() -> CompilerInfo:
        """The compiler of CXX where that is set, else g++, else clang++."""
        named = os.environ.get("CXX")
        if named:
            return ClangInfo(command=named) if "clang" in Path(named).name else GccInfo(command=named)
        return next(iter(CompilerInfo.get_available_compilers()), GccInfo())

    @staticmethod
    def get_available_compilers() -> Sequence[CompilerInfo]:
        """Those on PATH."""
        return [info for info in (GccInfo(), ClangInfo()) if shutil.which(info.cxx())]


@dataclass(frozen=True)
class GccInfo(CompilerInfo):
    """g++."""

    command: str = "g++"

    def cxx(self) -> str:
        return self.command

    def fast_math_flags(self) -> list[str]:
        return ["-ffast-math"]


@dataclass(frozen=True)
class ClangInfo(CompilerInfo):
    """clang++; its fast math keeps infinities, which masks are made of."""

    command: str = "clang++"

    def cxx(self) -> str:
        return self.command

    def fast_math_flags(self) -> list[str]:
        return ["-ffast-math", "-fhonor-infinities"]


@functools.cache
def _native(path: str) -> str:
    """gcc says "-march=... -mavx2 ...", clang "-target-cpu ... -target-feature +avx2 ..." to its own first stage."""
    command = [path, "-march=native", "-E", "-v", "-x", "c++", os.devnull]
    done = subprocess.run(command, capture_output=True, text=True)
    stage = next((line for line in done.stderr.splitlines() if "cc1" in line), "")
    words = stage.split()
    features = [after for word, after in zip(words, words[1:]) if word in ("-target-cpu", "-target-feature")]
    return " ".join(features or [word for word in words if word.startswith("-m") and word != "-march=native"])


@functools.cache
def _version(path: str) -> str:
    done = subprocess.run([path, "--version"], capture_output=True, text=True)
    return (done.stdout.splitlines() or [""])[0]

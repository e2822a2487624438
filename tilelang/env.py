"""All settings: `tilelang.env.TILELANG_CACHE_DIR` and friends; docs/configuration.md lists them.

Every access resolves the value again (assigned attribute, environment variable, TOML file, default), so that a test or a
notebook can change a variable at any time; an assigned attribute wins until `del env.NAME`.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from tilelang.config import kinds
from tilelang.config.places import cache_home
from tilelang.config.setting import EnvironmentVariableError, Resolved, Setting

__all__ = ["Environment", "EnvironmentVariableError", "env"]

_CORES = kinds.number(int, "a number of cores, or -1 for no limit", lambda value: value == -1 or value > 0)
_SHARE = kinds.number(float, "a share of the cores between 0 and 1", lambda value: 0 < value <= 1)


class Environment:
    """One attribute for each setting."""

    def __init__(self) -> None:
        self.forced: dict[str, Any] = {}

    def snapshot(self, names: tuple[str, ...]) -> tuple:
        """The unparsed values of variables: equal snapshots mean equal settings, and comparing them is cheap."""
        return (*map(_RAW.get, _encoded(names)), *self.forced.items())

    @classmethod
    def settings(cls) -> list[Setting]:
        """All settings in the order of this file."""
        return [value for value in vars(cls).values() if isinstance(value, Setting)]

    def describe(self) -> list[Resolved]:
        """Every setting with its value and where that came from."""
        return [setting.describe(self.forced) for setting in self.settings()]

    # -- cache --------------------------------------------------------------------------------------------------------
    TILELANG_CACHE_DIR: Setting[Path] = Setting(kinds.PATH, cache_home, "cache.root", "Where compiled kernels are kept.")
    TILELANG_CACHE_LAYERS: Setting[tuple[Path, ...]] = Setting(
        kinds.PATHS, (), "cache.layers", "Further caches to read from and never write to, such as one that came with an image."
    )
    TILELANG_DISABLE_CACHE = Setting(kinds.BOOL, False, "cache.disable", "Compile every kernel anew and write nothing.")
    TILELANG_CACHE_MAX_SIZE: Setting[int | None] = Setting(
        kinds.SIZE, 4 << 30, "cache.max_size", "Bytes that the cache may take before the least recently used kernels go; or none."
    )
    TILELANG_KERNEL_CACHE_USE_LIB_STAMP = Setting(
        kinds.BOOL, False, "cache.use_lib_stamp", "Compile anew when the native libraries of this package change."
    )
    TILELANG_TMP_DIR: Setting[Path | None] = Setting(
        kinds.PATH, None, "cache.tmp_dir", "Where temporary files and the fallback cache go; the system's directory if not set."
    )

    # -- compiling ----------------------------------------------------------------------------------------------------
    TILELANG_DEFAULT_TARGET: Setting[Any] = Setting(
        kinds.TARGET,
        "auto",
        "jit.target",
        'The target where none is given: "auto", "cuda", or a table (JSON in the variable) with kind and arch.',
        alias="TILELANG_TARGET",
    )
    TILELANG_EXECUTION_BACKEND = Setting(
        kinds.STRING, "auto", "jit.execution_backend", "The execution backend where none is given."
    )
    TILELANG_VERBOSE = Setting(kinds.BOOL, False, "jit.verbose", "Show the output of NVRTC, nvcc and the C++ compiler.")
    TILELANG_JIT = Setting(kinds.BOOL, True, "jit.enable", "Compile kernels; when off, only what the cache has may run.")
    TILELANG_PRINT_ON_COMPILATION = Setting(
        kinds.BOOL, True, "jit.print_on_compilation", "Log when a kernel's compilation begins and ends."
    )
    TILELANG_JIT_DIAGNOSTICS = Setting(
        kinds.BOOL, False, "jit.diagnostics", "Log the time of each phase, what the cache answered, and why it missed."
    )
    TILELANG_COMPILE_TIMEOUT_SECONDS: Setting[float | None] = Setting(
        kinds.SECONDS, None, "compiler.timeout", "Longest run of an external compiler, in seconds."
    )
    TILELANG_CLEANUP_TEMP_FILES = Setting(
        kinds.BOOL, True, "compiler.cleanup_temp_files", "Remove the files that external compilers worked on."
    )
    TILELANG_CUDA_COMPILER = Setting(
        kinds.choice("nvrtc", "nvcc"), "nvrtc", "compiler.cuda.command", "What turns CUDA C++ into a cubin."
    )

    TILELANG_CXX: Setting[str | None] = Setting(
        kinds.STRING, None, "compiler.cpu.command", "The host's C++ compiler; the variable CXX, g++ or clang++ if not set."
    )
    TILELANG_CXXFLAGS: Setting[tuple[str, ...]] = Setting(
        kinds.WORDS, (), "compiler.cpu.flags", "Further flags of the C++ compiler for CPU targets."
    )
    TILELANG_CXXENV: Setting[dict[str, str]] = Setting(
        kinds.ASSIGNMENTS, {}, "compiler.cpu.env", "Environment variables of the C++ compiler for CPU targets: NAME=value ..."
    )
    TILELANG_KERNEL_PATH: Setting[dict[str, tuple[Path, ...]]] = Setting(
        kinds.COLLECTIONS, {}, "paths", "Named folders of kernels for `tilelang.load`: TAG=FOLDER,FOLDER:TAG=FOLDER."
    )

    TILELANG_INTERPRET = Setting(
        kinds.BOOL, False, "jit.interpret", "Run kernels in Python, where breakpoint() works (jit=False of every function)."
    )

    # -- looking at the passes ----------------------------------------------------------------------------------------
    TILELANG_PASS_DIFF = Setting(
        kinds.REPORT, "off", "passes.diff", "Show what each pass changes: terminal, html (also 1) or both."
    )
    TILELANG_PASS_DIFF_OUTPUT: Setting[Path] = Setting(
        kinds.PATH, Path("tmp/pass_diff_output"), "passes.diff_output", "Where the HTML reports of TILELANG_PASS_DIFF go."
    )
    TL_LOWER_TRACE = Setting(
        kinds.REPORT, "off", "passes.trace", "Keep the program after each pass: terminal, html (also 1) or both."
    )
    TL_LOWER_TRACE_DIR: Setting[Path] = Setting(
        kinds.PATH, Path("tmp/lower_trace_dir"), "passes.trace_dir", "Where the records of TL_LOWER_TRACE go."
    )
    TILELANG_PASS_PROFILE = Setting(kinds.BOOL, False, "passes.profile", "Log how long each pass takes.")
    TILELANG_PASS_PROFILE_THRESHOLD_MS: Setting[float] = Setting(
        kinds.number(float, "a number of milliseconds, at least 0", lambda value: value >= 0),
        0.0,
        "passes.profile_threshold_ms",
        "Passes that take less are logged as one line.",
    )

    # -- simulator ----------------------------------------------------------------------------------------------------
    TILELANG_SIMULATE = Setting(kinds.BOOL, False, "simulator.enable", "Run CUDA kernels in the CPU simulator.")
    TILELANG_CHECK: Setting[tuple[str, ...]] = Setting(
        kinds.CHECKS,
        (),
        "simulator.check",
        "What to look for in every call of a simulated kernel: race,bounds,init,deadlock,misuse, or all.",
    )

    # -- tuning -------------------------------------------------------------------------------------------------------
    TILELANG_AUTO_TUNING_DISABLE_CACHE = Setting(kinds.BOOL, False, "autotune.disable_cache", "Measure every configuration anew.")
    TILELANG_AUTO_TUNING_CPU_UTILITIES = Setting(
        _SHARE, 0.9, "autotune.cpu_utilities", "The share of the cores that compiles configurations."
    )
    TILELANG_AUTO_TUNING_CPU_COUNTS = Setting(
        _CORES, -1, "autotune.cpu_counts", "How many cores compile configurations; -1: by the share above."
    )
    TILELANG_AUTO_TUNING_MAX_CPU_COUNT = Setting(
        _CORES, -1, "autotune.max_cpu_count", "No more cores than this compile configurations; -1: no limit."
    )


# The process's variables as os.environ keeps them: a look-up there costs a microsecond, of which most is spent on encoding.
_RAW: Any = getattr(os.environ, "_data", os.environ)


@functools.cache
def _encoded(names: tuple[str, ...]) -> tuple:
    encode = getattr(os.environ, "encodekey", None) if _RAW is not os.environ else None
    return _with_aliases(names) if encode is None else tuple(map(encode, _with_aliases(names)))


@functools.cache
def _with_aliases(names: tuple[str, ...]) -> tuple[str, ...]:
    settings = [setting for setting in Environment.settings() if setting.name in names]
    return (*names, *(s.alias for s in settings if s.alias is not None), "TILELANG_CONFIG", "XDG_CONFIG_HOME")


env = Environment()

"""The simulator's runtime library: found in the package, else built once into the cache directory."""

from __future__ import annotations

import ctypes
import fcntl
import functools
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tilelang.env import env
from tilelang.errors import CompilationError, SimulationError
from tilelang.simulator.toolchain import compiler_identity, host_compiler

LIBRARY_NAME = "libtilelang_simulator.so"
_PACKAGE = Path(__file__).resolve().parent.parent
_FLAGS = ["-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-fno-strict-aliasing", "-U_FORTIFY_SOURCE"]
# Products of narrow types are exact in single precision, so fusing changes no result there.
_AVX2 = ["-mavx2", "-mfma", "-mf16c", "-ffp-contract=fast"]
_AVX512 = [*_AVX2, "-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw"]
_EXTRA_FLAGS = {"mma_avx2.cc": _AVX2, "sparse_avx2.cc": _AVX2, "wgmma_avx2.cc": _AVX2, "wgmma_avx512.cc": _AVX512}


@functools.cache
def source_root() -> Path:
    """The folder that holds `device` and `simulator`: in an installed package `tilelang/src`, in a checkout `src` beside it."""
    for candidate in (_PACKAGE / "src", _PACKAGE.parent / "src"):
        if (candidate / "simulator" / "include" / "tl_sim_abi.h").is_file():
            return candidate
    raise SimulationError(
        f"the device library's sources are neither in {_PACKAGE / 'src'} nor in {_PACKAGE.parent / 'src'}",
        fix="reinstall tilelang",
    )


def include_directories() -> list[Path]:
    """Include path for kernel text on the CPU, in order: the simulator's headers stand before those of the GPU."""
    root = source_root()
    return [root / "simulator" / "include", root / "device"]


@functools.cache
def library_path() -> Path:
    """Path of the runtime library, which is built first if need be.

    Raises
    ------
    UnavailableError
        There is no C++ compiler.
    CompilationError
        The compiler refused the sources; its output is in the attribute `log`.
    """
    prebuilt = _PACKAGE / "lib" / LIBRARY_NAME
    if prebuilt.is_file() and not _outdated(prebuilt):
        return prebuilt
    folder = env.TILELANG_CACHE_DIR / "simulator" / _digest()
    library = folder / LIBRARY_NAME
    if not library.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "lock", "w") as lock:  # one process builds, others wait
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not library.is_file():
                _build(library)
    return library


@functools.cache
def load_library() -> ctypes.CDLL:
    """The runtime library, with its symbols visible to kernels that are loaded later."""
    library = ctypes.CDLL(str(library_path()), mode=ctypes.RTLD_GLOBAL)
    library.tl_sim_launch.restype = ctypes.c_int
    library.tl_sim_launch.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_void_p),
        ctypes.POINTER(ctypes.c_uint32),
        ctypes.POINTER(ctypes.c_uint32),
        ctypes.c_uint32,
        ctypes.c_char_p,
        ctypes.c_uint64,
    ]
    pointer = ctypes.c_void_p
    library.tl_sim_launch_with.restype = ctypes.c_int
    library.tl_sim_launch_with.argtypes = [pointer, ctypes.POINTER(pointer), pointer, ctypes.c_char_p, ctypes.c_uint64]
    library.tl_sim_encode_tiled.restype = ctypes.c_int
    library.tl_sim_encode_tiled.argtypes = [pointer, pointer, pointer, ctypes.c_char_p, ctypes.c_uint64]
    library.tl_sim_encode_im2col.restype = ctypes.c_int
    library.tl_sim_encode_im2col.argtypes = [pointer] * 4 + [ctypes.c_uint32] * 2 + [ctypes.c_char_p, ctypes.c_uint64]
    for setter in (library.tl_sim_set_threads, library.tl_sim_set_portable):
        setter.restype = None
        setter.argtypes = [ctypes.c_int]
    for maker, arguments in ((library.tl_sim_checker_new, [ctypes.c_uint32]), (library.tl_sim_trace_new, [])):
        maker.restype = ctypes.c_void_p
        maker.argtypes = arguments
    for user in (library.tl_sim_watch, library.tl_sim_watcher_free):
        user.restype = None
        user.argtypes = [ctypes.c_void_p]
    library.tl_sim_watcher_report.restype = ctypes.c_char_p
    library.tl_sim_watcher_report.argtypes = [ctypes.c_void_p]
    library.tl_sim_checker_follow_pointers.argtypes = [ctypes.c_void_p]
    library.tl_sim_checker_follow_pointers.restype = None
    library.tl_sim_register_memory.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_int]
    return library


def _sources() -> list[Path]:
    return sorted((source_root() / "simulator").rglob("*.cc"))


_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


@functools.cache
def _all_sources() -> list[Path]:
    """The library's sources and what they include: device headers that only kernels use are no reason to build it again."""
    found: dict[Path, None] = {}
    pending = _sources()
    while pending:
        path = pending.pop()
        if path in found:
            continue
        found[path] = None
        for name in _INCLUDE.findall(path.read_text()):
            pending += _included(path.parent, name)
    return sorted(found)


@functools.cache
def _included(folder: Path, name: str) -> list[Path]:
    """The file that a source in `folder` means; none for a header of the system."""
    places = (os.path.normpath(os.path.join(place, name)) for place in (folder, *include_directories()))
    return [Path(place) for place in places if os.path.isfile(place)][:1]


def _outdated(library: Path) -> bool:
    """Whether a source of the checkout has changed since the library was built; an installed package is of one piece."""
    if source_root().parent == _PACKAGE:
        return False
    built = library.stat().st_mtime
    roots = (source_root() / "simulator", source_root() / "device")
    if not any(os.stat(path).st_mtime > built for root in roots for path in _files(root)):
        return False  # which is mostly so, and takes a tenth of reading who includes whom
    return any(path.stat().st_mtime > built for path in _all_sources())


def _files(root: Path) -> Iterator[str]:
    for folder, _, names in os.walk(root):
        for name in names:
            yield os.path.join(folder, name)


def _digest() -> str:
    state = hashlib.sha256(compiler_identity().encode())
    for path in _all_sources():
        state.update(path.relative_to(source_root()).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    state.update(repr((_FLAGS, _EXTRA_FLAGS)).encode())
    return state.hexdigest()[:24]


def _build(library: Path) -> None:
    compiler = host_compiler()
    includes = [flag for folder in include_directories() for flag in ("-I", str(folder))]

    def run(command: list[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            error = CompilationError(
                f"{compiler} cannot build the simulator's runtime library",
                fix="use g++ 9 or newer, or clang++ 12 or newer, through the environment variable CXX",
            )
            error.log = " ".join(command) + "\n" + done.stderr
            raise error

    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:

        def compile_one(source: Path) -> str:
            target = str(Path(scratch, source.stem + ".o"))
            extra = _EXTRA_FLAGS.get(source.name, []) if _is_x86() else []  # those files are empty elsewhere
            run([compiler, *_FLAGS, *extra, *includes, "-c", str(source), "-o", target])
            return target

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            objects = list(pool.map(compile_one, _sources()))
        fresh = str(Path(scratch, LIBRARY_NAME))
        run([compiler, "-shared", "-pthread", "-o", fresh, *objects, "-lm", "-ldl"])
        os.replace(fresh, library)  # atomic: a second process that builds at the same time does no harm


def _is_x86() -> bool:
    return os.uname().machine in ("x86_64", "amd64")

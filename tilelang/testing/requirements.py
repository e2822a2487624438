"""Marks for tests that need something."""

from __future__ import annotations

import importlib.util
import operator
from collections.abc import Callable
from typing import Any

_COMPARISONS = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt, "eq": operator.eq}


def _capability() -> tuple[int, int] | None:
    from tilelang.target import device_arch

    arch = device_arch()
    if arch is None:
        return None
    digits = arch.removeprefix("sm_").rstrip("af")
    return int(digits[:-1]), int(digits[-1])


def requires_cuda(test: Callable) -> Any:
    """Skip where no CUDA device answers."""
    import pytest

    return pytest.mark.skipif(_capability() is None, reason="needs a CUDA device")(test)


def requires_cuda_compute_version(major: int, minor: int = 0, mode: str = "ge") -> Callable[[Callable], Any]:
    """Skip unless the device's compute capability compares so with `major.minor`: mode ge, gt, le, lt or eq."""
    import pytest

    found = _capability()
    fits = found is not None and _COMPARISONS[mode](found, (major, minor))
    return pytest.mark.skipif(not fits, reason=f"needs a CUDA device of compute capability {mode} {major}.{minor}, found {found}")


def requires_cuda_compute_version_ge(major: int, minor: int = 0) -> Callable[[Callable], Any]:
    return requires_cuda_compute_version(major, minor, "ge")


def requires_cuda_compute_version_gt(major: int, minor: int = 0) -> Callable[[Callable], Any]:
    return requires_cuda_compute_version(major, minor, "gt")


def requires_cuda_compute_version_le(major: int, minor: int = 0) -> Callable[[Callable], Any]:
    return requires_cuda_compute_version(major, minor, "le")


def requires_cuda_compute_version_lt(major: int, minor: int = 0) -> Callable[[Callable], Any]:
    return requires_cuda_compute_version(major, minor, "lt")


def requires_cuda_compute_version_eq(major: int, minor: int = 0) -> Callable[[Callable], Any]:
    return requires_cuda_compute_version(major, minor, "eq")


def _refused(what: str, test: Callable) -> Any:
    import pytest

    return pytest.mark.skip(reason=f"this version generates no code for {what}")(test)


def requires_rocm(test: Callable) -> Any:
    """Skip: no code for AMD's GPUs."""
    return _refused("AMD's GPUs", test)


def requires_cdna(test: Callable) -> Any:
    """Skip: no code for AMD's GPUs."""
    return _refused("AMD's GPUs", test)


def requires_gfx950(test: Callable) -> Any:
    """Skip: no code for AMD's GPUs."""
    return _refused("AMD's GPUs", test)


def requires_metal(test: Callable) -> Any:
    """Skip: no code for Apple's GPUs."""
    return _refused("Apple's GPUs", test)


def requires_ascend(test: Callable) -> Any:
    """Skip: no code for Ascend's NPUs."""
    return _refused("Ascend's NPUs", test)


def requires_cuda_or_cdna(test: Callable) -> Any:
    """Skip where no CUDA device answers."""
    return requires_cuda(test)


def requires_llvm(test: Callable) -> Any:
    """Skip where the target "llvm" has no compiler."""
    import pytest

    from tilelang.errors import UnavailableError
    from tilelang.toolchain.host import cpu_compiler

    try:
        cpu_compiler("llvm")
    except UnavailableError as error:
        return pytest.mark.skip(reason=str(error))(test)
    return test


def requires_package(name: str) -> Callable[[Callable], Any]:
    """Skip where a Python package is not installed."""
    import pytest

    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"needs the package {name}")

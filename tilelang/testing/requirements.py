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


def requires_package(name: str) -> Callable[[Callable], Any]:
    """Skip where a Python package is not installed."""
    import pytest

    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"needs the package {name}")

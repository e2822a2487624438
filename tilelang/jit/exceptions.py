"""The exceptions of compiling and calling kernels, under one root: `JitError`."""

from __future__ import annotations

from tilelang.errors import (
    ArgumentError,
    ArgumentTypeError,
    CacheCorrupt,
    CacheError,
    CacheUnavailable,
    CompilationError,
    DeviceMismatchError,
    EagerJITBuildError,
    ExperimentalWarning,
    JITDisabledError,
    JitError,
    JITNoBuilderError,
    JITUnavailableError,
    LaunchConfigError,
    NumericalGuardError,
    PerformanceWarning,
    SpecializationError,
)

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "CacheCorrupt",
    "CacheError",
    "CacheUnavailable",
    "CompilationError",
    "DeviceMismatchError",
    "EagerJITBuildError",
    "ExperimentalWarning",
    "JITDisabledError",
    "JITNoBuilderError",
    "JITUnavailableError",
    "JitError",
    "LaunchConfigError",
    "NumericalGuardError",
    "PerformanceWarning",
    "SpecializationError",
]

"""Targets and what each architecture offers."""

from .arch import Arch, find_arch
from .target import Target, device_arch, resolve_target

__all__ = ["Arch", "Target", "device_arch", "find_arch", "resolve_target"]

"""The CPU as a target: what this machine's compiler may assume, as text for cache keys and command lines."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

from .arch import Arch

CPU_KINDS = ("c", "llvm")
# Limits of the language, not of the machine: a program that runs here runs on a GPU.
HOST = Arch("host", 0, 1 << 30)


@functools.cache
def host_cpu() -> str:
    """The CPU that kernels are compiled for: machine, model and a digest of its instruction set.

    A cache directory may be shared by machines; code for one must not be loaded on another.
    """
    model, flags = "", ""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and not model:
                model = value.strip()
            if key.strip() in ("flags", "Features") and not flags:
                flags = value.strip()
    except OSError:
        model = platform.processor()
    import hashlib

    digest = hashlib.sha256(f"{model} {' '.join(sorted(flags.split()))}".encode()).hexdigest()[:12]
    return f"{platform.machine()}-{digest}"

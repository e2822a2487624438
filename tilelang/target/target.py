"""The machine that a kernel is compiled for, and how `target=` arguments name it."""

from __future__ import annotations

import ctypes
import functools
import logging
import os
from dataclasses import dataclass, replace
from typing import Any

from ..errors import UnsupportedError
from .arch import Arch, find_arch
from .cpu import CPU_KINDS, HOST, host_cpu

logger = logging.getLogger("tilelang")
DEFAULT_ARCH = "sm_90a"
_TVM_ARCH = "sm_50"  # what tvm.target.Target("cuda") says where TVM itself sees no GPU


class TargetOptionError(UnsupportedError, AssertionError):
    """An option in a target's text that is not understood. An AssertionError, too: TileLang 0.1 asserted that there is none."""


@dataclass(frozen=True)
class Target:
    """A compilation target.

    Parameters
    ----------
    kind : str
        "cuda"; "c" for this machine's CPU through its C++ compiler, "llvm" through LLVM.
    arch : str
        Such as "sm_90a"; of a CPU what `host_cpu()` says.
    simulated : bool
        Run the emitted CUDA text on the CPU instead of a GPU.
    multiprocessors : int, optional
        Of the product, where they are not as many as the architecture's table says (H100 PCIe: 114). Kernels run on every product
        of an architecture; persistent blocks are as many as multiprocessors.
    """

    kind: str = "cuda"
    arch: str = DEFAULT_ARCH
    simulated: bool = False
    multiprocessors: int | None = None

    def __post_init__(self) -> None:
        if self.multiprocessors is not None and self.multiprocessors < 1:
            raise UnsupportedError(
                f"a target of {self.multiprocessors} multiprocessors does not exist",
                fix="give the product's number, or leave it out",
            )
        if self.kind == "cuda" and self.multiprocessors == find_arch(self.arch).multiprocessors:
            object.__setattr__(self, "multiprocessors", None)  # the same target by another name

    @property
    def is_cpu(self) -> bool:
        """True for the CPU itself (not for a simulated GPU)."""
        return self.kind in CPU_KINDS

    @property
    def on_host(self) -> bool:
        """True where kernels take CPU tensors: the CPU itself and the simulator."""
        return self.is_cpu or self.simulated

    @property
    def limits(self) -> Arch:
        if self.is_cpu:
            return HOST
        arch = find_arch(self.arch)
        return arch if self.multiprocessors is None else arch._replace(multiprocessors=self.multiprocessors)

    def __str__(self) -> str:
        count = "" if self.multiprocessors is None else f", {self.multiprocessors} multiprocessors"
        return f"{self.kind} {self.arch}{count}" + (" (simulated)" if self.simulated else "")


# CUDA driver API, CUdevice_attribute: compute capability (major, minor), multiprocessors.
_MAJOR, _MINOR, _MULTIPROCESSORS = 75, 76, 16


@functools.lru_cache(maxsize=1)
def _device_attributes() -> tuple[int, int, int] | None:
    """Major, minor and multiprocessors of the first GPU; None where no driver or no device answers."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    count, value = ctypes.c_int(), ctypes.c_int()
    if cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
        return None
    found = []
    for attribute in (_MAJOR, _MINOR, _MULTIPROCESSORS):
        if cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, 0):
            return None
        found.append(value.value)
    return found[0], found[1], found[2]


def device_arch() -> str | None:
    """The first GPU's architecture through the CUDA driver; None where no driver or no device answers."""
    found = _device_attributes()
    if found is None:
        return None
    name = f"sm_{found[0]}{found[1]}"
    return name + "a" if found[0] >= 9 else name


def _device_multiprocessors(arch: str) -> int | None:
    """Those of the first GPU, if it is of this architecture."""
    found = _device_attributes()
    return found[2] if found is not None and device_arch() == arch else None


@functools.lru_cache(maxsize=1)
def _say_simulated_once() -> None:
    logger.warning("no CUDA driver answers: kernels run in the CPU simulator for %s", DEFAULT_ARCH)


def _normal_arch(arch: str) -> str:
    arch = arch.replace("compute_", "sm_")
    arch = arch if arch.startswith("sm_") else f"sm_{arch}"
    return arch + "a" if arch in ("sm_90", "sm_100", "sm_120") else arch


def resolve_target(spec: Any = "auto", *, simulate: bool = False) -> Target:
    """The target that `spec` names.

    Parameters
    ----------
    spec : None, "auto", "cuda", "cuda -arch=sm_80", "c", "llvm", dict or Target
        "auto" is CUDA where a driver answers, else the simulator for sm_90a. A dict has "kind", "arch" and "multiprocessors".
    simulate : bool
        Run on the CPU even where a GPU answers (`execution_backend="simulator"`, `TILELANG_SIMULATE=1`).
    """
    simulate = simulate or os.environ.get("TILELANG_SIMULATE", "0") not in ("", "0", "false", "False")
    if isinstance(spec, Target) and spec.is_cpu:
        return spec
    if isinstance(spec, Target):
        return replace(spec, simulated=spec.simulated or simulate)
    if spec is None or spec == "auto":
        arch = device_arch()
        if arch is None and not simulate:
            _say_simulated_once()
        chosen = arch or DEFAULT_ARCH
        return Target("cuda", chosen, simulate or arch is None, _device_multiprocessors(chosen))
    kind, arch, multiprocessors = _parse(spec)
    if kind in CPU_KINDS:
        if arch:
            raise UnsupportedError(
                f"target {kind!r} is this machine's CPU and takes no arch (got {arch!r})", fix=f'use target="{kind}"'
            )
        return Target(kind, host_cpu())
    if kind != "cuda":
        raise UnsupportedError(
            f"target kind {kind!r} is not supported by this version", fix='use target="cuda", "c", "llvm" or "auto"'
        )
    chosen = _normal_arch(arch) if arch else device_arch() or DEFAULT_ARCH
    find_arch(chosen)
    return Target("cuda", chosen, simulate or device_arch() is None, multiprocessors or _device_multiprocessors(chosen))


def _parse(spec: Any) -> tuple[str, str | None, int | None]:
    """Kind, architecture and multiprocessors; the latter two if they are given."""
    if isinstance(spec, dict):
        return str(spec.get("kind", "cuda")), spec.get("arch"), spec.get("multiprocessors")
    if isinstance(spec, str):
        kind, _, rest = spec.partition(" ")
        arch: str | None = None
        for option in rest.split():
            key, _, value = option.lstrip("-").partition("=")
            if key != "arch" or not value:
                raise TargetOptionError(
                    f"Target {spec!r} is not supported: it has the option {option!r}. Pass target options as a dict",
                    fix='write target={"kind": "cuda", "arch": "sm_90a"}',
                )
            arch = value
        return kind, arch, None
    name = getattr(getattr(spec, "kind", None), "name", None)  # a tvm.target.Target
    if name is not None:
        arch = spec.attrs.get("arch") if hasattr(spec, "attrs") else None
        return str(name), None if arch == _TVM_ARCH else arch, None
    raise UnsupportedError(
        f"a target cannot be made from {spec!r}", fix='use "auto", "cuda" or {"kind": "cuda", "arch": "sm_90a"}'
    )

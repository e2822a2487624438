"""Questions about targets."""

from __future__ import annotations

from typing import Any

from tilelang.target.target import Target, device_arch, resolve_target


def determine_target(target: Any = "auto", return_object: bool = False) -> Any:
    """The target that a `target=` argument means: its kind, or the `Target` with `return_object`.

    Examples
    --------
    >>> determine_target("auto")
    'cuda'
    """
    found = resolve_target(target)
    return found if return_object else found.kind


def check_cuda_availability() -> bool:
    """Whether a CUDA driver and a device answer."""
    return device_arch() is not None


def check_hip_availability() -> bool:
    """False: this version generates no HIP text."""
    return False


def check_metal_availability() -> bool:
    """False: this version generates no Metal text."""
    return False


def _arch(target: Any) -> int:
    found: Target = resolve_target(target)
    return 0 if found.is_cpu else int(found.arch.removeprefix("sm_").rstrip("af"))


def target_is_cuda(target: Any) -> bool:
    return resolve_target(target).kind == "cuda"


def target_is_cpu(target: Any) -> bool:
    return resolve_target(target).is_cpu


def target_is_hip(target: Any) -> bool:
    resolve_target(target)
    return False


def target_is_volta(target: Any) -> bool:
    return _arch(target) == 70


def target_is_turing(target: Any) -> bool:
    return _arch(target) == 75


def target_is_ampere(target: Any) -> bool:
    return 80 <= _arch(target) < 90


def target_is_hopper(target: Any) -> bool:
    return 90 <= _arch(target) < 100


def target_is_sm120(target: Any) -> bool:
    return 120 <= _arch(target) < 130


def target_has_async_copy(target: Any) -> bool:
    return _arch(target) >= 80


def target_has_ldmatrix(target: Any) -> bool:
    return _arch(target) >= 75


def target_has_stmatrix(target: Any) -> bool:
    return _arch(target) >= 90


def target_has_bulk_copy(target: Any) -> bool:
    return _arch(target) >= 90


def target_get_warp_size(target: Any) -> int:
    """Threads of a warp; 1 on a CPU."""
    return 1 if resolve_target(target).is_cpu else 32

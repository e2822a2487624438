"""Where tensors live."""

from __future__ import annotations

import functools
import os
from typing import Any


@functools.cache
def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available() and torch.version.hip is None


def __getattr__(name: str) -> Any:
    if name == "IS_CUDA":  # asks torch, which importing this module does not
        return _has_cuda()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def get_current_device() -> Any:
    """The torch device of the current GPU, or the CPU, where kernels run in the simulator.

    Examples
    --------
    >>> x = torch.zeros(16, device=get_current_device())
    """
    import torch

    return torch.device("cuda", torch.cuda.current_device()) if _has_cuda() else torch.device("cpu")


def device_synchronize() -> None:
    """Wait for what runs on the current device."""
    if _has_cuda():
        import torch

        torch.cuda.synchronize()


def get_available_cpu_count() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

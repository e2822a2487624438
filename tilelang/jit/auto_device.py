"""Tensors on the CPU for a kernel on a GPU: moved there, and what the kernel wrote is copied back."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilelang.errors import DeviceMismatchError, PerformanceWarning

if TYPE_CHECKING:
    from tilelang.jit.kernel import JITKernel


def call_moved(kernel: JITKernel, function: Callable[..., Any], args: tuple, error: DeviceMismatchError) -> Any:
    """Call `function` with torch tensors and NumPy arrays of the CPU moved to the GPU.

    Tensors on another GPU are never moved. Outputs stay on the GPU, except that a caller of NumPy arrays gets NumPy arrays.
    One PerformanceWarning for each kernel; `kernel.stats` counts the bytes.

    Parameters
    ----------
    error : DeviceMismatchError
        Raised again where nothing can be moved.
    """
    import numpy
    import torch

    if not torch.cuda.is_available():
        raise error
    inputs = [p for p in kernel.artifact.plan.parameters if not p.output]
    index = next((a.device.index for a in args if isinstance(a, torch.Tensor) and a.is_cuda), torch.cuda.current_device())
    device, moved, back, any_numpy = torch.device("cuda", index), list(args), [], False
    for position, (parameter, value) in enumerate(zip(inputs, args)):
        host = torch.from_numpy(value) if isinstance(value, numpy.ndarray) else value
        if not isinstance(host, torch.Tensor) or host.device.type != "cpu":
            continue
        any_numpy = any_numpy or isinstance(value, numpy.ndarray)
        copy = torch.empty_strided(host.shape, host.stride(), dtype=host.dtype, device=device)
        copy.copy_(host)
        moved[position] = copy
        kernel.stats.h2d_bytes += host.numel() * host.element_size()
        if parameter.written:
            back.append((host, copy))
    if all(a is b for a, b in zip(moved, args)):
        raise error
    if not kernel.stats.moved_calls:
        warnings.warn(
            f"`{kernel.name}` runs on {device}, but tensors on the CPU were passed: they are copied at every call "
            "(auto_device=False makes this an error)",
            PerformanceWarning,
            stacklevel=4,
        )
    kernel.stats.moved_calls += 1
    result = function(*moved)
    for host, copy in back:
        host.copy_(copy)
        kernel.stats.d2h_bytes += host.numel() * host.element_size()
    return _to_numpy(kernel, result) if any_numpy else result


def _to_numpy(kernel: JITKernel, result: Any) -> Any:
    if result is None:
        return None
    tensors = result if isinstance(result, list) else [result]
    kernel.stats.d2h_bytes += sum(t.numel() * t.element_size() for t in tensors)
    arrays = [t.cpu().numpy() for t in tensors]
    return arrays if isinstance(result, list) else arrays[0]

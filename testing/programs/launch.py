"""Compile a program once, run it on inputs and poisoned outputs, and check what it must leave alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import tilelang
from testing.programs.reference import Poisoned, poisoned


def run(
    program: Any, inputs: list[Any], *outputs: tuple[Any, str], device: str, inout: tuple[int, ...] = (), **options: Any
) -> Any:
    """Run a program whose parameters are `inputs` followed by `outputs`.

    Parameters
    ----------
    program : PrimFunc or kernel
        A kernel is used as it is, so that one kernel can be called for several shapes.
    inputs : list of torch.Tensor or scalar
    *outputs : (shape, dtype)
        Allocated here, every byte poisoned, with guards around.
    device : str
    inout : tuple of int
        Inputs that the program changes; all others must keep every byte.
    **options
        For `tilelang.compile`; a `target` that the device cannot run gives way, see `runnable`.

    Returns
    -------
    The output, or a tuple of several, or None.
    """
    if "target" in options:
        options["target"] = runnable(options["target"], device)
    kernel = program if isinstance(program, tilelang.JITKernel) else tilelang.compile(program, **options)
    results = [poisoned(shape, dtype, device) for shape, dtype in outputs]
    unchanged(kernel, inputs, results, inout)
    tensors = tuple(r.tensor for r in results)
    return tensors[0] if len(tensors) == 1 else tensors or None


def runnable(target: Any, device: str) -> Any:
    """The target itself, or "auto" in place of another architecture than the GPU's, whose code a GPU cannot run."""
    if device != "cuda":
        return target
    arch = target.get("arch", "") if isinstance(target, dict) else ""
    major, minor = torch.cuda.get_device_capability()
    return target if arch.rstrip("af") == f"sm_{major}{minor}" else "auto"


def unchanged(call: Callable[..., Any], inputs: list[Any], results: list[Poisoned], inout: tuple[int, ...] = ()) -> Any:
    """Call with inputs and outputs; fail if an input changed or something next to an output was written."""
    before = [x.clone() if isinstance(x, torch.Tensor) and k not in inout else None for k, x in enumerate(inputs)]
    value = call(*inputs, *(r.tensor for r in results))
    for k, (old, new) in enumerate(zip(before, inputs)):
        if old is not None:
            assert _bytes_equal(old, new), f"the kernel changed input {k}"
    for result in results:
        result.assert_guards()
    return value


def _bytes_equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.numel() == 0:
        return True
    return torch.equal(a.contiguous().view(-1).view(torch.uint8), b.contiguous().view(-1).view(torch.uint8))

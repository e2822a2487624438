"""How tensor types allocate, asked once a type by the native launcher."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def describe(tensor_type: type) -> tuple[Callable | None, Callable | None, Callable[[str], Any]] | None:
    """The quickest allocators of a framework, for tensors of a type.

    Returns
    -------
    (empty_cpu, empty_cuda, dtype_of), or None
        Functions of (extents, strides, dtype) that make a tensor on the CPU, or on the current GPU; None where there is none.
        `dtype_of` gives the dtype for an element type of a launch plan. None: the launcher allocates through DLPack.
    """
    torch = sys.modules.get("torch")
    if torch is None or not issubclass(tensor_type, torch.Tensor):
        return None
    from tilelang.language.dtypes import storage_name

    # What torch's own compiled graphs allocate with: half the time of torch.empty, which parses its arguments. They are not
    # public; without them the launcher allocates through DLPack, which costs another microsecond.
    guards = getattr(getattr(torch._C, "_dynamo", None), "guards", None)
    empty_cpu, empty_cuda = (getattr(guards, name, None) for name in ("_empty_strided_cpu", "_empty_strided_cuda"))
    return empty_cpu, empty_cuda, lambda name: getattr(torch, storage_name(name))

"""Names of the language that this version does not have: they say so instead of being unknown."""

from __future__ import annotations

import difflib
from pathlib import Path

from ..errors import UnsupportedError

_INSTEAD = {
    "ClusterKernel": "use T.Kernel",
    "Buffer": "annotate parameters with T.Tensor",
    "alloc_buffer": "use T.alloc_shared, T.alloc_fragment, T.alloc_local or T.alloc_global",
    "decl_buffer": "use T.alloc_shared, T.alloc_fragment or T.alloc_local",
    "parallel": "use T.Parallel",
    "Persistent": "write the loop over tiles with T.serial",
    "tma_copy": "use T.copy",
    "wgmma_gemm": "use T.gemm",
    "launch_thread": "use T.Kernel",
    "thread_binding": "use T.Kernel",
    "If": "use Python's if",
    "While": "use Python's while",
    "call_pure_extern": "use T.call_extern",
}


class UnavailableNameError(UnsupportedError, AttributeError):
    """A name that T does not have."""

    code = "TL0301"


def explain(name: str) -> AttributeError:
    """The exception for `T.<name>`."""
    if name.startswith("__") and name.endswith("__"):
        return AttributeError(f"module 'tilelang.language' has no attribute {name!r}")
    known = (Path(__file__).parent / "unavailable.txt").read_text().split()
    if name in known:
        return UnavailableNameError(
            f"T.{name} is not in this version", fix=_INSTEAD.get(name, "see the language reference for what there is")
        )
    from . import __all__ as names

    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean T.{close[0]}?" if close else ""
    return AttributeError(f"module 'tilelang.language' has no attribute {name!r}.{hint}")

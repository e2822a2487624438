"""TileLang 0.1's device text that unpacks codes: not in this version.

Codes that a kernel unpacks with shifts and masks are recognised by what they mean (docs/architecture.md, section 4).
"""

from __future__ import annotations

from tilelang.absent import absent_names

__getattr__ = absent_names(
    __name__,
    "what its functions return is described by their source alone",
    "unpack with shifts, masks and T.Cast in a T.Parallel loop, which becomes byte permutes and multiply-adds by itself",
)

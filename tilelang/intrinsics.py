"""The older place of `tilelang.cuda.intrinsics`."""

from __future__ import annotations

from tilelang.cuda.intrinsics import make_mma_swizzle_layout

__all__ = ["make_mma_swizzle_layout"]

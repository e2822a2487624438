"""Layouts that matrix instructions read well, for kernels that issue them by hand or annotate their tiles."""

from __future__ import annotations

from tilelang.layout.user import make_mma_swizzle_layout

__all__ = ["make_mma_swizzle_layout"]

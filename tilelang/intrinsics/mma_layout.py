"""The older place of `tilelang.cuda.intrinsics.layout.mma_layout`."""

from __future__ import annotations

from tilelang.cuda.intrinsics.layout.mma_layout import *  # noqa: F403
from tilelang.cuda.intrinsics.layout.mma_layout import __all__ as __all__

"""The older place of `tilelang.cuda.intrinsics`."""

from __future__ import annotations

from tilelang.cuda.intrinsics import *  # noqa: F403
from tilelang.cuda.intrinsics import __all__ as __all__

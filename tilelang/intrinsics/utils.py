"""The older place of `tilelang.cuda.intrinsics.layout.utils`."""

from __future__ import annotations

from tilelang.cuda.intrinsics.layout.utils import *  # noqa: F403
from tilelang.cuda.intrinsics.layout.utils import __all__ as __all__

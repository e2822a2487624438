"""The older place of `tilelang.cuda.intrinsics.macro.tcgen05_macro_generator`."""

from __future__ import annotations

from tilelang.cuda.intrinsics.macro.tcgen05_macro_generator import *  # noqa: F403
from tilelang.cuda.intrinsics.macro.tcgen05_macro_generator import __all__ as __all__

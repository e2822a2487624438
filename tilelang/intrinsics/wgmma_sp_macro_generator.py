"""The older place of `tilelang.cuda.intrinsics.macro.wgmma_sp_macro_generator`."""

from __future__ import annotations

from tilelang.cuda.intrinsics.macro.wgmma_sp_macro_generator import *  # noqa: F403
from tilelang.cuda.intrinsics.macro.wgmma_sp_macro_generator import __all__ as __all__

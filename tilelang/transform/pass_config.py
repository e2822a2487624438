"""The documented place of `tilelang.PassConfigKey`."""

from __future__ import annotations

from tilelang.pass_configs import PassConfigKey

__all__ = ["PassConfigKey"]

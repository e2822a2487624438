"""Passes over tile programs: docs/architecture.md, section 5. `PassConfigKey` names what configures them."""

from __future__ import annotations

from tilelang.pass_configs import PassConfigKey

__all__ = ["PassConfigKey"]

"""AMD's compiler: not in this version."""

from __future__ import annotations

from tilelang.absent import absent_names

__getattr__ = absent_names(__name__, "it generates no HIP text", 'compile for "cuda" or "c"')

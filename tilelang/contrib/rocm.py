"""AMD's toolkit: not in this version."""

from __future__ import annotations

from tilelang.absent import absent_names

__getattr__ = absent_names(__name__, "it has no back end for AMD's GPUs", 'compile for "cuda" or "c"')

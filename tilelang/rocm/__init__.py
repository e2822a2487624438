"""The back end of AMD's GPUs: not in this version. Its names import, and refuse to be used."""

from __future__ import annotations

from tilelang.absent import absent_names

__getattr__ = absent_names(__name__, "it has no back end of AMD's GPUs", 'compile for "cuda" or "c"', ("language",))

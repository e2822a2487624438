"""Configurations to start from: what a cost model thinks of tiles, before anything is compiled or measured."""

from __future__ import annotations

from tilelang.carver import arch, roller, template
from tilelang.carver.arch import CDNA, CPU, CUDA, METAL, RDNA
from tilelang.carver.hint import Hint
from tilelang.carver.template import (
    ConvTemplate,
    ElementwiseTemplate,
    FlashAttentionTemplate,
    GEMVTemplate,
    GeneralReductionTemplate,
    MatmulTemplate,
)

__all__ = [
    "CDNA",
    "CPU",
    "CUDA",
    "ConvTemplate",
    "ElementwiseTemplate",
    "FlashAttentionTemplate",
    "GEMVTemplate",
    "GeneralReductionTemplate",
    "Hint",
    "METAL",
    "MatmulTemplate",
    "RDNA",
    "arch",
    "roller",
    "template",
]

"""Kinds of kernels that there are hints for."""

from __future__ import annotations

from tilelang.carver.template.attention import FlashAttentionTemplate
from tilelang.carver.template.base import Template
from tilelang.carver.template.conv import ConvTemplate
from tilelang.carver.template.elementwise import ElementwiseTemplate
from tilelang.carver.template.gemv import GEMVTemplate
from tilelang.carver.template.matmul import MatmulTemplate
from tilelang.carver.template.reduction import GeneralReductionTemplate

__all__ = [
    "ConvTemplate",
    "ElementwiseTemplate",
    "FlashAttentionTemplate",
    "GEMVTemplate",
    "GeneralReductionTemplate",
    "MatmulTemplate",
    "Template",
]

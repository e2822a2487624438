"""Importing this registers every tile operator."""

from . import (
    all_reduce,
    atomic,
    copy,
    fill,
    gemm,
    gemm_wait,
    group_store,
    print,
    reduce,
    register_call,
    ring,
    scan,
    store_accumulators,
    tcgen05,
    tma,
    turn,
)

__all__ = [
    "all_reduce",
    "atomic",
    "copy",
    "fill",
    "gemm",
    "gemm_wait",
    "group_store",
    "print",
    "reduce",
    "register_call",
    "ring",
    "scan",
    "store_accumulators",
    "tcgen05",
    "tma",
    "turn",
]

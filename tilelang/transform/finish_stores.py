"""Shared memory is there until the bulk stores that read it are done: the kernel's end waits for those that threads issue for
themselves (T.tma_copy) or for their warpgroup."""

from __future__ import annotations

from dataclasses import replace

from .. import ir
from ..tileop.group_store import GroupStore
from ..tileop.tma import ExplicitTensorCopy, RowsCopy
from .kernel_program import KernelProgram
from .units import units_of


def finish_stores(program: KernelProgram) -> KernelProgram:
    """Every thread waits at the end until its own stores have read their tiles."""
    ops = [u.op for u in units_of(program.body)]
    copies = [op for op in ops if isinstance(op, (ExplicitTensorCopy, RowsCopy))]
    if all(copy.is_load for copy in copies) and not any(isinstance(op, GroupStore) for op in ops):
        return program
    wait = ir.evaluate(ir.call("tl.bulk_wait_read", attrs={"template": ["0"]}, span=program.span), program.span)
    return replace(program, body=ir.seq([program.body, wait]))

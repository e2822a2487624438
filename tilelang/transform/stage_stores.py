"""Results of matrix products leave through shared memory and TMA, also where the author copies them straight to a tensor.

Before: T.copy(C_local, C[by * 128, bx * 128])
After:  T.copy(C_local, C_tile); T.copy(C_tile, C[by * 128, bx * 128])

An accumulator's registers hold two neighbours of a row, so that a warp's direct store touches eight rows with 16 bytes each. The
tile takes the place of operands that nobody needs any more.
"""

from __future__ import annotations

from dataclasses import replace

from .. import ir
from ..tileop.base import as_tile_op, dtype_bits
from ..tileop.copy import Copy
from ..tileop.gemm import FRAGMENT, Gemm
from ..tileop.tma.store import tensor_store
from .kernel_program import KernelProgram
from .occupancy import tile_bytes
from .region import covers, ranges_of

# False leaves stores as they are written.
ENABLE = "tl.enable_staged_stores"
WIDEST = 16  # bits of an element: of wider ones, a warp's direct store already fills whole sectors
ROW_BYTES = 64  # of narrower rows the direct store is as good


def stage_stores(program: KernelProgram) -> KernelProgram:
    """The launch with a shared tile between accumulators and the tensors that they are copied to."""
    if program.config(ENABLE) is False or not program.ctx.stored_once:
        return program
    parts = ir.statements(program.body)
    gemms = [op for s in ir.collect(program.body, ir.Evaluate) if isinstance(op := as_tile_op(s), Gemm)]
    accumulators = {op.C.source for op in gemms if op.runs_on_warpgroups(program.ctx)}
    out: list[ir.Stmt] = []
    for i, stmt in enumerate(parts):
        op = as_tile_op(stmt)
        tile = _tile(op, accumulators, program) if isinstance(op, Copy) else None
        if isinstance(op, Copy) and tile is not None and _has_room(tile, parts[:i], parts[i:], program):
            whole = ir.full_region(tile)
            out.append(ir.alloc(tile, op.span))
            out += [ir.evaluate(c.to_call(), op.span) for c in (replace(op, dst=whole), replace(op, src=whole))]
        else:
            out.append(stmt)
    return program if len(out) == len(parts) else replace(program, body=ir.seq(out))


def _tile(op: Copy, accumulators: set[ir.Var], program: KernelProgram) -> ir.Var | None:
    """The tile that a copy should go through; None if it should not."""
    src, dst = op.src.source, op.dst.source
    if src not in accumulators or ir.scope_of(src) != FRAGMENT or not covers(src, ranges_of(op.src)) or op.options:
        return None
    shape, dtype = ir.static_shape(src), ir.buffer_dtype(dst)
    if dtype_bits(dtype) > WIDEST or shape[-1] * dtype_bits(dtype) < 8 * ROW_BYTES or shape[-1] * dtype_bits(dtype) % 128:
        return None
    tile = ir.buffer(shape, dtype, f"{src.name}_tile", "shared.dyn")
    boxes = tensor_store(ir.full_region(tile), op.dst, replace(program.ctx, shared=dict(program.ctx.shared)))
    return None if isinstance(boxes, str) else tile


def _has_room(tile: ir.Var, before: list[ir.Stmt], rest: list[ir.Stmt], program: KernelProgram) -> bool:
    """True if shared memory certainly holds the tile beside what is needed then, and what came before it."""
    stages: dict[ir.Var, int] = {}
    for loop in (n for s in before for n in ir.collect(s, ir.For)):
        for copy in ir.collect(loop.body, ir.Evaluate) if "tl.num_stages" in loop.annotations else ():
            op = as_tile_op(copy)
            if isinstance(op, Copy):
                stages[op.dst.source] = max(1, int(loop.annotations["tl.num_stages"]))
    size = {b: tile_bytes(b) * stages.get(b, 1) for b in ir.declared_buffers(program.body) if ir.scope_of(b).startswith("shared")}
    later = {r.source for s in rest for r in ir.collect(s, (ir.BufferRegion, ir.BufferLoad))}
    later |= {store.buffer for s in rest for store in ir.collect(s, ir.BufferStore)}
    beside = sum(n for b, n in size.items() if b in later) + tile_bytes(tile)
    return max(beside, sum(size.values())) <= program.ctx.target.limits.shared_per_block

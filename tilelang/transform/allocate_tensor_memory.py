"""Tensor memory is allocated by one warp when the kernel begins and given back when it ends; products that nobody waits for get
a barrier.

Before: C_tmem = alloc_tmem((128, 128)); ...; gemm(A_s, B_s, C_tmem)
After:  one warp allocates columns, whose address goes through shared memory to every thread; one thread initialises a barrier for
        each gemm that waits for itself; a barrier of the block; ...; a barrier of the block; one warp deallocates.

Columns come by powers of two, each tile its own (PTX ISA, "tcgen05.alloc"). No other allocation follows, so that the right to
allocate is given up at once.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from .. import ir
from ..errors import ResourceError, UnsupportedError
from ..target.tcgen05 import COLUMNS
from ..tileop.base import as_tile_op
from ..tileop.tcgen05 import SCOPE, DeallocateTensorMemory, ProductByHand, TensorGemm, TensorTile
from ..tileop.tcgen05.tile import check_target
from .kernel_program import KernelProgram
from .ring import BARRIER_SCOPE
from .units import units_of

WARP = 32


def allocate_tensor_memory(program: KernelProgram) -> KernelProgram:
    """The launch with its tensor memory allocated, and every product waited for."""
    take = _Take()
    body = take.body(program.body)
    if not take.allocations:
        return program
    check_target(program.ctx.target, "T.alloc_tmem", ir.span_to_source(take.allocations[0].span))
    ops = [unit.op for unit in units_of(body) if unit.op is not None]
    into = {op.C.source for op in ops if isinstance(op, (TensorGemm, ProductByHand))}
    freed = {op.tile.source for op in ops if isinstance(op, DeallocateTensorMemory)}
    tiles = {}
    for node in take.allocations:
        base = ir.var(f"{node.buffer.name}_address", "uint32")
        tiles[node.buffer] = TensorTile.of(node.buffer, node.buffer in into, base, ir.span_to_source(node.span))
    _check_room(tiles, take.allocations)
    program.ctx.tensor_tiles.update(tiles)
    group = program.ctx.tensor_group = _group(ops, program)
    # What a peer does to this block's memory comes after all of the pair have begun, and before one of them ends.
    meet = "tl.cluster_sync" if group == 2 else "tl.sync_threads"
    waits = _Wait()
    body = waits.body(body)
    first, span = ir.as_expr(program.tid), program.span
    # A slot of its own for each address: one warp writes them all, in a branch that has no barriers.
    slots = [ir.buffer((1,), "uint32", f"{tile.name}_slot", "shared.dyn") for tile in tiles.values()]
    allocate = [
        _call("tl.tcgen05_alloc", ir.address_of(ir.load(slot, [0])), template=(tile.allocated, group), span=n.span)
        for slot, tile, n in zip(slots, tiles.values(), take.allocations)
    ]
    begin = [
        *(ir.alloc(slot, span) for slot in slots),
        *(ir.alloc(barrier, span) for barrier in waits.barriers),
        *(
            s
            for phase in waits.phases
            for s in (ir.alloc(phase, span), ir.BufferStore(phase, ir.const(0, "uint32"), [ir.const(0)], span))
        ),
        ir.IfThenElse(
            first < WARP, ir.seq([*allocate, _call("tl.tcgen05_relinquish", template=(group,), span=span)]), None, span
        ),
        _initialise(waits.barriers, first, span),
        _call("tl.tcgen05_fence_before", span=span),
        _call(meet, span=span),
        _call("tl.tcgen05_fence_after", span=span),
        *(ir.Bind(tile.base, ir.load(slot, [0]), span) for slot, tile in zip(slots, tiles.values())),
    ]
    left = [buf for buf in tiles if buf not in freed]
    free = [_call("tl.tcgen05_dealloc", tiles[buf].base, template=(tiles[buf].allocated, group), span=span) for buf in left]
    fenced = [_call("tl.tcgen05_fence_after", span=span), *free]
    end = [_call(meet, span=span), ir.IfThenElse(first < WARP, ir.seq(fenced), None, span)] if free or group == 2 else []
    return replace(program, body=ir.seq([*begin, body, *end]))


def _group(ops: list[Any], program: KernelProgram) -> int:
    """How many blocks share products: one, or two neighbours of a cluster."""
    products = [op for op in ops if isinstance(op, TensorGemm)]
    pairs = [op for op in products if op.pair]
    if not pairs:
        return 1
    single = next((op for op in products if not op.pair), None)
    if single is not None:
        raise UnsupportedError(
            "products of single blocks and of pairs of blocks in one kernel",
            fix="give all T.tcgen05_gemm of the kernel use_2cta, or none",
            span=single.source,
        )
    if prod(program.cluster) % 2:
        raise UnsupportedError(
            f"use_2cta in clusters of {' x '.join(map(str, program.cluster))} blocks",
            fix="T.Kernel(..., cluster_dims=2): blocks of ranks 2i and 2i + 1 are a pair",
            span=pairs[0].source,
        )
    return 2


def _call(name: str, *args: Any, template: tuple[int, ...] = (), span: Any = None) -> ir.Stmt:
    attrs = {"template": [str(t) for t in template]} if template else None
    return ir.evaluate(ir.call(name, list(args), attrs=attrs, span=span), span)


def _initialise(barriers: list[ir.Var], first: Any, span: Any) -> ir.Stmt | None:
    if not barriers:
        return None
    inits = [_call("tl.mbarrier_init", ir.address_of(ir.load(b, [0])), ir.const(1), span=span) for b in barriers]
    return ir.IfThenElse(first == 0, ir.seq([*inits, _call("tl.fence_mbarrier_init", span=span)]), None, span)


def _check_room(tiles: dict[ir.Var, TensorTile], allocations: list[ir.AllocBuffer]) -> None:
    total = sum(tile.allocated for tile in tiles.values())
    if total > COLUMNS:
        raise ResourceError(
            f"the kernel allocates {total} columns of tensor memory; a multiprocessor has {COLUMNS}",
            fix="use smaller tiles, or fewer; columns come by powers of two",
            span=ir.span_to_source(allocations[-1].span),
            notes=tuple(
                f"{tile.name}: {tile.allocated} columns for {' x '.join(map(str, tile.shape))}" for tile in tiles.values()
            ),
        )


class _Take(ir.Mutator):
    """Takes allocations of tensor memory out of a body."""

    def __init__(self) -> None:
        super().__init__()
        self.allocations: list[ir.AllocBuffer] = []

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        if ir.scope_of(node.buffer) != SCOPE:
            return node
        self.allocations.append(node)
        return None


class _Wait(ir.Mutator):
    """Gives each gemm that waits for its own products a barrier and the parity of its next phase."""

    def __init__(self) -> None:
        super().__init__()
        self.barriers: list[ir.Var] = []
        self.phases: list[ir.Var] = []

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        op = as_tile_op(node)
        if not isinstance(op, TensorGemm) or op.in_flight:
            return node
        self.barriers.append(ir.buffer((1,), "uint64", "products", BARRIER_SCOPE))
        self.phases.append(ir.buffer((1,), "uint32", "parity", "local.var"))
        return ir.evaluate(replace(op, done=self.barriers[-1], phase=self.phases[-1]).to_call(), node.span)

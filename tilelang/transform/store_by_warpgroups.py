"""Tiles on their way out of a persistent block go by warpgroups, where each warpgroup has rows of its own.

`split_stores` has put the tile's pieces beside the ring; nothing else uses that memory, so that no barrier of the block is needed:
`GroupStore` orders its tile itself. The warpgroups of a block fall out of step, and one multiplies while another stores.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..tileop.base import as_tile_op
from ..tileop.copy import Copy
from ..tileop.group_store import WARPGROUP, GroupStore
from ..tileop.turn import Turn
from .group_barriers import free_barrier, taken_barriers
from .kernel_program import KernelProgram
from .units import Unit, units_of

DISABLE = "tl.disable_group_stores"


def store_by_warpgroups(program: KernelProgram) -> KernelProgram:
    """Pairs of copies, fragment to tile to tensor, as one operator; the program as it is where blocks are not persistent."""
    if program.producer is None or not program.persistent or program.config(DISABLE):
        return program
    units = units_of(program.body)
    pairs = [(a, b) for a, b in zip(units, units[1:]) if _is_pair(a, b, program)]
    tiles = {b.op.src.source for _, b in pairs}
    others = {v for u in units if not any(u is a or u is b for a, b in pairs) for v in _mentioned(u)}
    pairs = [(a, b) for a, b in pairs if b.op.src.source not in others]
    if not pairs or not tiles - others:
        return program
    taken = taken_barriers(program.body) | {n for u in units if isinstance(u.op, Turn) for n in u.op.barriers}
    barriers = []
    for group in range(program.ctx.num_threads // WARPGROUP):
        barriers.append(free_barrier(taken, f"the stores of warpgroup {group}"))
        taken.add(barriers[-1])
    return replace(program, body=_Join(pairs, tuple(barriers)).body(program.body))


def _is_pair(first: Unit, second: Unit, program: KernelProgram) -> bool:
    fill, store = first.op, second.op
    if not isinstance(fill, Copy) or not isinstance(store, Copy) or first.group is not None or second.group is not None:
        return False
    if ir.scope_of(fill.src.source) != "local.fragment" or not fill.dst.source.same_as(store.src.source):
        return False
    if ir.contains(fill.src, ir.BufferLoad) or fill.options or set(store.options) - {"eviction_policy"}:
        return False
    with second.within(program.ctx) as ctx:
        return GroupStore.by_groups(fill, store, ctx)


def _mentioned(unit: Unit) -> set[ir.Var]:
    if isinstance(unit.stmt, ir.AllocBuffer):
        return set()
    return set(ir.collect(unit.stmt, ir.Var))


class _Join(ir.Mutator):
    def __init__(self, pairs: list[tuple[Unit, Unit]], barriers: tuple[int, ...]) -> None:
        super().__init__()
        self.pairs, self.barriers = pairs, barriers

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        for first, second in self.pairs:
            if node.same_as(first.stmt):
                fill, store = as_tile_op(first.stmt), as_tile_op(second.stmt)
                assert isinstance(fill, Copy) and isinstance(store, Copy)
                policy = store.options.get("eviction_policy")
                op = GroupStore(fill.src, fill.dst, store.dst, self.barriers, policy and str(policy), store.span)
                return ir.evaluate(op.to_call(), op.span)
            if node.same_as(second.stmt):
                return None
        return node

"""Tiles on their way out of a persistent block go by warpgroups, where each warpgroup has rows of its own.

`split_stores` has put the tile's pieces beside the ring; nothing else uses that memory, so that no barrier of the block is
needed: `GroupStore` orders its tile itself. The warpgroups of a block fall out of step, and one multiplies while another stores.
In rotated loops (attention) they do so anyway, and meeting once a tile keeps them on the same slots of the ring: there the block
stores together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .. import ir
from ..tileop.copy import Copy
from ..tileop.group_store import WARPGROUP, GroupStore
from ..tileop.turn import Turn
from .group_barriers import free_barrier, taken_barriers
from .kernel_program import KernelProgram
from .units import Unit, units_of

DISABLE = "tl.disable_group_stores"


@dataclass(frozen=True)
class _Pair:
    """Two statements: `fill` copies a fragment to a tile, and `store` the tile to a tensor."""

    first: ir.Stmt
    second: ir.Stmt
    fill: Copy
    store: Copy


def store_by_warpgroups(program: KernelProgram) -> KernelProgram:
    """Pairs of copies, fragment to tile to tensor, as one operator; the program as it is where blocks are not persistent."""
    if program.producer is None or not program.persistent or program.rotated or program.config(DISABLE):
        return program
    units = units_of(program.body)
    found = [pair for a, b in zip(units, units[1:]) if (pair := _pair(a, b, program)) is not None]
    paired = {id(s) for pair in found for s in (pair.first, pair.second)}
    alone = [u.stmt for u in units if id(u.stmt) not in paired and not isinstance(u.stmt, ir.AllocBuffer)]
    others = {v for stmt in alone for v in ir.collect(stmt, ir.Var)}
    pairs = [pair for pair in found if pair.store.src.source not in others]
    if not pairs:
        return program
    taken = taken_barriers(program.body) | {n for u in units if isinstance(u.op, Turn) for n in u.op.barriers}
    barriers = []
    for group in range(program.ctx.num_threads // WARPGROUP):
        barriers.append(free_barrier(taken, f"the stores of warpgroup {group}"))
        taken.add(barriers[-1])
    store = pairs[0].store
    text = f"{len(barriers)} warpgroups store their rows of {store.dst.source.name} apart from each other"
    program.ctx.remark(store.span, text, rule="persistent", warpgroups=len(barriers))
    return replace(program, body=_Join(pairs, tuple(barriers)).body(program.body))


def _pair(first: Unit, second: Unit, program: KernelProgram) -> _Pair | None:
    fill, store = first.op, second.op
    if not isinstance(fill, Copy) or not isinstance(store, Copy) or first.group is not None or second.group is not None:
        return None
    if ir.scope_of(fill.src.source) != "local.fragment" or not fill.dst.source.same_as(store.src.source):
        return None
    if ir.contains(fill.src, ir.BufferLoad) or fill.options or set(store.options) - {"eviction_policy"}:
        return None
    with second.within(program.ctx) as ctx:
        return _Pair(first.stmt, second.stmt, fill, store) if GroupStore.by_groups(fill, store, ctx) else None


class _Join(ir.Mutator):
    def __init__(self, pairs: list[_Pair], barriers: tuple[int, ...]) -> None:
        super().__init__()
        self.pairs, self.barriers = pairs, barriers

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        for pair in self.pairs:
            if node.same_as(pair.first):
                policy = pair.store.options.get("eviction_policy")
                op = GroupStore(
                    pair.fill.src, pair.fill.dst, pair.store.dst, self.barriers, policy and str(policy), pair.store.span
                )
                return ir.evaluate(op.to_call(), op.span)
            if node.same_as(pair.second):
                return None
        return node

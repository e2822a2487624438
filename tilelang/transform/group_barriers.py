"""Block barriers in the work of a group of threads become barriers of the group."""

from __future__ import annotations

from typing import Any

from .. import ir
from ..errors import ResourceError
from .thread_group import ThreadGroup

WARP = 32
_BARRIERS = 16  # PTX ISA, "bar": 0 is the block's


class GroupBarriers:
    """Named barriers of a launch: those that its author uses, and one for each group that needs one."""

    def __init__(self, body: ir.Stmt) -> None:
        self.taken = taken_barriers(body)
        self.numbers: dict[ThreadGroup, int] = {}

    def of(self, group: ThreadGroup, body: ir.Stmt) -> ir.Stmt:
        """The body with the group's barrier in place of the block's."""
        return _Rename(self, group).body(body)

    def number(self, group: ThreadGroup) -> int:
        """The named barrier of a group."""
        if group not in self.numbers:
            self.numbers[group] = free_barrier(self.taken, f"threads {group.first} to {group.end - 1}")
            self.taken.add(self.numbers[group])
        return self.numbers[group]


def taken_barriers(body: ir.Stmt) -> set[int]:
    """The named barriers that a body uses."""
    taken = {0}
    for call in ir.collect(body, ir.Call):
        if ir.is_call(call, "tl.sync_threads") and len(call.args):
            taken.add(ir.const_int(call.args[0]) or 0)
        elif ir.is_call(call, "tl.bar_arrive"):
            taken.add(int(str(call.attrs["template"][0])))
    return taken


def free_barrier(taken: set[int], who: str) -> int:
    """A named barrier that is not taken."""
    free = next((i for i in range(1, _BARRIERS) if i not in taken), None)
    if free is None:
        raise ResourceError(
            f"all {_BARRIERS} named barriers of the block are in use, and {who} need one",
            fix="use fewer barrier ids; tl.disable_warp_specialized leaves out the one of automatic specialization",
        )
    return free


class _Rename(ir.Mutator):
    def __init__(self, barriers: GroupBarriers, group: ThreadGroup) -> None:
        super().__init__()
        self.barriers, self.group = barriers, group

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if not ir.is_call(node.value, "tl.sync_threads") or len(node.value.args) > 1:
            return node
        if not len(node.value.args) and self.group.count == WARP:
            return ir.evaluate(ir.call("tl.sync_warp", span=node.span), node.span)
        barrier = node.value.args[0] if len(node.value.args) else self.barriers.number(self.group)
        return ir.evaluate(ir.call("tl.sync_threads", [barrier, self.group.count], span=node.span), node.span)

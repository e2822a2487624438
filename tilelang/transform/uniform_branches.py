"""Branches that pick whole warps say so in kernels with wgmma.

ptxas takes `if (tx >= 128)` for a branch that may split warps. Where it has to add an instruction to such a path it serialises
the wgmma there (C7520: "program dependence on compiler-inserted WG.AR in divergent path"). A condition that one lane hands to
the whole warp is uniform for it:

Before: if (tx >= 128) { ... wgmma ... }
After:  if (tl::warp_uniform(tx >= 128)) { ... wgmma ... }
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .. import ir
from .kernel_program import KernelProgram

WARP = 32
_COMPARISONS = (ir.GE, ir.GT, ir.LE, ir.LT)


def uniform_branches(program: KernelProgram) -> KernelProgram:
    """The program with such conditions marked."""
    if not any((ir.call_name(call) or "").startswith("tl.wgmma") for call in ir.collect(program.body, ir.Call)):
        return program
    return replace(program, body=_Branches(program.ctx.tid, program.thread_vars).body(program.body))


class _Branches(ir.Mutator):
    def __init__(self, tid: ir.Var, axes: Sequence[ir.Var] = ()) -> None:
        super().__init__()
        self.tid = tid
        # Scalars that lanes may have, and certainly have, different values of.
        self.own, self.of_thread = {tid, *axes}, {tid, *axes}

    def visit_Bind(self, node: ir.Bind) -> Any:
        if not self.is_block_wide(node.value):
            self.own.add(node.var)
        if ir.uses_var(node.value, self.of_thread):
            self.of_thread.add(node.var)
        return node

    def visit_For(self, node: ir.For) -> Any:
        if ir.uses_var(node.min, self.of_thread) or ir.uses_var(node.extent, self.of_thread):
            return node  # some lanes leave earlier
        if not (self.is_block_wide(node.min) and self.is_block_wide(node.extent)):
            self.own.add(node.loop_var)
        return self.descend(node)

    def is_block_wide(self, value: Any) -> bool:
        """Whether a value is certainly the same for all threads: of constants, block indices and what is computed of them."""
        return not ir.uses_var(value, self.own) and not ir.contains(value, (ir.BufferLoad, ir.Call))

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        if self.is_block_wide(node.condition):
            return self.descend(node)
        if not self.picks_warps(node.condition):
            return node  # lanes may part here: what is inside has no business with whole warps
        new = self.descend(node)
        condition = ir.call("tl.warp_uniform", [new.condition], "bool", span=new.span)
        return ir.IfThenElse(condition, new.then_case, new.else_case, new.span)

    def picks_warps(self, condition: Any) -> bool:
        """Whether a condition compares the thread index with boundaries of warps, and nothing else."""
        if isinstance(condition, ir.And):
            return self.picks_warps(condition.a) and self.picks_warps(condition.b)
        if not isinstance(condition, _COMPARISONS):
            return False
        left, right = condition.a, condition.b
        mirrored = isinstance(right, ir.Var) and right.same_as(self.tid)
        bound = ir.const_int(left if mirrored else right)
        if bound is None or not (mirrored or (isinstance(left, ir.Var) and left.same_as(self.tid))):
            return False
        # `tid > 127` and `tid <= 127` part the warps where `tid >= 128` does.
        includes_next = isinstance(condition, (ir.LT, ir.GE)) != mirrored
        return (bound if includes_next else bound + 1) % WARP == 0

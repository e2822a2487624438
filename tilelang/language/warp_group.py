"""Code for some warpgroups of a block, and how registers move between them."""

from __future__ import annotations

from typing import Any

from ..errors import SemanticError
from ..frontend.builder import Frame, require
from .emit import statement
from .expr import Expr, compare, logical
from .kernel import Context, get_thread_extents
from .warp import get_warp_group_idx

_GROUP = 128
_MIN_REGISTERS, _MAX_REGISTERS, _REGISTER_STEP = 24, 256, 8  # PTX ISA, "setmaxnreg"


class ws(Context):
    """`with T.ws(0):` - statements for some warpgroups (128 threads each) of the block only.

    Tile operations inside are spread over the threads of these groups, and T.sync_threads() is a barrier among them. What one
    group does and another needs is ordered by barriers of T.alloc_barrier.

    Parameters
    ----------
    *warp_group_idx : int
        Neighbouring warpgroups.

    Examples
    --------
    >>> with T.ws(0):
    ...     T.barrier_arrive(full[0])
    """

    def __init__(self, *warp_group_idx: Any) -> None:
        require("T.ws")
        threads = get_thread_extents()
        named = [g.constant() if isinstance(g, Expr) else g for g in warp_group_idx]
        count = threads[0] * threads[1] * threads[2] // _GROUP
        groups = sorted(g for g in named if isinstance(g, int) and not isinstance(g, bool) and 0 <= g < count)
        if not groups or len(groups) < len(named):
            raise SemanticError(
                f"T.ws({', '.join(map(str, warp_group_idx))}) in a block of {count} warpgroups",
                fix=f"name warpgroups from 0 to {count - 1}; threads= of T.Kernel counts 128 for each",
            )
        if groups != list(range(groups[0], groups[0] + len(groups))):
            raise SemanticError(
                f"T.ws({', '.join(map(str, groups))}): the warpgroups are not neighbours", fix="write one T.ws for each of them"
            )
        self.groups = groups

    def open(self, names: list[str]) -> None:
        builder = require("T.ws")
        builder.need_kernel("T.ws")
        group, first, last = get_warp_group_idx(), self.groups[0], self.groups[-1]
        self.condition = compare("eq", group, first)
        if last > first:
            self.condition = logical("and", compare("ge", group, first), compare("le", group, last))
        self.span = builder.span()
        self.frame = builder.push(Frame("if", "T.ws"))

    def close(self) -> None:
        from .._lazy import ir

        builder = require("T.ws")
        builder.emit(ir.IfThenElse(self.condition.node, builder.pop(self.frame), None, self.span))


WarpSpecialize = ws


def set_max_nreg(reg_count: int, is_inc: int) -> None:
    """Every thread of the warpgroup has `reg_count` registers from here on: more than before (is_inc=1) or fewer (0).

    All warps of a warpgroup execute it.

    Examples
    --------
    >>> with T.ws(0):
    ...     T.set_max_nreg(24, 0)
    """
    if not isinstance(reg_count, int) or not (_MIN_REGISTERS <= reg_count <= _MAX_REGISTERS and reg_count % _REGISTER_STEP == 0):
        raise SemanticError(f"T.set_max_nreg({reg_count!r}, ...)", fix="24 to 256 registers, a multiple of 8")
    if is_inc not in (0, 1):
        raise SemanticError(f"T.set_max_nreg(..., {is_inc!r})", fix="is_inc is 1 (more registers) or 0 (fewer)")
    way = "increase" if is_inc else "decrease"
    statement(f"tl.set_max_registers_{way}", (), {"template": [str(reg_count)]}, "T.set_max_nreg")


def inc_max_nreg(reg_count: int) -> None:
    """T.set_max_nreg(reg_count, 1).

    Examples
    --------
    >>> T.inc_max_nreg(240)
    """
    set_max_nreg(reg_count, 1)


def dec_max_nreg(reg_count: int) -> None:
    """T.set_max_nreg(reg_count, 0).

    Examples
    --------
    >>> T.dec_max_nreg(24)
    """
    set_max_nreg(reg_count, 0)


def annotate_producer_reg_dealloc(reg_count: int = 24) -> None:
    """T.set_max_nreg(reg_count, 0): a producer gives registers back.

    Examples
    --------
    >>> T.annotate_producer_reg_dealloc()
    """
    set_max_nreg(reg_count, 0)


def annotate_consumer_reg_alloc(reg_count: int = 240) -> None:
    """T.set_max_nreg(reg_count, 1): a consumer takes registers.

    Examples
    --------
    >>> T.annotate_consumer_reg_alloc()
    """
    set_max_nreg(reg_count, 1)


def no_set_max_nreg() -> None:
    """Warpgroups keep the registers that they start with: automatic specialization moves none.

    Examples
    --------
    >>> T.no_set_max_nreg()
    """
    statement("tl.keep_registers", (), None, "T.no_set_max_nreg")


def disable_warp_group_reg_alloc() -> None:
    """T.no_set_max_nreg.

    Examples
    --------
    >>> T.disable_warp_group_reg_alloc()
    """
    no_set_max_nreg()

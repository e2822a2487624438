"""TVM's blocks: T.sblock, its axes, T.init, T.where, and what it says it reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._lazy import ir
from ..errors import DTypeError, FrontendError, SemanticError
from ..frontend.builder import Frame, require
from .expr import Expr, as_condition, as_expr, logical
from .kernel import Context

_OPEN = "tvm_block"  # of the builder's attributes: the block that is being written
_KINDS = "SRVO"  # letters of T.axis.remap: spatial, reduction, scan, opaque


class sblock(Context):
    """`with T.sblock(name):` TVM's block: its statements stand where it stands.

    Examples
    --------
    >>> with T.sblock("root"):
    ...     S = T.alloc_buffer((64,), "float32", scope="shared")
    """

    def __init__(self, name: str = "", no_realize: bool = False) -> None:
        self.name = name
        self.reductions: list[tuple[Any, Any]] = []  # the value of a reduction axis and its first
        self.guards: list[tuple[Any, Any, Any]] = []  # conditions of T.where, their frames and spans

    def open(self, names: list[str]) -> None:
        builder = require("T.sblock")
        self.outer = builder.attributes.get(_OPEN)
        builder.attributes[_OPEN] = self

    def close(self) -> None:
        builder = require("T.sblock")
        for condition, frame, span in reversed(self.guards):
            builder.emit(ir.IfThenElse(condition, builder.pop(frame), None, span))
        builder.attributes[_OPEN] = self.outer


@dataclass(frozen=True)
class Range:
    """The values from `min` on, `extent` of them: T.Range(begin, end), or T.Range(end) from 0.

    Examples
    --------
    >>> with T.sblock("sum"):
    ...     vk = T.axis.reduce(T.Range(0, 8), k)
    """

    min: Any
    extent: Any

    def __init__(self, begin: Any, end: Any = None, span: Any = None) -> None:
        for name, bound in (("begin", begin), ("end", end)):
            if bound is not None and not (isinstance(bound, int) or (isinstance(bound, Expr) and bound.dtype.is_int)):
                raise DTypeError(f"{name} of T.Range is {bound!r}", fix="an integer")
        object.__setattr__(self, "min", 0 if end is None else begin)
        object.__setattr__(self, "extent", begin if end is None else end - begin)

    @staticmethod
    def from_min_extent(min_value: Any, extent: Any, span: Any = None) -> Range:
        """`extent` values from `min_value` on."""
        return Range(min_value, min_value + extent)


class init(Context):
    """`with T.init():` what a block does where its reductions begin: all its reduction axes have their first values.

    Examples
    --------
    >>> with T.sblock("sum"):
    ...     vk = T.axis.reduce(8, k)
    ...     with T.init():
    ...         A[0] = 0.0
    ...     A[0] += B[vk]
    """

    def open(self, names: list[str]) -> None:
        builder, block = require("T.init"), _block("T.init")
        self.condition: Any = None
        for value, first in block.reductions:
            begins = as_condition(value == first)
            self.condition = begins if self.condition is None else logical("and", self.condition, begins)
        self.frame, self.span = builder.push(Frame("if", "T.init")), builder.span()

    def close(self) -> None:
        builder = require("T.init")
        body = builder.pop(self.frame)
        builder.emit(body if self.condition is None else ir.IfThenElse(self.condition.node, body, None, self.span))


def where(predicate: Any) -> None:
    """The rest of the T.sblock is run where the condition holds.

    Examples
    --------
    >>> with T.sblock("copy"):
    ...     T.where(i < 8)
    ...     A[i] = 0.0
    """
    builder, block = require("T.where"), _block("T.where")
    condition = as_condition(predicate, "the condition of T.where").node
    block.guards.append((condition, builder.push(Frame("if", "T.where")), builder.span()))


def _block(what: str) -> sblock:
    found = require(what).attributes.get(_OPEN)
    if found is None:
        raise FrontendError(
            f"{what} outside of a T.sblock", fix="write it in `with T.sblock(name):`, or guard the statements with if"
        )
    return found


class _Axis:
    """`T.axis.spatial(n, i)` and the like: the index itself. T.init asks which are reductions."""

    @staticmethod
    def _value(dom: Any, binding: Any, dtype: str = "int32") -> Any:
        return as_expr(binding) if isinstance(binding, Expr) else binding

    spatial = scan = opaque = S = _value

    @staticmethod
    def reduce(dom: Any, binding: Any, dtype: str = "int32") -> Any:
        value = _Axis._value(dom, binding)
        _note(value, dom[0] if isinstance(dom, (tuple, list)) else getattr(dom, "min", 0))
        return value

    R = reduce

    @staticmethod
    def remap(kinds: str, bindings: list[Any], dtype: str = "int32") -> Any:
        values = [as_expr(b) if isinstance(b, Expr) else b for b in bindings]
        if len(values) != len(kinds):
            raise SemanticError(f"T.axis.remap({kinds!r}) of {len(values)} indices", fix="one letter for each index")
        if set(kinds) - set(_KINDS):
            raise SemanticError(f"T.axis.remap({kinds!r})", fix="S (spatial) and R (reduction)")
        for kind, value in zip(kinds, values):
            if kind == "R":
                _note(value, _first_of_loop(value))
        return values[0] if len(values) == 1 else values


def _note(value: Any, first: Any) -> None:
    block = require("T.axis").attributes.get(_OPEN)
    if block is not None:
        block.reductions.append((value, first))


def _first_of_loop(value: Any) -> Any:
    """The first value of the loop whose index this is."""
    for frame in require("T.axis").frames:
        for index, first in frame.data.get("first", ()):
            if isinstance(value, Expr) and value.node.same_as(index.node):
                return first
    raise SemanticError(f"R of T.axis.remap for {value}, the index of no loop", fix="T.axis.reduce((first, end), value)")


axis = _Axis()


def reads(*regions: Any) -> None:
    """What a T.sblock reads: the compiler finds out for itself.

    Examples
    --------
    >>> T.reads(A[0:64])
    """


def writes(*regions: Any) -> None:
    """What a T.sblock writes: the compiler finds out for itself.

    Examples
    --------
    >>> T.writes(B[0:64])
    """


def sblock_attr(attrs: Mapping[str, Any]) -> None:
    """Annotations of a T.sblock; only "layout_map" (as T.annotate_layout) says anything here.

    Examples
    --------
    >>> T.sblock_attr({"pragma": 1})
    """
    if not isinstance(attrs, Mapping):
        raise SemanticError(f"T.sblock_attr({attrs!r})", fix="give a dict")
    if "layout_map" in attrs:
        from .annotate import annotate_layout

        annotate_layout(attrs["layout_map"])

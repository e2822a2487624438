"""Arithmetic on slices, element by element: `acc[0:4] += part[0:4] * 2`.

A slice of a few consecutive elements outside fragments is a vector of the thread that runs the statement. What has a fragment in
it is a statement of the block, one T.Parallel over the elements.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import DTypeError, SemanticError, ShapeError
from .expr import Expr
from .shape import same, shape_text

if TYPE_CHECKING:
    from .buffer import Region

_FRAGMENT, _LOCAL = "local.fragment", "local"


_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "floordiv": operator.floordiv,
    "floormod": operator.mod, "bitand": operator.and_, "bitor": operator.or_, "bitxor": operator.xor, "shl": operator.lshift,
    "shr": operator.rshift,
}  # fmt: skip


class SliceArithmetic:
    """The operators of a slice, and of what they give."""

    @staticmethod
    def of_operator(name: str, sign: str, a: Any, b: Any) -> Any:
        """The operator that `expr.binary` calls by this name, where one side is a slice."""
        return combine(_OPERATORS[name], sign, a, b)

    def __add__(self, other: Any) -> Any:
        return combine(operator.add, "+", self, other)

    def __radd__(self, other: Any) -> Any:
        return combine(operator.add, "+", other, self)

    def __sub__(self, other: Any) -> Any:
        return combine(operator.sub, "-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return combine(operator.sub, "-", other, self)

    def __mul__(self, other: Any) -> Any:
        return combine(operator.mul, "*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return combine(operator.mul, "*", other, self)

    def __truediv__(self, other: Any) -> Any:
        return combine(operator.truediv, "/", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return combine(operator.truediv, "/", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return combine(operator.floordiv, "//", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return combine(operator.floordiv, "//", other, self)

    def __mod__(self, other: Any) -> Any:
        return combine(operator.mod, "%", self, other)

    def __rmod__(self, other: Any) -> Any:
        return combine(operator.mod, "%", other, self)

    def __pow__(self, other: Any) -> Any:
        return combine(operator.pow, "**", self, other)

    def __and__(self, other: Any) -> Any:
        return combine(operator.and_, "&", self, other)

    def __or__(self, other: Any) -> Any:
        return combine(operator.or_, "|", self, other)

    def __xor__(self, other: Any) -> Any:
        return combine(operator.xor, "^", self, other)

    def __lshift__(self, other: Any) -> Any:
        return combine(operator.lshift, "<<", self, other)

    def __rshift__(self, other: Any) -> Any:
        return combine(operator.rshift, ">>", self, other)

    def __neg__(self) -> Any:
        return combine(operator.neg, "-", self)

    def __matmul__(self, _: Any) -> Any:
        raise DTypeError(f"@ of {self}", fix="multiply tiles with T.gemm(A, B, C)")

    def _compared(self, _: Any) -> Any:
        raise DTypeError(f"a comparison of {self}, which is not one element", fix="index it in a T.Parallel loop")

    __lt__ = __le__ = __gt__ = __ge__ = _compared


class Elementwise(SliceArithmetic):
    """An operator on slices of equal shapes and scalars, computed where it is stored."""

    kind_name = "slice expression"

    def __init__(self, function: Callable[..., Any], sign: str, operands: tuple[Any, ...], shape: tuple[Any, ...]) -> None:
        self.function, self.sign, self.operands, self.shape = function, sign, operands, shape

    def regions(self) -> Iterator[Region]:
        """Its slices in the order in which they are written."""
        for operand in self.operands:
            if isinstance(operand, Elementwise):
                yield from operand.regions()
            elif _is_slice(operand):
                yield operand

    def at(self, elements: Iterator[Any]) -> Any:
        """Its value for one element of each slice."""
        values = [
            operand.at(elements) if isinstance(operand, Elementwise) else next(elements) if _is_slice(operand) else operand
            for operand in self.operands
        ]
        return self.function(*values)

    def settled(self) -> Elementwise:
        """The same with scalars as they are now."""
        from .emit import snapshot

        found = tuple(o.settled() if isinstance(o, Elementwise) else o if _is_slice(o) else snapshot(o) for o in self.operands)
        return Elementwise(self.function, self.sign, found, self.shape)

    def lanes(self) -> Any:
        """One vector value, where each slice is one; else None."""
        vectors = [region.lanes() for region in self.regions()]
        return None if any(v is None for v in vectors) else self.at(iter(vectors))

    def __str__(self) -> str:
        return f" {self.sign} ".join(str(o) for o in self.operands) if len(self.operands) > 1 else f"-{self.operands[0]}"


def _is_slice(value: Any) -> bool:
    from .buffer import Region

    return isinstance(value, Region)


def combine(function: Callable[..., Any], sign: str, *operands: Any) -> Any:
    """An operator on slices and scalars: a vector where all slices are vectors of the thread, else an Elementwise.

    Raises
    ------
    ShapeError
        If two slices differ in shape.
    DTypeError
        For what is neither slice nor scalar.
    """
    for operand in operands:
        if not isinstance(operand, (SliceArithmetic, Expr, int, float, bool)):
            what = getattr(operand, "kind_name", type(operand).__name__)
            raise DTypeError(f"{sign} of a slice and the {what} {operand}", fix="slice it, too, or index it in a T.Parallel loop")
    vectors = [_as_vector(o) if isinstance(o, SliceArithmetic) else o for o in operands]
    if all(v is not None for v in vectors):
        return function(*vectors)
    slices = [o for o in operands if isinstance(o, SliceArithmetic)]
    shape: tuple[Any, ...] = slices[0].shape  # type: ignore[attr-defined]
    for other in slices[1:]:
        _need_same(shape, other.shape, f"{slices[0]} {sign} {other}")  # type: ignore[attr-defined]
    if any(isinstance(o, Expr) and o.dtype.lanes > 1 for o in operands):
        raise DTypeError(f"{sign} of {slices[0]} and a vector", fix="index it in a T.Parallel loop")
    return Elementwise(function, sign, operands, shape)


def _as_vector(operand: SliceArithmetic) -> Any:
    """A slice as a vector of the thread; None for any other."""
    from .buffer import Region

    return operand.lanes() if isinstance(operand, Region) and operand.scope() != _FRAGMENT else None


def _need_same(a: tuple[Any, ...], b: tuple[Any, ...], what: str) -> None:
    if len(a) != len(b) or not all(same(x, y) for x, y in zip(a, b, strict=True)):
        raise ShapeError(f"{what}: {shape_text(a)} and {shape_text(b)}", fix="slices of equal extents")


def store(target: Region, value: Any) -> None:
    """`target = value` for a slice: of the block where a fragment is in it, else of each thread.

    Raises
    ------
    ShapeError
        For extents that differ, and a tile in shared or global memory that no fragment is assigned to.
    SemanticError
        If `value` reads other elements of the target's buffer.
    """
    sources = [value] if _is_slice(value) else list(value.regions()) if isinstance(value, Elementwise) else []
    of_block = any(region.scope() == _FRAGMENT for region in (target, *sources))
    lanes = None if isinstance(value, Elementwise) else target.lanes()
    if lanes is not None and not (of_block and (sources or not isinstance(value, Expr) or value.dtype.lanes == 1)):
        lanes.store(value)
        return
    if not of_block and target.scope() != _LOCAL:
        raise ShapeError(
            f"assignment to {target}, which is not one element",
            fix="use T.fill or T.copy for a region, or assign element by element in T.Parallel",
        )
    if not sources and target.scope() == _FRAGMENT:
        _fill(target, value)
        return
    for source in sources:
        _need_same(target.shape, source.shape, f"{target} = {value}")
        _need_apart(target, source)
    _each(target, value, sources)


def _fill(target: Region, value: Any) -> None:
    from .fill import fill

    if isinstance(value, Expr) and value.dtype.lanes > 1:
        raise DTypeError(f"a vector assigned to {target}", fix="slices of 2, 4, 8 or more consecutive elements hold vectors")
    fill(target, value)


def _each(target: Region, value: Any, sources: list[Region]) -> None:
    from .emit import snapshot
    from .symbolic_extents import each_element, each_in_order

    value = value.settled() if isinstance(value, Elementwise) else snapshot(value)

    def visit(place: Any, *elements: Any) -> None:
        place.store(value.at(iter(elements)) if isinstance(value, Elementwise) else elements[0] if elements else value)

    if target.scope() == _LOCAL or all(isinstance(extent, int) and extent == 1 for extent in target.extents):
        each_in_order(f"an assignment to {target}", visit, target, *sources)
        return
    each_element(f"an assignment to {target}", visit, target, *sources)


def _need_apart(target: Region, source: Region) -> None:
    """Elements are computed in any order: none may be read after it was written."""
    if source.buffer.root is not target.buffer.root:
        return
    if source.buffer is target.buffer and all(same(a, b) for a, b in zip(source.starts, target.starts, strict=True)):
        return
    raise SemanticError(
        f"{target} is assigned from {source}, which may hold elements that are assigned before they are read",
        fix="copy one of them to another tile first",
    )

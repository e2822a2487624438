"""TVM's reduction over thread indices: T.comm_reducer, T.attr(..., "reduce_scope", ...), T.tvm_thread_allreduce."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DTypeError, FrontendError, SemanticError
from ..frontend.builder import require
from .buffer import Element
from .dtypes import dtype
from .emit import alloc, effect
from .expr import Expr, as_expr, binary, convert
from .kernel import Context, Kernel
from .tvm_frames import EnvThread, launch_thread
from .warp import sync_threads

_WARP = 32


@dataclass(frozen=True)
class CommReducer:
    """A commutative combination of two values (or of two groups of values) and its neutral values."""

    combiner: Callable[..., Any]
    identity: tuple[Any, ...]

    def combine(self, left: Sequence[Any], right: Sequence[Any]) -> tuple[Any, ...]:
        """The combined values."""
        result = self.combiner(*left, *right)
        values = tuple(result) if isinstance(result, (tuple, list)) else (result,)
        if len(values) != len(left):
            raise SemanticError(
                f"the combiner of T.comm_reducer gives {len(values)} values for {len(left)}",
                fix="return one value for each identity",
            )
        return values


def comm_reducer(combiner: Callable[..., Any], identity: Sequence[Any]) -> CommReducer:
    """How T.tvm_thread_allreduce combines values.

    Parameters
    ----------
    combiner : callable
        `(x, y) -> x op y`; with several identities `(x0, x1, y0, y1) -> (z0, z1)`.
    identity : sequence
        The values that change nothing.

    Examples
    --------
    >>> T.comm_reducer(lambda x, y: x + y, [T.float32(0)])
    """
    if not callable(combiner):
        raise DTypeError(f"the combiner of T.comm_reducer is {combiner!r}", fix="give a function: lambda x, y: x + y")
    values = tuple(identity) if isinstance(identity, (list, tuple)) else (identity,)
    return CommReducer(combiner, values)


class AttributeScope(Context):
    """What T.attr opens."""

    def __init__(self, node: Any, key: str, value: Any) -> None:
        self.node, self.key, self.value = node, key, value

    def open(self, names: list[str]) -> None:
        builder = require("T.attr")
        if self.key in _MEANT:
            self.outer = builder.attributes.get(self.key)
            builder.attributes[self.key] = self.node if self.key == "reduce_scope" else bool(self.value)

    def close(self) -> None:
        if self.key in _MEANT:
            require("T.attr").attributes[self.key] = self.outer


_MEANT = ("reduce_scope", "async_scope")
_KEYS = (*_MEANT, "pragma_", "tl.", "tir.", "tirx.")


def attr(node: Any, attr_key: str, value: Any) -> Context:
    """`with T.attr(node, key, value):` as in TVM.

    "reduce_scope" gives T.tvm_thread_allreduce its reducer. In an "async_scope", T.vectorized loops that copy 4, 8 or 16 bytes
    from global to shared memory are cp.async: T.cp_async_barrier_noinc, or T.ptx_commit_group and T.ptx_wait_group, tell when
    they are done. A "thread_extent" is an axis of a launch, as T.launch_thread opens it. Pragmas and annotations of passes are
    hints that need no help here.

    Examples
    --------
    >>> with T.attr(T.comm_reducer(lambda x, y: x + y, [T.float32(0)]), "reduce_scope", T.reinterpret(T.uint64(0), "handle")):
    ...     T.evaluate(T.tvm_thread_allreduce(T.uint32(1), x[0], True, y[0], tx, dtype="handle"))
    """
    if not isinstance(attr_key, str):
        raise DTypeError(f"the key of T.attr is {attr_key!r}", fix="give a string")
    if attr_key == "thread_extent":
        if not isinstance(node, EnvThread):
            raise DTypeError(f"the axis of a thread_extent is {node!r}", fix="make it with T.iter_var or T.env_thread")
        return launch_thread(node, value)
    if not attr_key.startswith(_KEYS):
        raise SemanticError(
            f"T.attr with the key {attr_key!r}",
            fix="thread_extent, reduce_scope, async_scope, a pragma_... or a tl. annotation",
        )
    if attr_key == "reduce_scope" and not isinstance(node, CommReducer):
        raise DTypeError(f"the node of a reduce_scope is {node!r}", fix="T.comm_reducer(lambda x, y: x + y, [T.float32(0)])")
    return AttributeScope(node, attr_key, value)


class AllReduced(Expr):
    """The result of T.tvm_thread_allreduce: nothing, its values are in its destinations."""

    def __init__(self) -> None:
        super().__init__(None, dtype("int32"))

    @property
    def node(self) -> Any:
        from .._lazy import ir

        return ir.const(0, "int32")


def tvm_thread_allreduce(*freduce_args: Any, dtype: Any = "handle") -> AllReduced:
    """Combine values over threads by the reducer of the enclosing `T.attr(..., "reduce_scope", ...)`; all receive the result.

    Parameters
    ----------
    *freduce_args
        The number n of values; n values; a condition under which a thread takes part; n destinations (elements of local
        arrays); the thread indices to reduce over.

    Examples
    --------
    >>> with T.attr(T.comm_reducer(lambda p, q: p + q, [T.float32(0)]), "reduce_scope", T.reinterpret(T.uint64(0), "handle")):
    ...     T.evaluate(T.tvm_thread_allreduce(T.uint32(1), own[0], True, total[0], tx, dtype="handle"))
    """
    reducer = require("T.tvm_thread_allreduce").attributes.get("reduce_scope")
    if not isinstance(reducer, CommReducer):
        raise FrontendError(
            "T.tvm_thread_allreduce outside a reduce_scope",
            fix='open one: with T.attr(T.comm_reducer(...), "reduce_scope", T.reinterpret(T.uint64(0), "handle"))',
        )
    count = int(freduce_args[0])
    if len(freduce_args) < 2 * count + 3 or count != len(reducer.identity):
        raise SemanticError(
            f"T.tvm_thread_allreduce of {count} values with {len(freduce_args)} arguments and {len(reducer.identity)} identities",
            fix="pass n, n values, a condition, n destinations and at least one thread index",
        )
    values, condition = freduce_args[1 : 1 + count], freduce_args[1 + count]
    targets, axes = freduce_args[2 + count : 2 + 2 * count], freduce_args[2 + 2 * count :]
    for target in targets:
        if not isinstance(target, Element):
            raise DTypeError(f"a destination of T.tvm_thread_allreduce is {target!r}", fix="pass an element, such as out[0]")
    digits = _digits(axes)
    kinds = [t.dtype for t in targets]
    current = tuple(convert(v, k) for v, k in zip(values, kinds, strict=True))
    if not (isinstance(condition, bool) and condition):
        from .select import if_then_else

        current = tuple(
            convert(if_then_else(condition, v, convert(e, k)), k)
            for v, e, k in zip(current, reducer.identity, kinds, strict=True)
        )
    slots = [alloc("part", (1,), k, "local.var", "T.tvm_thread_allreduce") for k in kinds]

    def put(values: Sequence[Any]) -> None:
        for slot, value in zip(slots, values, strict=True):
            slot.write((0,), value)

    def here() -> tuple[Expr, ...]:
        return tuple(Element(slot, (0,)) for slot in slots)

    put(current)
    crossing: list[tuple[int, int]] = []
    for stride, extent in digits:
        inside = 1
        while stride & (stride - 1) == 0 and extent % (2 * inside) == 0 and stride * inside * 2 <= _WARP:
            other = tuple(effect("tl.shfl_xor", (x, as_expr(stride * inside)), x.dtype, "other") for x in here())
            put(reducer.combine(here(), other))
            inside *= 2
        if extent > inside:
            crossing.append((stride * inside, extent // inside))
    if crossing:
        _through_memory(reducer, slots, here, put, crossing)
    for target, value in zip(targets, here(), strict=True):
        target.store(value)
    return AllReduced()


def _kernel() -> Kernel:
    return require("T.tvm_thread_allreduce").need_kernel("T.tvm_thread_allreduce").data["kernel"]


def _digits(axes: Sequence[Any]) -> list[tuple[int, int]]:
    """(stride in the linear thread id, extent) of each thread index."""
    kernel = _kernel()
    strides = (1, kernel.threads[0], kernel.threads[0] * kernel.threads[1])
    found = []
    for axis in axes:
        number = next((k for k, v in enumerate(kernel.variables[3:]) if isinstance(axis, Expr) and axis.node is v.node), None)
        if number is None:
            number = next(
                (k for k, v in enumerate(kernel.variables[3:]) if isinstance(axis, Expr) and axis.node.same_as(v.node)), None
            )
        if number is None:
            raise SemanticError(
                f"T.tvm_thread_allreduce over {axis}, which is no thread index", fix="pass T.get_thread_binding(0), (1) or (2)"
            )
        found.append((strides[number], kernel.threads[number]))
    return sorted(found)


def _through_memory(reducer: CommReducer, slots: Any, here: Any, put: Any, crossing: list[tuple[int, int]]) -> None:
    """Every thread leaves its part; then each combines those of its group, in the same order."""
    from .warp import linear_thread

    kernel = _kernel()
    total = kernel.threads[0] * kernel.threads[1] * kernel.threads[2]
    own = linear_thread()
    base: Any = own
    for stride, extent in crossing:
        base = base - binary("floormod", binary("floordiv", own, stride), extent) * stride
    tiles = [alloc("parts", (total,), slot.dtype, "shared.dyn", "T.tvm_thread_allreduce") for slot in slots]
    sync_threads()
    for tile, value in zip(tiles, here(), strict=True):
        tile.write((own,), value)
    sync_threads()
    offsets = [0]
    for stride, extent in crossing:
        offsets = [o + k * stride for o in offsets for k in range(extent)]
    put([Element(tile, (base,)) for tile in tiles])
    for offset in offsets[1:]:
        put(reducer.combine(here(), [Element(tile, (base + offset,)) for tile in tiles]))

"""`tl.check_finite`: a tile program that notes its first values that are infinite or NaN.

Before: tensors, variables (T.alloc_var) and arrays of a thread (T.alloc_local) are assigned floating-point values.
After:  each assignment is a *site* that puts the earliest of its bad values into a parameter at the end, `finite_guard`, as
        (phase, step, lane) in one number: how many outermost loops end before it, the iteration of the outermost loop around it,
        and which element of the tensor or which thread of the grid it was. A launch before the others fills it with "none".

Register tiles are not watched: programs put infinities there on purpose, as masks and as the start of a maximum. What calls do
with the guard is in `tilelang/jit/finite.py`.
"""

from __future__ import annotations

from typing import Any

from .. import ir
from ..codegen.launch_plan import LANE_BITS, STEP_BITS, FiniteSite
from ..errors import UnsupportedError

GUARD = "finite_guard"
_NONE = 2**62  # beyond every note
_PHASES, _STEPS = 2 ** (62 - STEP_BITS - LANE_BITS) - 1, 2**STEP_BITS - 1
_FLOATS = ("float", "bfloat")
_PRIVATE = ("local", "local.var")


def watch_finite(func: ir.PrimFunc) -> tuple[ir.PrimFunc, tuple[FiniteSite, ...]]:
    """The program with a guard, and its sites; the program itself where it has none.

    Raises
    ------
    UnsupportedError
        For a copy of a symbolic extent.
    """
    params = list(func.params)
    watcher = _Watcher([p for p in params if ir.is_buffer_var(p)])
    body = watcher.body(func.body)
    sites = tuple(watcher.sites)
    if not sites:
        return func, ()
    guard = ir.buffer((len(sites),), "int64", GUARD, "global")
    body = ir.substitute(body, {watcher.guard: guard})
    watched = ir.PrimFunc([*params, guard], ir.seq([_filled(guard), body]), span=func.span)
    for name, value in (func.attrs or {}).items():
        watched = watched.with_attr(name, value)
    return watched, sites


def _filled(guard: ir.Var) -> ir.Stmt:
    """The launch that fills the guard."""
    from .. import language as T
    from ..frontend import trace_prim_func

    count = ir.static_shape(guard)[0]

    def fill(cells: T.Tensor((count,), "int64")):  # type: ignore
        with T.Kernel(T.ceildiv(count, 32), threads=32) as block:  # type: ignore
            for i in T.Parallel(32):  # type: ignore
                if block * 32 + i < count:
                    cells[block * 32 + i] = T.Cast("int64", _NONE)

    made = trace_prim_func(fill)  # type: ignore[arg-type]
    return ir.substitute(made.body, {made.params[0]: guard})


class _Watcher(ir.Mutator):
    def __init__(self, tensors: list[ir.Var]) -> None:
        super().__init__()
        self.tensors = tensors
        self.sites: list[FiniteSite] = []
        self.guard = ir.buffer((1,), "int64", GUARD, "global")
        self.axes: dict[str, tuple[Any, Any]] = {}
        self.step: Any = None  # of the outermost loop around
        self.phase = 0

    def visit_AttrStmt(self, node: ir.AttrStmt) -> Any:
        if str(node.attr_key) == "thread_extent":
            self.axes[str(node.node.thread_tag)] = node.node.var, node.value
        return self.descend(node)

    def visit_For(self, node: ir.For) -> Any:
        outer = self.step
        if outer is None and node.kind == ir.ForKind.SERIAL:
            self.step = _wide(node.loop_var) - _wide(node.min)
        try:
            return self.descend(node)
        finally:
            if outer is None and self.step is not None:
                self.phase += 2  # odd ones are inside of loops
            self.step = outer

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        kind = self.kind(node.buffer)
        if kind is None or ir.const_number(node.value) is not None:  # an infinity that the author wrote is wanted
            return node
        value = ir.var("value", ir.dtype_of(node.value))
        indices = ir.items(node.indices)
        lane = _row_major(node.buffer, indices) if kind == "element" else self.thread()
        store = ir.BufferStore(node.buffer, value, list(indices), node.span)
        return ir.seq([ir.Bind(value, node.value, node.span), store, self.note(node.buffer, kind, value, lane, node.span)])

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if not ir.is_call(node.value, "tl.copy"):
            return node
        source, target = ir.items(node.value.args)[:2]
        kind = self.kind(target.source)
        if kind is None:
            return node
        return ir.seq([self.copied(source, target, kind, node.span), node])

    def copied(self, source: ir.BufferRegion, target: ir.BufferRegion, kind: str, span: Any) -> ir.Stmt:
        """Looks at what a copy is about to write, as the target's type holds it."""
        ranges = ir.items(target.region)
        axes = {axis: ir.var(f"i{axis}") for axis, r in enumerate(ranges) if ir.const_int(r.extent) != 1}
        if any(ir.const_int(ranges[axis].extent) is None for axis in axes):
            raise UnsupportedError(
                f"tl.check_finite cannot watch a copy to `{target.source.name}` whose extent is symbolic",
                fix="copy tiles of constant extents",
                span=ir.span_to_source(span),
            )
        moving = iter(axes.values())
        read = [r.min if ir.const_int(r.extent) == 1 else r.min + next(moving) for r in ir.items(source.region)]
        place = [r.min + axes[axis] if axis in axes else r.min for axis, r in enumerate(ranges)]
        loaded = ir.load(source.source, read, span)
        value = ir.var("value", ir.buffer_dtype(target.source))
        cast = loaded if ir.dtype_of(loaded) == ir.dtype_of(value) else ir.Cast(ir.dtype_of(value), loaded)
        inside = [place[axis] < extent for axis, extent in enumerate(ir.items(target.source.ty.shape)) if axis in axes]
        note = self.note(target.source, kind, value, _row_major(target.source, place), span, inside)
        body = ir.seq([ir.Bind(value, cast, span), note])
        for depth, (axis, var) in reversed(list(enumerate(axes.items()))):
            notes = {"tl.parallel_depth": len(axes)} if depth == 0 else {}
            body = ir.For(var, 0, ranges[axis].extent, ir.ForKind.PARALLEL, body, annotations=notes, span=span)
        return body

    def kind(self, buf: ir.Var) -> str | None:
        """What a bad value of a buffer is told by: "element" or "thread"; None where nobody watches."""
        if not ir.buffer_dtype(buf).startswith(_FLOATS):
            return None
        if any(buf.same_as(tensor) for tensor in self.tensors):
            return "element"
        return "thread" if ir.scope_of(buf) in _PRIVATE else None

    def thread(self) -> Any:
        """The number of the running thread in the grid."""
        number: Any = ir.const(0, "int64")
        for letter in ("blockIdx.z", "blockIdx.y", "blockIdx.x", "threadIdx.z", "threadIdx.y", "threadIdx.x"):
            var, extent = self.axes[letter]
            if ir.const_int(extent) != 1:
                number = number * _wide(extent) + _wide(var)
        return number

    def note(self, buf: ir.Var, kind: str, value: Any, lane: Any, span: Any, inside: list[Any] | None = None) -> ir.Stmt:
        """Puts a bad value's step and lane into the guard, if it is the earliest."""
        place = ir.span_to_source(span)
        file, line = (place.file, place.line) if place else ("", 0)
        shape = tuple(str(extent) for extent in ir.items(buf.ty.shape)) if kind == "element" else ()
        self.sites.append(FiniteSite(str(buf.name), kind, shape, self.step is not None, file, line))
        cell = ir.address_of(ir.load(self.guard, [len(self.sites) - 1]))
        step = ir.const(0, "int64") if self.step is None else ir.Min(self.step, ir.const(_STEPS, "int64"))
        phase = min(self.phase + (self.step is not None), _PHASES) << (STEP_BITS + LANE_BITS)
        mark = step * ir.const(2**LANE_BITS, "int64") + (lane + ir.const(phase, "int64"))
        wide = value if ir.dtype_of(value) in ("float32", "float64") else ir.Cast("float32", value)
        condition: Any = ir.Not(ir.pure_call("tl.isfinite", [wide], "bool"))
        for bound in inside or ():
            condition = ir.And(bound, condition)
        noted = ir.call("tl.atomic_min", [cell, mark], attrs={"memory_order": "relaxed"}, span=span)
        return ir.IfThenElse(condition, ir.evaluate(noted, span), None, span)


def _wide(value: Any) -> Any:
    return ir.const(value, "int64") if isinstance(value, int) else ir.Cast("int64", value)


def _row_major(buf: ir.Var, indices: Any) -> Any:
    """The number of an element in a tensor."""
    number: Any = ir.const(0, "int64")
    for index, extent in zip(indices, ir.items(buf.ty.shape)):
        number = number * _wide(extent) + _wide(index)
    return number

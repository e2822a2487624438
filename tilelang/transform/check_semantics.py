"""Refuse what has no meaning, with the user's line.

Each rule is one small function, registered for the node class that it looks at; it gets the node and a `Place`, and raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from .. import ir
from ..codegen.types import type_name
from ..errors import ResourceError, SemanticError, ShapeError, TileLangError, UnsupportedError
from ..tileop.atomic import check_element
from ..tileop.base import as_tile_op
from .iteration_conflicts import check_iterations
from .kernel_program import KernelProgram
from .parallel_nest import ParallelNest

_TILE_SCOPES = ("shared", "shared.dyn", "shared.barrier", "shared.tmem", "local.fragment", "local", "local.var")
_REGION_DIRECTIVES = frozenset(("tl.annotate_layout", "tl.view", "tl.init_barriers", "tl.ws_schedule", "tl.ws_pipeline_depth"))
_MAX_GRID_YZ = 65535  # CUDA C++ Programming Guide, "Technical Specifications per Compute Capability"


@dataclass(frozen=True)
class Place:
    """Where a node stands: the enclosing T.Parallel (if any), loops since then, enclosing loops and branches."""

    program: KernelProgram
    span: Any = None
    parallel: ir.For | None = None
    loops_inside_parallel: int = 0
    depth: int = 0
    loops: tuple[ir.For, ...] = ()  # around it, outermost first
    declared: set[ir.Var] = field(default_factory=set)

    def at(self, node: Any) -> Any:
        """The user's place of a node, or of the statement that holds it."""
        span = getattr(node, "span", None)
        return ir.span_to_source(span if span is not None else self.span)


Rule = Callable[[Any, Place], None]
_RULES: dict[type, list[Rule]] = {}
_LAUNCH_RULES: list[Callable[[KernelProgram], None]] = []


def rule(*kinds: type) -> Callable[[Rule], Rule]:
    """Register a rule for node classes."""

    def register(function: Rule) -> Rule:
        for kind in kinds:
            _RULES.setdefault(kind, []).append(function)
        return function

    return register


def launch_rule(function: Callable[[KernelProgram], None]) -> Callable[[KernelProgram], None]:
    """Register a rule for the launch as a whole."""
    _LAUNCH_RULES.append(function)
    return function


# ---------------------------------------------------------------------- the launch


@launch_rule
def threads_fit_a_block(program: KernelProgram) -> None:
    limits, threads = program.ctx.target.limits, program.ctx.num_threads
    if threads > limits.max_threads or program.block[2] > 64:
        raise ResourceError(
            f"a block of {' x '.join(map(str, program.block))} threads is more than {program.ctx.target.arch} runs",
            fix=f"use at most {limits.max_threads} threads, 64 of them along z",
            span=ir.span_to_source(program.span),
        )


@launch_rule
def grid_is_launchable(program: KernelProgram) -> None:
    for axis, extent in zip("xyz", program.grid):
        value = ir.const_int(extent)
        if value is not None and (value < 0 or value > (2**31 - 1 if axis == "x" else _MAX_GRID_YZ)):
            raise ResourceError(
                f"the grid has {value} blocks along {axis}",
                fix="CUDA takes 2**31 - 1 blocks along x and 65535 along y and z: put the long axis first",
                span=ir.span_to_source(program.span),
            )


@launch_rule
def parameters_have_device_types(program: KernelProgram) -> None:
    for param in program.params:
        dtype = ir.buffer_dtype(param) if ir.is_buffer_var(param) else ir.dtype_of(param)
        type_name(dtype, ir.span_to_source(param.span))


# ---------------------------------------------------------------------- allocations


@rule(ir.AllocBuffer)
def scopes_belong_into_a_kernel(node: ir.AllocBuffer, place: Place) -> None:
    scope = ir.scope_of(node.buffer)
    if scope not in _TILE_SCOPES:
        raise SemanticError(
            f"`{node.buffer.name}` has scope {scope!r} inside a kernel",
            fix="allocate global workspaces before `with T.Kernel(...)`; tiles are shared, fragment or local",
            span=place.at(node),
        )


@rule(ir.AllocBuffer)
def tiles_have_constant_shapes(node: ir.AllocBuffer, place: Place) -> None:
    shape = ir.shape_of(node.buffer)
    symbolic = [s for s in shape if not isinstance(s, int)]
    if symbolic:
        raise ShapeError(
            f"`{node.buffer.name}` has the symbolic extent {symbolic[0]}",
            fix="tiles need constant shapes: use a constant tile size and guard the tail, or a compile-time parameter",
            span=place.at(node),
        )
    if any(s < 1 for s in shape):
        raise ShapeError(
            f"`{node.buffer.name}` has shape {tuple(shape)}", fix="every extent must be positive", span=place.at(node)
        )


@rule(ir.AllocBuffer)
def tiles_have_device_types(node: ir.AllocBuffer, place: Place) -> None:
    type_name(ir.buffer_dtype(node.buffer), place.at(node))


@rule(ir.AllocBuffer)
def tiles_are_allocated_by_the_block(node: ir.AllocBuffer, place: Place) -> None:
    scope = ir.scope_of(node.buffer)
    if place.parallel is not None and scope not in ("local", "local.var"):
        raise SemanticError(
            f"`{node.buffer.name}` ({scope}) is allocated inside T.Parallel, whose body is one element's work",
            fix="allocate it before the loop",
            span=place.at(node),
        )


# ---------------------------------------------------------------------- loops


@rule(ir.For)
def parallel_loops_do_not_nest(node: ir.For, place: Place) -> None:
    if place.parallel is not None and node.kind == ir.ForKind.PARALLEL:
        raise SemanticError(
            "T.Parallel inside the body of another T.Parallel",
            fix="write one T.Parallel over all axes: for i, j in T.Parallel(m, n)",
            span=place.at(node),
            notes=(f"the outer one is at {place.at(place.parallel)}",),
        )


@rule(ir.For)
def parallel_extents_are_constant(node: ir.For, place: Place) -> None:
    if node.kind == ir.ForKind.PARALLEL and ir.const_int(ir.simplify(node.extent)) is None:
        raise ShapeError(
            f"T.Parallel over the symbolic extent {node.extent}",
            fix="use the constant tile size and guard the tail with `if`",
            span=place.at(node),
        )


@rule(ir.For)
def parallel_iterations_are_independent(node: ir.For, place: Place) -> None:
    if node.kind == ir.ForKind.PARALLEL and place.parallel is None and _has_constant_extents(node):
        where = lambda span: ir.span_to_source(span if span is not None else node.span)  # noqa: E731
        check_iterations(ParallelNest.of(node), where, place.loops)


def _has_constant_extents(loop: ir.For) -> bool:
    for _ in range(int(loop.annotations.get("tl.parallel_depth", 1))):
        if ir.const_int(ir.simplify(loop.extent)) is None:
            return False
        loop = loop.body
    return True


@rule(ir.For)
def stage_counts_are_constant(node: ir.For, place: Place) -> None:
    stages = node.annotations.get("tl.num_stages")
    if stages is None:
        return
    count = ir.const_int(stages)
    if count is None or count < 0:
        raise SemanticError(f"num_stages={stages} of T.Pipelined", fix="use a constant that is not negative", span=place.at(node))
    if place.parallel is not None:
        raise SemanticError("T.Pipelined inside T.Parallel", fix="use T.serial there: one thread runs it", span=place.at(node))


@rule(ir.Break, ir.Continue)
def parallel_iterations_run_to_the_end(node: Any, place: Place) -> None:
    if place.parallel is not None and place.loops_inside_parallel == 0:
        word = "break" if isinstance(node, ir.Break) else "continue"
        raise SemanticError(
            f"{word} out of an iteration of T.Parallel, whose iterations run at the same time",
            fix="guard the rest of the body with `if`",
            span=place.at(node),
        )


@rule(ir.Return)
def nothing_returns_from_parallel(node: ir.Return, place: Place) -> None:
    if place.parallel is not None:
        raise SemanticError("return inside T.Parallel", fix="guard the body with `if`", span=place.at(node))


# ---------------------------------------------------------------------- operators


@rule(ir.Evaluate)
def tile_operators_are_the_blocks_work(node: ir.Evaluate, place: Place) -> None:
    if place.parallel is None or not isinstance(node.value, ir.Call):
        return
    name = ir.call_name(node.value)
    if as_tile_op(node) is not None:
        raise SemanticError(
            f"T.{name.partition('.')[2]} inside T.Parallel, whose body is one element's work",
            fix="move it out of the loop, or assign elements",
            span=place.at(node),
        )
    if name in ("tl.sync_threads", "tl.syncthreads_and", "tl.syncthreads_or", "tl.syncthreads_count"):
        raise SemanticError(
            "a barrier inside T.Parallel, which not all threads reach equally often",
            fix="split the loop and put the barrier between the halves",
            span=place.at(node),
        )


@rule(ir.Evaluate)
def tile_operators_fit_the_target(node: ir.Evaluate, place: Place) -> None:
    op = as_tile_op(node)
    if op is not None:
        try:
            op.check(place.program.ctx.target)
        except TileLangError as error:
            raise error.with_span(place.at(node)) from None


@rule(ir.Evaluate)
def regions_go_to_tile_operators(node: ir.Evaluate, place: Place) -> None:
    call = node.value
    if isinstance(call, ir.Call) and any(isinstance(a, ir.BufferRegion) for a in call.args):
        name = ir.call_name(call)
        if name not in _REGION_DIRECTIVES and as_tile_op(node) is None:
            raise UnsupportedError(
                f"T.{name.partition('.')[2]} of a tile is not in this version", fix="loop over its elements", span=place.at(node)
            )


@rule(ir.Call)
def instructions_exist_on_the_target(node: ir.Call, place: Place) -> None:
    limits, name = place.program.ctx.target.limits, ir.call_name(node)
    if name.startswith("tl.clc_") and limits.capability < 100:
        raise UnsupportedError(
            f"T.{name.partition('.')[2]}: cluster launch control came with sm_100; the target is {place.program.ctx.target.arch}",
            fix="walk over the tiles by T.Persistent or T.PersistentTileScheduler, or compile for sm_100a",
            span=place.at(node),
        )
    if name.startswith(("tl.tcgen05_fence", "tl.tcgen05_descriptor")) and limits.name != "sm_100a":
        raise UnsupportedError(
            f"{name.replace('tl.', 'T.', 1)}: tensor memory is of sm_100a; the target is {place.program.ctx.target.arch}",
            fix="leave them out",
            span=place.at(node),
        )


@rule(ir.Call)
def atomics_exist_for_the_element(node: ir.Call, place: Place) -> None:
    check_element(node, place.at(node))


@rule(ir.Evaluate)
def rasterization_is_the_launchs(node: ir.Evaluate, place: Place) -> None:
    if ir.is_call(node.value, "tl.use_swizzle") and place.depth:
        raise SemanticError("T.use_swizzle inside a loop or branch", fix="call it directly under T.Kernel", span=place.at(node))


# ---------------------------------------------------------------------- accesses


def _check_index(buf: ir.Var, dim: int, index: Any, place: Place, node: Any) -> None:
    value, extent = ir.const_int(index), ir.const_int(buf.ty.shape[dim])
    if value is not None and (value < 0 or (extent is not None and value >= extent)):
        bound = buf.ty.shape[dim] if extent is None else extent
        raise ShapeError(
            f"index {value} is outside axis {dim} of `{buf.name}`, which has extent {bound}",
            fix=f"use 0 to {bound} - 1" if extent is None else f"use 0 to {extent - 1}",
            span=place.at(node),
        )


@rule(ir.BufferLoad, ir.BufferStore)
def constant_indices_are_inside(node: Any, place: Place) -> None:
    buf = node.buffer if isinstance(node, ir.BufferStore) else node.source
    for dim, index in enumerate(node.indices):
        _check_index(buf, dim, index, place, node)


@rule(ir.BufferRegion)
def regions_start_inside(node: ir.BufferRegion, place: Place) -> None:
    for dim, extent in enumerate(node.region):
        start, count = ir.const_int(extent.min), ir.const_int(extent.extent)
        if count is not None and count < 0:
            raise ShapeError(f"a slice of axis {dim} of `{node.source.name}` has {count} elements", span=place.at(node))
        if count != 0 and ir.const_int(node.source.ty.shape[dim]) != 0:
            _check_index(node.source, dim, extent.min, place, node)
        whole = ir.const_int(node.source.ty.shape[dim])
        if ir.scope_of(node.source) == "global" or start is None or count is None or whole is None:
            continue
        if start + count > whole:
            raise ShapeError(
                f"the slice {start}:{start + count} of axis {dim} leaves `{node.source.name}`, which has extent {whole}",
                fix="only slices of global memory may hang over its edge",
                span=place.at(node),
            )


@rule(ir.Evaluate)
def views_are_declarations(node: ir.Evaluate, place: Place) -> None:
    if ir.is_call(node.value, "tl.view"):
        made = node.value.args[0].source
        type_name(ir.buffer_dtype(made), place.at(node))
        place.declared.add(made)


@rule(ir.BufferLoad, ir.BufferStore)
def tensor_memory_has_no_elements(node: Any, place: Place) -> None:
    buf = node.buffer if isinstance(node, ir.BufferStore) else node.source
    if ir.scope_of(buf) == "shared.tmem":
        raise SemanticError(
            f"an element of `{buf.name}`, which is in tensor memory: only whole tiles come and go there",
            fix=f"T.copy({buf.name}, fragment), then work on the fragment",
            span=place.at(node),
        )


@rule(ir.BufferLoad, ir.BufferStore, ir.BufferRegion)
def buffers_are_declared(node: Any, place: Place) -> None:
    buf = node.buffer if isinstance(node, ir.BufferStore) else node.source
    if buf not in place.declared:
        raise SemanticError(
            f"`{buf.name}` is neither a parameter nor allocated before this use",
            fix="allocate it earlier, in this kernel (tiles live inside one launch)",
            span=place.at(node),
        )


# ---------------------------------------------------------------------- the walk


class _Checker(ir.Visitor):
    def __init__(self, program: KernelProgram) -> None:
        super().__init__()
        self.place = Place(program, program.span, declared={p for p in program.params if ir.is_buffer_var(p)})

    def visit(self, node: Any) -> None:
        if isinstance(node, ir.Stmt) and node.span is not None:
            self.place = replace(self.place, span=node.span)
        for check in _RULES.get(type(node), ()):
            check(node, self.place)
        super().visit(node)

    def inside(self, node: Any, **changes: Any) -> None:
        outer = self.place
        self.place = replace(outer, **changes)
        self.descend(node)
        self.place = outer

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> None:
        self.place.declared.add(node.buffer)

    def visit_Call(self, node: ir.Call) -> None:
        if ir.is_call(node, "tl.make_tensor"):
            self.place.declared.add(node.args[0].args[0].source)
        self.descend(node)

    def visit_IfThenElse(self, node: ir.IfThenElse) -> None:
        self.inside(node, depth=self.place.depth + 1)

    def visit_While(self, node: ir.While) -> None:
        self.inside(node, depth=self.place.depth + 1, loops_inside_parallel=self.place.loops_inside_parallel + 1)

    def visit_For(self, node: ir.For) -> None:
        depth = self.place.depth + 1
        if node.kind != ir.ForKind.PARALLEL:
            loops = (*self.place.loops, node)
            self.inside(node, depth=depth, loops=loops, loops_inside_parallel=self.place.loops_inside_parallel + 1)
            return
        inner = node
        for _ in range(int(node.annotations.get("tl.parallel_depth", 1)) - 1):  # the other axes of the same T.Parallel
            inner = inner.body
            parallel_extents_are_constant(inner, self.place)
        self.inside(inner, depth=depth, parallel=node, loops_inside_parallel=0)


def check_semantics(program: KernelProgram) -> KernelProgram:
    """Run all rules; the program passes unchanged."""
    if not program.config("tl.disable_prelower_semantic_check", False):
        for check in _LAUNCH_RULES:
            check(program)
        _Checker(program).visit(program.body)
    return program

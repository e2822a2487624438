"""Take a function apart: its launches, in order, and what the host does around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import ir
from ..errors import SemanticError, UnsupportedError
from ..target import Target
from ..tileop.base import LoweringContext
from .kernel_program import KernelProgram
from .rasterize_blocks import rasterize_blocks

_AXES = tuple(f"{group}.{axis}" for group in ("blockIdx", "threadIdx") for axis in "xyz")


@dataclass
class HostStatement:
    """A call of T.call_packed behind `after` launches; `result` is the variable that gets its result."""

    call: ir.Call
    result: ir.Var
    after: int
    span: Any


@dataclass
class HostProgram:
    """A function as the host sees it; `views` are its `tl.view` statements."""

    name: str
    params: tuple[ir.Var, ...]
    workspaces: list[ir.Var] = field(default_factory=list)
    launches: list[KernelProgram] = field(default_factory=list)
    pointers: frozenset[str] = frozenset()
    zeroed: frozenset[str] = frozenset()
    grid: frozenset[str] = frozenset()
    calls: list[HostStatement] = field(default_factory=list)
    views: list[ir.Call] = field(default_factory=list)


@dataclass
class _Launch:
    """The axes of a launch nest and the statements inside."""

    variables: dict[str, ir.Var]
    extents: dict[str, Any]
    body: ir.Stmt
    span: Any


def _is_launch(stmt: Any) -> bool:
    return isinstance(stmt, ir.AttrStmt) and stmt.attr_key == "thread_extent"


def _read_nest(stmt: ir.AttrStmt) -> _Launch:
    variables: dict[str, ir.Var] = {}
    extents: dict[str, Any] = {}
    span = stmt.span
    while _is_launch(stmt):
        tag = str(stmt.node.thread_tag)
        variables[tag], extents[tag] = stmt.node.var, stmt.value
        stmt = stmt.body
    missing = [axis for axis in _AXES if axis not in variables]
    if missing or len(variables) != 6:
        raise SemanticError(
            f"a launch needs the axes {', '.join(_AXES)}; it has {', '.join(variables)}", fix="write it with T.Kernel"
        )
    return _Launch(variables, extents, stmt, span)


def _block_shape(launch: _Launch) -> tuple[int, int, int]:
    x, y, z = (ir.const_int(launch.extents[axis]) for axis in _AXES[3:])
    if x is None or y is None or z is None or min(x, y, z) < 1:
        raise SemanticError(
            f"threads= of a launch is {tuple(str(launch.extents[a]) for a in _AXES[3:])}",
            fix="give positive constants",
            span=ir.span_to_source(launch.span),
        )
    return x, y, z


def shape_symbols(params: tuple[ir.Var, ...]) -> tuple[ir.Var, ...]:
    """The free variables of shapes and strides: never negative."""
    found: dict[ir.Var, None] = {}
    for param in params:
        if ir.is_buffer_var(param):
            for extent in (*param.ty.shape, *param.ty.strides):
                found.update(dict.fromkeys(ir.collect(extent, ir.Var)))
    return tuple(found)


class _Directives(ir.Mutator):
    """Removes statements that say something about the launch and not within it."""

    def __init__(self) -> None:
        super().__init__()
        self.preludes: list[str] = []
        self.min_blocks = 0
        self.keep_registers = False
        self.cluster = (1, 1, 1)
        self.may_alias: set[str] = set()
        self.source: tuple[str, str] | None = None
        self.depths: dict[ir.Var, int] = {}

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if ir.is_call(node.value, "tl.import_source"):
            self.preludes.append(str(node.value.args[0].value))
            return None
        if ir.is_call(node.value, "tl.min_blocks_per_sm"):
            self.min_blocks = ir.const_int(node.value.args[0]) or 0
            return None
        if ir.is_call(node.value, "tl.keep_registers"):
            self.keep_registers = True
            return None
        if ir.is_call(node.value, "tl.cluster_dims"):
            x, y, z = (ir.const_int(d) or 1 for d in node.value.args)
            self.cluster = x, y, z
            return None
        if ir.is_call(node.value, "tl.source_kernel"):
            self.source = str(node.value.args[0].value), str(node.value.args[1].value)
        if ir.is_call(node.value, "tl.ws_pipeline_depth") and len(node.value.args):
            self.depths[node.value.args[0].source] = int(node.value.attrs["depth"])
        if ir.is_call(node.value, "tl.may_alias"):
            self.may_alias.add(str(node.value.args[0].source.name))
            return None
        return node


def _make_program(launch: _Launch, name: str, host: HostProgram, target: Target, configs: Mapping[str, Any]) -> KernelProgram:
    block = _block_shape(launch)
    threads = block[0] * block[1] * block[2]
    block_vars = tuple(launch.variables[a] for a in _AXES[:3])
    thread_vars = tuple(launch.variables[a] for a in _AXES[3:])
    grid = tuple(launch.extents[a] for a in _AXES[:3])
    flat = block[1] == block[2] == 1
    ctx = LoweringContext(target, threads, thread_vars[0] if flat else ir.var("tid"), pass_configs=configs)
    params = (*host.params, *host.workspaces, *(call.result for call in host.calls))
    ctx.symbols = shape_symbols(params)
    ctx.ranges[ctx.tid] = (0, threads)
    fixed: dict[ir.Var, Any] = {}
    for var, extent in (*zip(block_vars, grid), *zip(thread_vars, block)):
        if ir.const_int(extent) == 1 and var is not ctx.tid and not var.same_as(ctx.tid):
            fixed[var] = ir.const(0, ir.dtype_of(var))
        else:
            ctx.ranges[var] = (0, extent)
    directives = _Directives()
    body = directives.body(ir.substitute(launch.body, fixed))
    ctx.pipeline_depths = directives.depths
    ctx.device_tensors = {c.args[0].args[0].source for c in ir.collect(body, ir.Call) if ir.is_call(c, "tl.make_tensor")}
    if directives.cluster != (1, 1, 1) and not target.limits.has_tma:
        raise UnsupportedError(
            f"clusters of blocks (cluster_dims) need sm_90 or newer; the target is {target.arch}",
            fix="leave cluster_dims out",
            span=ir.span_to_source(launch.span),
        )
    source, name = directives.source or (None, name)
    program = KernelProgram(
        name, body, grid, block, block_vars, thread_vars, ctx, params,
        min_blocks=directives.min_blocks or int(_moves_registers(body)), prelude=tuple(directives.preludes), span=launch.span,
        may_alias=frozenset(directives.may_alias), keep_registers=directives.keep_registers,
        cluster=directives.cluster, source=source, declared=len(host.params),
        cooperative=_calls(body, "tl.grid_sync"), overlaps=target.limits.has_tma and _calls(body, "tl.grid_dependency_wait"),
    )  # fmt: skip
    return program if source is not None else rasterize_blocks(program)


def _moves_registers(body: ir.Stmt) -> bool:
    """True if the author moves registers: ptxas must know how many a thread starts with, which a second launch bound says."""
    return any(ir.call_name(c).startswith("tl.set_max_registers") for c in ir.collect(body, ir.Call))


def _calls(body: ir.Stmt, name: str) -> bool:
    return any(ir.call_name(c) == name for c in ir.collect(body, ir.Call))


class _GridBarriers(ir.Mutator):
    """Gives each T.sync_grid the counter through which the blocks meet."""

    def __init__(self, counter: ir.Var) -> None:
        super().__init__()
        self.counter = counter

    def visit_Evaluate(self, node: ir.Evaluate) -> ir.Stmt:
        if not ir.is_call(node.value, "tl.sync_grid"):
            return node
        address = ir.address_of(ir.load(self.counter, [ir.const(0)]))
        return ir.evaluate(ir.call("tl.grid_sync", [address], span=node.span), node.span)


def _bind_grid_barriers(nests: list[_Launch], host: HostProgram) -> None:
    """One counter serves all launches: a barrier leaves it as the next one needs it."""
    if not any(_calls(nest.body, "tl.sync_grid") for nest in nests):
        return
    taken = {str(p.name) for p in (*host.params, *host.workspaces)}
    name = next(n for n in ("grid_counter", *(f"grid_counter_{k}" for k in range(len(taken) + 1))) if n not in taken)
    counter = ir.buffer((1,), "uint32", name)
    host.workspaces.append(counter)
    host.zeroed = frozenset((name,))
    for nest in nests:
        nest.body = _GridBarriers(counter).body(nest.body)


def _host_error(stmt: ir.Stmt) -> UnsupportedError:
    what = {ir.For: "a loop", ir.IfThenElse: "a branch", ir.While: "a loop", ir.BufferStore: "a store"}.get(
        type(stmt), "a statement"
    )
    return UnsupportedError(
        f"{what} outside T.Kernel would run on the host, which executes nothing but launches and T.call_packed",
        fix="move it into the kernel, or call the compiled function from a Python loop",
        span=ir.span_to_source(stmt.span),
    )


def split_launches(func: ir.PrimFunc, target: Target, configs: Mapping[str, Any]) -> HostProgram:
    """The launches of a function; several run in order on one stream."""
    name = str(func.attrs["global_symbol"]) if "global_symbol" in func.attrs.keys() else "main"
    host = HostProgram(name, tuple(func.params))
    if "tl.pointers" in func.attrs.keys():
        host.pointers = frozenset(str(p) for p in func.attrs["tl.pointers"])
    if "tl.grid" in func.attrs.keys():
        host.grid = frozenset(str(p) for p in func.attrs["tl.grid"])
    nests: list[_Launch] = []
    scalars: dict[ir.Var, Any] = {}
    views: list[ir.Stmt] = []
    tensors: list[ir.Evaluate] = []
    preludes: list[str] = [str(func.attrs["tl.prelude"])] if "tl.prelude" in func.attrs.keys() else []
    for stmt in ir.statements(func.body):
        if _is_launch(stmt):
            nest = _read_nest(ir.substitute(stmt, scalars))
            nest.body = ir.seq([*views, nest.body])
            used = {x.source for x in ir.collect(nest.body, (ir.BufferLoad, ir.BufferRegion))}
            used |= {x.buffer for x in ir.collect(nest.body, ir.BufferStore)}
            own = [s for s in tensors if s.value.args[0].args[0].source in used]
            nest.body = ir.seq([*(ir.substitute(s, scalars) for s in own), nest.body])
            nests.append(nest)
        elif isinstance(stmt, ir.Evaluate) and ir.is_call(stmt.value, "tl.make_tensor"):
            tensors.append(stmt)  # each launch that uses the tensor declares it
        elif isinstance(stmt, ir.AllocBuffer) and ir.scope_of(stmt.buffer) == "global":
            host.workspaces.append(stmt.buffer)
        elif isinstance(stmt, ir.Bind) and ir.is_call(stmt.value, "tl.call_packed"):
            host.calls.append(HostStatement(ir.substitute(stmt.value, scalars), stmt.var, len(nests), stmt.span))
        elif isinstance(stmt, ir.Bind):
            scalars[stmt.var] = ir.substitute(stmt.value, scalars)
        elif isinstance(stmt, ir.Evaluate) and ir.is_call(stmt.value, "tl.import_source"):
            preludes.append(str(stmt.value.args[0].value))
        elif isinstance(stmt, ir.Evaluate) and ir.is_call(stmt.value, "tl.view"):
            views.append(stmt)
            host.views.append(stmt.value)
        elif not (ir.is_noop(stmt) or isinstance(stmt, ir.Evaluate) and ir.is_call(stmt.value, "tl.assume")):
            raise _host_error(stmt)
    if not nests and not host.calls:
        raise SemanticError(
            f"`{name}` launches nothing", fix="write its work under `with T.Kernel(...)`", span=ir.span_to_source(func.span)
        )
    _bind_grid_barriers(nests, host)
    for number, nest in enumerate(nests):
        suffix = f"_{number}" if len(nests) > 1 else ""
        program = _make_program(nest, f"{name}_kernel{suffix}", host, target, configs)
        program.prelude = (*preludes, *program.prelude)
        host.launches.append(program)
    return host

"""From IR to the launch plan: parameters, symbols, expressions that the launcher evaluates."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from .. import ir
from ..errors import ArgumentError, SemanticError, UnsupportedError
from ..language.dtypes import WITHOUT_TORCH, dtype
from ..runtime.lines import solvable as lines_over
from ..tileop.base import TensorMapSpec
from ..transform.kernel_program import KernelProgram
from ..transform.split_launches import HostStatement
from .alignment import MAX_ALIGNMENT, required_alignment
from .host_calls import plan_calls, tensors_of
from .kernel import KernelText, buffer_use, free_symbols
from .launch_plan import KernelArgument, KernelLaunch, LaunchPlan, Parameter, TensorMap, Workspace
from .plan_expr import plan_expr


def _parameter(var: ir.Var, used: bool, alignment: int, written: bool) -> Parameter:
    name = str(var.name)
    if not ir.is_buffer_var(var):
        return Parameter(name, "scalar", ir.dtype_of(var), used=used, written=False)
    shape = tuple(plan_expr(s, f"the shape of `{name}`", var.span) for s in var.ty.shape)
    strides = tuple(plan_expr(s, f"the strides of `{name}`", var.span) for s in var.ty.strides) if len(var.ty.strides) else None
    held = "uint8" if dtype(ir.buffer_dtype(var)) in WITHOUT_TORCH else ir.buffer_dtype(var)
    return Parameter(name, "tensor", held, shape, strides, used=used, alignment=alignment, written=written)


def _symbols(
    params: Sequence[ir.Var],
    workspaces: Sequence[ir.Var],
    grids: Iterable[Any],
    kernels: Sequence[KernelText],
    pointers: Collection[str] = (),
    calls: Sequence[HostStatement] = (),
) -> dict[str, str]:
    """Every symbol with its dtype; refuses those that neither an argument nor a call's result determines."""
    solvable: list[ir.Var] = []
    derived: list[Any] = list(grids)
    for var in params:
        if not ir.is_buffer_var(var):
            solvable.append(var)
            continue
        for extent in (*var.ty.shape, *var.ty.strides):
            (solvable if isinstance(extent, ir.Var) and str(var.name) not in pointers else derived).append(extent)
    allocated = [s for w in workspaces for s in w.ty.shape]
    derived += allocated + [s for k in kernels for s in k.symbols] + [a for c in calls for a in ir.items(c.call.args)]
    known = dict.fromkeys(solvable)
    own = [e for v in params if ir.is_buffer_var(v) and str(v.name) not in pointers for e in (*v.ty.shape, *v.ty.strides)]
    lines = lines_over([plan_expr(extent) for extent in own], {str(symbol.name) for symbol in known})
    known.update(dict.fromkeys(symbol for symbol in free_symbols(own) if str(symbol.name) in lines))
    read = [symbol for symbol in free_symbols(derived) if not ir.is_buffer_var(symbol)]
    results = [c.result for c in calls if c.result in read]
    for symbol in free_symbols(allocated):
        if symbol in results:
            raise UnsupportedError(
                f"the shape of a T.alloc_global has `{symbol.name}`, the result of a call: it is allocated before the first call",
                fix="make it as large as it can become",
            )
    known.update(dict.fromkeys(results))
    for symbol in read:
        if symbol not in known:
            raise SemanticError(
                f"the value of `{symbol.name}` cannot be found from the arguments of a call",
                fix=f"make `{symbol.name}` a dimension of a parameter, alone or in a sum or product, or an integer parameter",
            )
    names: dict[str, ir.Var] = {}
    for symbol in known:
        if names.setdefault(str(symbol.name), symbol) is not symbol and not names[str(symbol.name)].same_as(symbol):
            raise SemanticError(f"two different symbols are named `{symbol.name}`", fix="give each T.dynamic its own name")
    return {name: ir.dtype_of(symbol) for name, symbol in names.items()}


def _arguments(text: KernelText, places: dict[ir.Var, int]) -> tuple[KernelArgument, ...]:
    def argument(var: ir.Var) -> KernelArgument:
        if ir.is_buffer_var(var):
            return KernelArgument("tensor", places[var], ir.buffer_dtype(var))
        return KernelArgument("symbol", str(var.name), ir.dtype_of(var))

    def rest(found: tuple[ir.Var, ...]) -> list[KernelArgument]:
        return [argument(v) for v in found if not any(v.same_as(o) for o in text.order)]

    maps = [KernelArgument("tensor_map", index, "uint64") for index in range(len(text.maps))]
    return (*map(argument, text.order), *rest(text.buffers), *maps, *rest(text.symbols))


def _tensor_map(spec: TensorMapSpec, place: int, span: Any) -> TensorMap:
    tensor = spec.tensor
    shape = [plan_expr(s, f"the shape of `{tensor.name}`", span) for s in ir.shape_of(tensor)]
    strides = [plan_expr(s, f"the strides of `{tensor.name}`", span) for s in ir.strides_of(tensor)]
    return TensorMap(place, ir.buffer_dtype(tensor), tuple(shape[::-1]), tuple(strides[-2::-1]), spec.box, spec.swizzle)


def _stored_maps(program: KernelProgram) -> set[ir.Var]:
    """The tensor maps through which TMA writes."""
    stores = [c for c in ir.collect(program.body, ir.Call) if ir.call_name(c).startswith(("tl.tma_store", "tl.tma_reduce"))]
    return {c.args[0].args[0].source for c in stores if ir.is_call(c.args[0], "tirx.address_of")}


def make_plan(
    name: str,
    params: Sequence[ir.Var],
    workspaces: Sequence[ir.Var],
    programs: Sequence[KernelProgram],
    texts: Sequence[KernelText],
    pointers: Collection[str] = (),
    zeroed: Collection[str] = (),
    grid: Collection[str] = (),
    calls: Sequence[HostStatement] = (),
    views: Sequence[ir.Call] = (),
) -> LaunchPlan:
    """The launch plan of a compiled function, with no outputs yet.

    Parameters
    ----------
    params, workspaces : sequence of Var
        As the function declares them (with their logical shapes).
    programs, texts : sequences
        The launches after all passes, and what was printed for each.
    pointers : collection of str
        Parameters that the caller may pass as addresses.
    zeroed : collection of str
        Workspaces that start as zero.
    grid : collection of str
        Parameters that are extents of a manual launch's grid.
    calls : sequence of HostStatement
        What the host calls between the launches.
    views : sequence of Call
        What the host declares over the tensors: `tl.view`.
    """
    grids = [extent for program in programs for extent in program.grid]
    symbols = free_symbols([*grids, *(symbol for text in texts for symbol in text.symbols)])
    planned = plan_calls(calls, [*params, *workspaces], views, symbols)
    used: set[int] = set(tensors_of(planned))
    written: set[int] = set(tensors_of(planned))
    launches = []
    alignment: dict[int, int] = {}
    results = {call.result for call in calls}
    for program, text in zip(programs, texts):
        places = {p: i for i, p in enumerate(p for p in program.params if p not in results)}
        for buf, size in required_alignment(program.body).items():
            if buf not in places:  # a second name of a parameter, or an address that only the device knows
                continue
            alignment[places[buf]] = max(size, alignment.get(places[buf], 1))
        arguments = _arguments(text, places)
        written.update(places[buf] for buf in buffer_use(program.body).written if buf in places)
        used.update(a.value for a in arguments if a.kind == "tensor" and isinstance(a.value, int))
        declared = [*params, *workspaces]
        owners = [program.ctx.packed.get(spec.tensor, spec.tensor) for spec in text.maps]
        mapped = [next(i for i, p in enumerate(declared) if p.same_as(owner)) for owner in owners]
        used.update(mapped)
        stored = _stored_maps(program)
        written.update(place for spec, place in zip(text.maps, mapped) if program.ctx.tensor_maps[spec] in stored)
        alignment.update({place: MAX_ALIGNMENT for place in mapped})
        x, y, z = (plan_expr(e, "the grid", program.span) for e in program.grid)
        launches.append(
            KernelLaunch(
                name=program.name,
                grid=(x, y, z),
                block=program.block,
                shared_bytes=program.shared_plan.total_bytes if program.shared_plan is not None else 0,
                arguments=arguments,
                cluster=program.cluster,
                cooperative=program.cooperative,
                overlaps=program.overlaps,
                tensor_maps=tuple(_tensor_map(spec, place, program.span) for spec, place in zip(text.maps, mapped)),
            )
        )
    scalars = {str(s.name) for s in (*symbols, *free_symbols([a for c in calls for a in ir.items(c.call.args)]))}
    return LaunchPlan(
        name=name,
        parameters=tuple(
            _parameter(
                p, i in used if ir.is_buffer_var(p) else str(p.name) in scalars, alignment.get(i, 1), i in written
            )._replace(pointer=str(p.name) in pointers, grid=str(p.name) in grid)
            for i, p in enumerate(params)
        ),
        kernels=tuple(launches),
        symbols=_symbols(params, workspaces, grids, texts, pointers, calls),
        workspaces=tuple(
            Workspace(
                str(w.name),
                ir.buffer_dtype(w),
                tuple(plan_expr(s, f"the shape of `{w.name}`", w.span) for s in w.ty.shape),
                str(w.name) in zeroed,
            )
            for w in workspaces
        ),
        calls=planned,
    )


def interface_plan(
    name: str,
    params: Sequence[ir.Var],
    workspaces: Sequence[ir.Var],
    grids: Iterable[Any],
    pointers: Collection[str] = (),
    grid: Collection[str] = (),
    calls: Sequence[HostStatement] = (),
    views: Sequence[ir.Call] = (),
    read: Collection[ir.Var] = (),
) -> LaunchPlan:
    """What a function takes, without its launches: for who runs the program and not its text.

    Parameters
    ----------
    grids : iterable of expressions
        The extents of all grids, whose symbols must be known as well.
    calls, views : sequences
        As for `make_plan`.
    read : collection of Var
        What the launches read.
    """
    extents = [extent for launch in grids for extent in launch]
    return LaunchPlan(
        name=name,
        parameters=tuple(
            _parameter(p, True, 1, True)._replace(pointer=str(p.name) in pointers, grid=str(p.name) in grid) for p in params
        ),
        kernels=(),
        symbols=_symbols(params, workspaces, extents, (), pointers, calls),
        workspaces=tuple(
            Workspace(
                str(w.name), ir.buffer_dtype(w), tuple(plan_expr(s, f"the shape of `{w.name}`", w.span) for s in w.ty.shape)
            )
            for w in workspaces
        ),
        calls=plan_calls(calls, [*params, *workspaces], views, [*free_symbols(extents), *read]),
    )


def with_outputs(plan: LaunchPlan, out_idx: int | Sequence[int] | None) -> LaunchPlan:
    """The plan with parameters `out_idx` allocated by the launcher and returned.

    Parameters
    ----------
    out_idx : int, sequence of int or None
        Positions of tensor parameters, negative ones from the end.
    """
    if out_idx is None and not plan.sites:
        return plan.without_outputs()
    wanted = [] if out_idx is None else [out_idx] if isinstance(out_idx, int) else list(out_idx)
    count = len(plan.declared)
    chosen: list[int] = []
    for index in wanted:
        if not isinstance(index, int) or isinstance(index, bool) or not -count <= index < count:
            raise ArgumentError(
                f"out_idx holds {index!r}, but `{plan.name}` has {count} parameters",
                fix=f"use indices from {-count} to {count - 1}",
            )
        place = index % count
        parameter = plan.parameters[place]
        if parameter.kind != "tensor":
            raise ArgumentError(
                f"out_idx holds {index}, which is the scalar `{parameter.name}`", fix="only tensors can be outputs"
            )
        if place in chosen:
            raise ArgumentError(f"out_idx names `{parameter.name}` twice: {wanted}", fix="list every output once")
        chosen.append(place)
    if plan.sites:
        chosen.append(len(plan.parameters) - 1)
    parameters = tuple(p._replace(output=i in chosen) for i, p in enumerate(plan.parameters))
    return plan._replace(outputs=tuple(chosen), parameters=parameters)

"""The launch plan evaluated in Python: symbols from shapes, extents from symbols, arguments against parameters.

The native launcher does all of this itself. Backends without it, fake tensors of a compiler and `launch_config.evaluate` use
this module; the rules and the classes of errors are the launcher's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tilelang.codegen.launch_plan import Expr, LaunchPlan, Parameter
from tilelang.errors import ArgumentError, ArgumentTypeError, DeviceMismatchError
from tilelang.runtime.errors import describe_argument
from tilelang.runtime.lines import solve_lines

# Types of 4 bits: tensors hold them in bytes, two each.
SUB_BYTE = ("int4", "uint4", "float4_e2m1fn")
# As kSymbolLimit in src/runtime/frame.cc: 32-bit index arithmetic is proved up to here.
_SYMBOL_LIMIT = 2**31 - 2**16


@dataclass(frozen=True)
class TensorView:
    """A tensor argument, whatever framework it comes from.

    Parameters
    ----------
    address : int
        Of the first element.
    dtype : str
        As in a plan.
    shape, strides : tuple of int
        In elements.
    device : tuple
        ("cuda", index) or ("cpu", 0).
    """

    address: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    device: tuple[str, int]


def evaluate(expr: Expr, values: Mapping[str, Any]) -> Any:
    """The value of a plan's expression; works on symbolic integers too.

    Raises
    ------
    KeyError
        For a symbol without a value.
    """
    if isinstance(expr, int):
        return expr
    if isinstance(expr, str):
        return values[expr]
    op, a, b = expr[0], evaluate(expr[1], values), evaluate(expr[2], values)
    if op == "+":
        return a + b
    if op == "-":
        return a - b
    if op == "*":
        return a * b
    if op == "floordiv":
        return a // b
    if op == "ceildiv":
        return -(-a // b)
    if op == "floormod":
        return a % b
    return min(a, b) if op == "min" else max(a, b)


def row_major(shape: Sequence[Any]) -> tuple[Any, ...]:
    """Strides of a compact tensor."""
    strides: list[Any] = []
    step: Any = 1
    for extent in reversed(shape):
        strides.insert(0, step)
        step = step * extent
    return tuple(strides)


def input_parameters(plan: LaunchPlan) -> list[Parameter]:
    """The parameters that a caller passes, in order."""
    return [p for p in plan.parameters if not p.output]


def solve_symbols(plan: LaunchPlan, shapes: Mapping[str, Sequence[Any]], scalars: Mapping[str, Any]) -> dict[str, Any]:
    """Values of symbols, from scalars and from extents; nothing is checked."""
    values = dict(scalars)
    pairs: list[tuple[str, Expr, Any]] = []
    for parameter in plan.parameters:
        shape = shapes.get(parameter.name) or ()
        if parameter.dtype in SUB_BYTE and shape:
            shape = (*shape[:-1], 2 * shape[-1])
        for axis, (expr, extent) in enumerate(zip(parameter.shape, shape)):
            if isinstance(expr, str):
                values.setdefault(expr, extent)
            pairs.append((f"{parameter.name}.shape[{axis}]", expr, extent))
    solve_lines(pairs, values)
    return values


def output_shapes(plan: LaunchPlan, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The shape of every output in return order, as it is allocated: in bytes along the last axis for 4-bit elements.

    Raises
    ------
    ArgumentError
        When no argument determines a symbol that one of them needs.
    """
    return [_shape_of(plan, plan.parameters[index], values) for index in plan.outputs]


def _shape_of(plan: LaunchPlan, parameter: Parameter, values: Mapping[str, Any]) -> tuple[Any, ...]:
    try:
        shape = tuple(evaluate(extent, values) for extent in parameter.shape)
    except KeyError as symbol:
        raise ArgumentError(
            f"`{symbol.args[0]}` is needed for the shape of `{parameter.name}` of `{plan.name}`, but no argument determines it",
            fix=f"pass a tensor that has `{symbol.args[0]}` as an extent, or make it a scalar parameter",
        ) from None
    return (*shape[:-1], shape[-1] // 2) if parameter.dtype in SUB_BYTE else shape


def bind_arguments(plan: LaunchPlan, args: Sequence[Any], views: Sequence[TensorView | None], device_type: str) -> dict[str, Any]:
    """Check a call as the native launcher does.

    Parameters
    ----------
    plan : LaunchPlan
        What the program expects.
    args : sequence
        The arguments of the call.
    views : sequence of TensorView or None
        For each argument, what it is as a tensor; None for one that is none.
    device_type : str
        "cuda" or "cpu".

    Returns
    -------
    dict
        The value of every symbol that the arguments determine.

    Raises
    ------
    ArgumentError, ArgumentTypeError, DeviceMismatchError
        For an argument that does not fit its parameter.
    """
    inputs = input_parameters(plan)
    if len(args) != len(inputs):
        raise ArgumentError(
            f"Kernel expected {len(inputs)} inputs, but {len(args)} are provided: `{plan.name}` takes "
            f"({', '.join(p.name for p in inputs)})",
            fix="pass each parameter that is not an output, in this order",
        )
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    places = list(enumerate(zip(inputs, args, views)))
    for position, (parameter, value, _) in places:
        if parameter.kind == "scalar":
            values[parameter.name] = _scalar(plan, parameter, position, value)
            origin[parameter.name] = f"argument `{parameter.name}`"
    device: tuple[str, int] | None = None
    for position, (parameter, value, view) in places:
        if parameter.kind == "scalar" or (value is None and not parameter.used):
            continue
        where = f"argument `{parameter.name}` (position {position}) of `{plan.name}`"
        if view is None:
            raise ArgumentTypeError(
                f"{where} is a tensor of {parameter.dtype}, got {describe_argument(value)}", fix="pass a tensor"
            )
        view = logical_view(parameter, view)
        _check_tensor(where, parameter, view, device_type, device)
        device = view.device
        _bind_extents(where, plan, parameter, view, values, origin)
    given = [(parameter, view) for parameter, view in zip(inputs, views) if view is not None and parameter.kind == "tensor"]
    tensors = [(parameter, logical_view(parameter, view)) for parameter, view in given]
    solve_lines([pair for p, view in tensors for pair in _extents(p, view)], values)
    for parameter, view in tensors:
        _check_compound(plan, parameter, view, values)
    return values


def _scalar(plan: LaunchPlan, parameter: Parameter, position: int, value: Any) -> Any:
    where = f"argument `{parameter.name}` (position {position}) of `{plan.name}`"
    floating = parameter.dtype.startswith(("float", "bfloat"))
    if not isinstance(value, (int, float) if floating else int):
        raise ArgumentTypeError(
            f"{where} is a scalar of type {parameter.dtype}, got {describe_argument(value)}",
            fix=f"pass a Python {'float' if floating else 'bool' if parameter.dtype == 'bool' else 'int'}",
        )
    if floating:
        return float(value)
    if parameter.dtype == "bool":
        low, high = 0, 1
    else:
        bits = min(int(parameter.dtype.lstrip("uint")), 64)
        signed = parameter.dtype.startswith("int")
        high = min(2 ** (bits - signed) - 1, 2**63 - 1)
        low = -high - 1 if signed else 0
    if not low <= value <= high:
        raise ArgumentError(f"{where} = {value} is outside {parameter.dtype} ({low} .. {high})", fix="pass a value in that range")
    return int(value)


_BYTES = ("int8", "uint8", "float4_e2m1fnx2", "float4_e2m1fn_x2")


def logical_view(parameter: Parameter, view: TensorView) -> TensorView:
    """The tensor in elements: one of bytes that stands for 4-bit elements has two of them in each byte of its last axis."""
    if parameter.dtype not in SUB_BYTE or view.dtype not in _BYTES or not view.shape:
        return view
    strides = (*(2 * s for s in view.strides[:-1]), view.strides[-1])
    return replace(view, dtype=parameter.dtype, shape=(*view.shape[:-1], 2 * view.shape[-1]), strides=strides)


def _check_tensor(where: str, parameter: Parameter, view: TensorView, device_type: str, device: tuple[str, int] | None) -> None:
    if not same_dtype(parameter.dtype, view.dtype):
        if parameter.dtype in SUB_BYTE:
            raise ArgumentTypeError(
                f"{where}: dtype mismatch, got {view.dtype}, expected bytes of two {parameter.dtype} each",
                fix="pass int8, uint8 or float4_e2m1fn_x2 with half the last extent, the even element in the low nibble",
            )
        raise ArgumentTypeError(
            f"{where}: dtype mismatch, expected {parameter.dtype}, got {view.dtype}", fix=f"convert `{parameter.name}`"
        )
    if len(view.shape) != len(parameter.shape):
        raise ArgumentError(
            f"{where}: ndim mismatch, expected {len(parameter.shape)}: {parameter.shape}, "
            f"got {len(view.shape)} dimensions {view.shape}",
            fix="reshape it, or declare the parameter with that rank",
        )
    kind, index = view.device
    if kind != device_type:
        raise DeviceMismatchError(
            f"{where} is on {kind}, but this kernel runs on {device_type}", fix=f"move `{parameter.name}` to {device_type}"
        )
    if device is not None and device != view.device:
        raise DeviceMismatchError(
            f"{where} is on {kind}:{index}, but the arguments before it are on {device[0]}:{device[1]}",
            fix="pass all tensors from one device",
        )
    if parameter.used and view.address % parameter.alignment:
        raise ArgumentError(
            f"{where} starts at an address that is not a multiple of {parameter.alignment} bytes, which the kernel assumes",
            fix=f"pass `{parameter.name}.clone()`: a slice of a larger tensor can start anywhere",
        )


def same_dtype(wanted: str, got: str) -> bool:
    """Whether a tensor of type `got` may stand for `wanted`: equal, a byte type for a bool, or the other name of E4M3."""
    names = {"float8_e4m3": "float8_e4m3fn"}
    wanted, got = names.get(wanted, wanted), names.get(got, got)
    return wanted == got or (wanted == "bool" and got in ("int8", "uint8"))


def _bind_extents(
    where: str, plan: LaunchPlan, parameter: Parameter, view: TensorView, values: dict[str, Any], origin: dict[str, str]
) -> None:
    places: list[tuple[str, Expr, int]] = [
        (f"{parameter.name}.shape[{axis}]", expr, actual) for axis, (expr, actual) in enumerate(zip(parameter.shape, view.shape))
    ]
    if parameter.strides is None:
        compact = row_major(view.shape)
        if 0 not in view.shape and any(n > 1 and s != c for n, s, c in zip(view.shape, view.strides, compact)):
            raise ArgumentError(
                f"{where} must be contiguous (row-major); shape {view.shape} has strides {view.strides}",
                fix=f"pass `{parameter.name}.contiguous()`, or declare the parameter as T.StridedTensor",
            )
    else:
        for axis in reversed(range(len(view.shape))):
            expr = parameter.strides[axis]
            # The stride of an axis with one element is never used; frameworks put anything there.
            if view.shape[axis] > 1 or (isinstance(expr, str) and expr not in values):
                places.append((f"{parameter.name}.stride({axis})", expr, view.strides[axis]))
    for place, expr, actual in places:
        if isinstance(expr, int) and expr != actual:
            raise ArgumentError(f"{where}: {place} is {actual}, expected {expr}", fix=f"pass a tensor of shape {parameter.shape}")
        if not isinstance(expr, str):
            continue
        if expr in values:
            if values[expr] != actual:
                raise ArgumentError(
                    f"{where}: {place} is {actual}, expected {expr} = {values[expr]}, which {origin[expr]} determined",
                    fix=f"pass a tensor of shape {parameter.shape}",
                )
        elif actual > _SYMBOL_LIMIT and plan.symbols.get(expr) == "int32":
            raise ArgumentError(
                f"{where}: {place} is {actual}, which does not fit the int32 symbol `{expr}`",
                fix=f'declare it as T.dynamic("{expr}", "int64")',
            )
        else:
            values[expr], origin[expr] = actual, place


def _extents(parameter: Parameter, view: TensorView) -> list[tuple[str, Expr, int]]:
    """(place, what is declared, what the tensor has) of every extent and stride that means something."""
    pairs = [(f"{parameter.name}.shape[{i}]", e, a) for i, (e, a) in enumerate(zip(parameter.shape, view.shape))]
    strides = enumerate(zip(parameter.strides or (), view.strides))
    return pairs + [(f"{parameter.name}.stride({i})", e, a) for i, (e, a) in strides if view.shape[i] > 1]


def _check_compound(plan: LaunchPlan, parameter: Parameter, view: TensorView, values: Mapping[str, Any]) -> None:
    for place, expr, actual in _extents(parameter, view):
        if isinstance(expr, (list, tuple)) and evaluate(expr, values) != actual:
            raise ArgumentError(
                f"argument `{parameter.name}` of `{plan.name}`: {place} is {actual}, expected {expr} = {evaluate(expr, values)}",
                fix=f"pass a tensor of shape {parameter.shape}",
            )

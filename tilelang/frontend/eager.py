"""Eager functions: called with tensors, traced once for each combination of compile-time values.

Phase 1 runs the function up to its first statement with a symbol for each T.const, which shows its tensors; the tensors of
a call then give the constants. Phase 2 traces with those integers. Phase 1 needs neither TVM nor a device.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Hashable, Mapping, Sequence
from types import FunctionType
from typing import Any, NamedTuple

from ..errors import ArgumentError, FrontendError, SourceSpan, TileLangError
from ..language.buffer import Buffer
from ..language.dtypes import dtype
from ..language.expr import Expr
from ..language.tensor import MissingConstantError, TensorType
from .annotations import caller_locals, evaluate_annotations
from .builder import Builder, SignatureBuilder, StopSignature, active
from .closure import rewritten
from .names import Undeclared
from .prim_func import make_parameter
from .source import Source
from .tracing import finish, run


class BoundCall(NamedTuple):
    """One call of an eager function, taken apart.

    Attributes
    ----------
    key : tuple
        Hashable: compile-time values and constants. Equal keys have equal kernels.
    arguments : tuple
        Tensors, in the order of the kernel's parameters.
    values : dict
        Compile-time parameters by name.
    constants : dict
        Values of T.const names.
    names : tuple of str
        The parameters that `arguments` belong to.
    """

    key: tuple
    arguments: tuple
    values: dict[str, Any]
    constants: dict[str, int]
    names: tuple[str, ...]


class EagerSignature(NamedTuple):
    """What phase 1 found: tensor types by parameter (T.const dimensions are symbols), and the T.const names."""

    tensors: dict[str, TensorType]
    constants: dict[str, Expr]


class UnusedConstantError(FrontendError, RuntimeError):
    """A T.const that is no dimension or stride of a tensor parameter."""

    code = "TL0106"


class EagerFunction:
    """A function whose tensors are annotated with T.Tensor, in the signature or in the body.

    Attributes
    ----------
    tensor_parameters : tuple of str
        Run-time arguments; all other parameters are compile-time values.
    """

    def __init__(self, func: FunctionType) -> None:
        self.func = func
        self.__name__, self.__doc__, self.__wrapped__ = func.__name__, func.__doc__, func
        self.scope = caller_locals(func)
        self.signature = inspect.signature(func)
        self.place = SourceSpan(func.__code__.co_filename, func.__code__.co_firstlineno)
        self._annotated: dict[str, TensorType] | None = None
        self._tensor_parameters: tuple[str, ...] | None = None
        self._signatures: dict[tuple, EagerSignature] = {}

    # -- which parameters are tensors ---------------------------------------------------------------------------------
    @property
    def annotated(self) -> dict[str, TensorType]:
        """Parameters annotated with a tensor in the signature."""
        if self._annotated is None:
            annotations = evaluate_annotations(self.func, self.scope) if self.func.__annotations__ else {}
            self._annotated = {
                n: a for n, a in annotations.items() if isinstance(a, TensorType) and n in self.signature.parameters
            }
        return self._annotated

    @property
    def tensor_parameters(self) -> tuple[str, ...]:
        if self._tensor_parameters is None:
            declared = body_annotations(Source(self.func).tree)
            self._tensor_parameters = tuple(n for n in self.signature.parameters if n in self.annotated or n in declared)
        return self._tensor_parameters

    # -- calls --------------------------------------------------------------------------------------------------------
    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any], partial: bool = False) -> BoundCall:
        """Take a call apart.

        Parameters
        ----------
        args, kwargs
            As the function is called; T.const names may be given as keywords.
        partial : bool
            Tensors may be missing (compiling ahead of a call).

        Raises
        ------
        TypeError
            Too many, missing or doubly given arguments; a compile-time value without a hash.
        ValueError
            A constant that no tensor determines, or two tensors contradict.
        """
        parameters = self.signature.parameters
        extra = {n: v for n, v in kwargs.items() if n not in parameters}
        bind = self.signature.bind_partial if partial else self.signature.bind
        bound = bind(*args, **{n: v for n, v in kwargs.items() if n in parameters})
        bound.apply_defaults()
        # A parameter that is None may be declared as a tensor under a condition that this call does not meet.
        left_out = {n for n in self.tensor_parameters if n in bound.arguments and bound.arguments[n] is None}
        tensors = {n: bound.arguments.get(n) for n in self.tensor_parameters}
        values = {n: v for n, v in bound.arguments.items() if n not in tensors or n in left_out}
        if partial:
            missing = [n for n in parameters if n not in values and n not in tensors]
            if missing:
                raise TypeError(f"missing a required argument: {missing[0]!r}")
        frozen = tuple((n, freeze(v, n, self.__name__)) for n, v in values.items())
        found = self.signature_of(values, frozen)
        tensors = {n: tensor for n, tensor in tensors.items() if n in found.tensors}
        unknown = [n for n in extra if n not in found.constants]
        if unknown:
            raise TypeError(f"{self.__name__}() got an unexpected keyword argument {unknown[0]!r}")
        constants = self._solve(found, tensors, extra)
        key = (frozen, tuple(sorted(constants.items())))
        return BoundCall(key, tuple(tensors.values()), values, constants, tuple(tensors))

    def signature_of(self, values: dict[str, Any], frozen: tuple) -> EagerSignature:
        """Phase 1, once for each combination of compile-time values."""
        if frozen not in self._signatures:
            self._signatures[frozen] = self._phase_one(values)
        return self._signatures[frozen]

    def _phase_one(self, values: dict[str, Any]) -> EagerSignature:
        builder = SignatureBuilder(self.__name__)
        tensors: dict[str, TensorType] = dict(self.annotated)

        def declare(name: str, kind: TensorType, span: SourceSpan) -> Buffer:
            tensors[name] = kind
            return Buffer(name, kind.shape, kind.dtype, "global", kind.strides)

        builder.attributes.update(eager=True, declare=declare)
        arguments = {**{n: self._proxy(tensors, n) for n in self.tensor_parameters}, **values}
        body = rewritten(self.func, "prim_func", scope=self.scope)
        with active(builder):
            try:
                body(**arguments)
            except StopSignature:
                pass
            except Exception as error:
                # A Python computation on a constant that is still a symbol: fine once all tensors are known.
                if any(n not in tensors and n not in values for n in self.tensor_parameters):
                    if isinstance(error, TileLangError):
                        error.with_span(builder.place)
                    raise
        for name in self.tensor_parameters:
            if name not in tensors and name not in values:
                raise FrontendError(
                    f"the parameter {name} of {self.__name__} is not declared before the first T.Kernel",
                    fix=f'write `{name}: T.Tensor((M, N), "float16")` at the top of the function',
                    span=self.place,
                )
        return EagerSignature(tensors, builder.attributes.get("const", {}))

    @staticmethod
    def _proxy(tensors: dict[str, TensorType], name: str) -> Any:
        kind = tensors.get(name)
        return Undeclared(name) if kind is None else Buffer(name, kind.shape, kind.dtype, "global", kind.strides)

    def _solve(self, found: EagerSignature, tensors: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, int]:
        constants: dict[str, int] = {}
        origin: dict[str, str] = {}
        used: set[str] = set()
        for name, value in extra.items():
            constants[name], origin[name] = int(value), "the keyword argument"
        for name, kind in found.tensors.items():
            tensor = tensors.get(name)
            actual = None if tensor is None else _logical(_dimensions(tensor, name, len(kind.shape)), kind.dtype)
            for which, dims, index in (("shape", kind.shape, 0), ("stride", kind.strides or (), 1)):
                for axis, dim in enumerate(dims):
                    constant = constant_name(dim)
                    if constant is None:
                        continue
                    used.add(constant)
                    if actual is None:
                        continue
                    value, place = actual[index][axis], f"{name}.{which}[{axis}]"
                    if constants.setdefault(constant, value) != value:
                        raise ArgumentError(
                            f"{constant} is {constants[constant]} by {origin[constant]} but {value} by {place}",
                            fix="pass tensors whose shapes agree",
                        )
                    origin.setdefault(constant, place)
        for name in found.constants:
            if name not in used and name not in extra:
                raise UnusedConstantError(
                    f"T.const {name!r} of {self.__name__} is not directly a dimension or stride of a tensor parameter",
                    fix=f"use {name} alone as a dimension, or pass {name}=... by keyword",
                    span=self.place,
                )
            if name not in constants:
                raise MissingConstantError(
                    f"Cannot find value for constexpr variable {name!r}",
                    fix=f"pass a tensor that has it, or {name}=... by keyword",
                )
        return constants

    # -- phase 2 ------------------------------------------------------------------------------------------------------
    def trace(self, call: BoundCall) -> Any:
        """The PrimFunc of a call: tensors in signature order, then the T.empty outputs; `tl.out_idx` in return order."""
        builder = Builder(self.__name__, call.constants)
        made: dict[str, Buffer] = {}

        def declare(name: str, kind: TensorType, span: SourceSpan) -> Any:
            if name not in self.signature.parameters:
                raise FrontendError(
                    f"{name} is annotated as a tensor but is no parameter of {self.__name__}",
                    fix=f"add {name} to the parameters, or make it with T.empty",
                    span=span,
                )
            if name in made:
                raise FrontendError(f"the tensor {name} is declared twice", span=span)
            made[name] = make_parameter(builder, name, kind)
            return made[name]

        builder.attributes.update(eager=True, declare=declare)
        arguments: dict[str, Any] = dict(call.values)
        for name in self.tensor_parameters:
            if name in self.annotated:
                arguments[name] = declare(name, self.annotated[name], self.place)
            else:
                arguments.setdefault(name, Undeclared(name))
        result = run(builder, rewritten(self.func, "prim_func", scope=self.scope), arguments)
        missing = [n for n in self.tensor_parameters if n not in made and n not in call.values]
        if missing:
            raise FrontendError(
                f"the parameter {missing[0]} of {self.__name__} is never declared",
                fix="declare tensors unconditionally",
                span=self.place,
            )
        builder.parameters = [made[n] for n in self.tensor_parameters if n in made]
        return finish(builder, result, self.__name__, self.place)

    def cache_identity(self) -> str | None:
        """As `function_identity(func)`."""
        from .identity import function_identity

        return function_identity(self.func, self.scope)


def body_annotations(tree: ast.FunctionDef) -> set[str]:
    """Names annotated without a value anywhere in the body, by something that is not a plain Python type."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and node.value is None and isinstance(node.target, ast.Name):
            if not (
                isinstance(node.annotation, ast.Name)
                and node.annotation.id in ("int", "float", "bool", "str", "list", "tuple", "dict")
            ):
                names.add(node.target.id)
    return names


def constant_name(extent: Any) -> str | None:
    """The T.const that an extent is, if it is one alone."""
    if isinstance(extent, Expr) and extent.recipe is not None and len(extent.recipe) == 4:
        return extent.recipe[1]
    return None


def _logical(dims: tuple[tuple[int, ...], tuple[int, ...]], kind: dtype) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape and strides in elements of `kind`, of which a byte may hold two."""
    shape, strides = dims
    if kind.bits >= 8 or not shape:
        return dims
    return (*shape[:-1], 2 * shape[-1]), (*(2 * s for s in strides[:-1]), strides[-1])


def _dimensions(tensor: Any, name: str, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(shape, strides in elements) of a torch, NumPy or DLPack tensor."""
    shape = getattr(tensor, "shape", None)
    if shape is None:
        raise ArgumentError(f"the argument {name} must be a tensor, got {type(tensor).__name__}")
    shape = tuple(int(s) for s in shape)
    if len(shape) != rank:
        raise ArgumentError(
            f"the argument {name} has {len(shape)} dimensions, {rank} expected", fix=f"pass {name} with shape of length {rank}"
        )
    stride = getattr(tensor, "stride", None)
    if callable(stride):
        return shape, tuple(int(s) for s in stride())
    byte_strides, itemsize = getattr(tensor, "strides", None), getattr(tensor, "itemsize", None)
    if byte_strides is not None and itemsize:
        return shape, tuple(int(s) // itemsize for s in byte_strides)
    steps: list[int] = []
    step = 1
    for extent in reversed(shape):
        steps.insert(0, step)
        step *= extent
    return shape, tuple(steps)


def freeze(value: Any, name: str, func: str) -> Hashable:
    """A hashable stand-in of a compile-time value; equal for equal values, different for 1, 1.0 and True."""
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *(freeze(v, name, func) for v in value))
    if isinstance(value, dict):
        return ("dict", *((freeze(k, name, func), freeze(v, name, func)) for k, v in value.items()))
    if isinstance(value, (set, frozenset)):
        return ("set", frozenset(freeze(v, name, func) for v in value))
    if hasattr(value, "__dlpack__"):
        raise TypeError(
            f"the argument {name} of {func} is a tensor, but {name} is a compile-time parameter: "
            f'annotate it, as in `{name}: T.Tensor((M, N), "float16")`'
        )
    if isinstance(value, dtype):
        return ("dtype", str(value))
    try:
        hash(value)
    except TypeError:
        raise TypeError(f"Unsupported unhashable JIT compile-time cache key value for {name}: {type(value).__name__}") from None
    return (type(value).__qualname__, value)

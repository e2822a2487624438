"""@T.prim_func: a function that becomes a tile program when it is first needed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from ..errors import FrontendError, SourceSpan
from ..language.buffer import Buffer
from ..language.dtypes import dtype
from ..language.expr import symbol
from ..language.pointer import Pointer, PointerType
from ..language.tensor import TensorType
from .annotations import caller_locals, evaluate_annotations
from .builder import Builder
from .closure import rewritten, snapshot_closure
from .source import code_names
from .tracing import finish, run


class PrimFuncSource:
    """A function decorated with @T.prim_func, not yet traced.

    Closure values and the globals that it names are taken when it is decorated, so that functions made in a loop
    differ as they were written.

    Attributes
    ----------
    prim_func : PrimFunc
        The tile program; traced at first use.
    """

    def __init__(self, func: FunctionType, scope: dict[str, Any]) -> None:
        self.func, self.scope = func, scope
        self.__name__, self.__doc__, self.__wrapped__ = func.__name__, func.__doc__, func
        self.cells = snapshot_closure(func)
        self.names = {n: func.__globals__[n] for n in code_names(func.__code__) if n in func.__globals__}
        self._traced: Any = None
        self._identity: Any = False

    @property
    def prim_func(self) -> Any:
        if self._traced is None:
            self._traced = trace_prim_func(self)
        return self._traced

    def get(self) -> Any:
        """The tile program."""
        return self.prim_func

    def cache_identity(self) -> str | None:
        """A digest of the text and of every value that it reads; None if one of them has no stable digest."""
        from .identity import prim_func_identity

        if self._identity is False:
            self._identity = prim_func_identity(self)
        return self._identity

    def script(self, *args: Any, **kwargs: Any) -> str:
        """The tile program as TVMScript."""
        return self.prim_func.script(*args, **kwargs)

    def __str__(self) -> str:
        return self.script()

    def __repr__(self) -> str:
        return f"<T.prim_func {self.__name__}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise FrontendError(
            f"{self.__name__} is a @T.prim_func, which is compiled, not called",
            fix="kernel = tilelang.compile(func); kernel(...). To call it from another kernel, decorate it with @T.macro",
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("func", "cells", "names", "scope"):
            raise AttributeError(name)
        if name == "prim_func":  # its property raised AttributeError, which Python took for a missing attribute: raise it again
            return trace_prim_func(self)
        return getattr(self.prim_func, name)


def prim_func(func: Callable[..., Any] | None = None, *, eager_jit: bool = False) -> Any:
    """Decorator: the function describes a kernel; its annotated parameters are the kernel's arguments.

    Parameters
    ----------
    eager_jit : bool
        Make an eager function instead (what @tilelang.jit does with one).
    """
    if func is None:
        return lambda f: prim_func(f, eager_jit=eager_jit)
    if not isinstance(func, FunctionType):
        raise FrontendError(f"T.prim_func of {func!r}", fix="decorate a plain function")
    if eager_jit:
        from .eager import EagerFunction

        return EagerFunction(func)
    return PrimFuncSource(func, caller_locals(func))


def trace_prim_func(source: PrimFuncSource | FunctionType) -> Any:
    """Run a function on the builder; returns the PrimFunc.

    Its attributes are `global_symbol`, and `tl.out_idx` (parameter indices in return order) if it made T.empty tensors.
    """
    if not isinstance(source, PrimFuncSource):
        source = PrimFuncSource(source, caller_locals(source))
    func = source.func
    builder = Builder(func.__name__)
    place = SourceSpan(func.__code__.co_filename, func.__code__.co_firstlineno)
    annotations = evaluate_annotations(func, source.scope)
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(func).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise FrontendError(
                f"the parameter *{name} of {func.__name__}", fix="a kernel has a fixed list of parameters", span=place
            )
        annotation = annotations.get(name)
        kind = as_parameter_type(annotation)
        if kind is not None:
            arguments[name] = make_parameter(builder, name, kind)
        elif parameter.default is not parameter.empty:
            arguments[name] = parameter.default
        else:
            said = "has no type" if annotation is None else f"is annotated with {annotation!r}, neither a tensor nor a dtype"
            raise FrontendError(
                f"the parameter {name} of {func.__name__} {said}",
                fix=f'annotate it: {name}: T.Tensor((M, N), "float16"), or {name}: T.int32',
                span=place,
            )
    body = rewritten(func, "prim_func", source.cells, source.names, source.scope)
    result = run(builder, body, arguments)
    return finish(builder, result, func.__name__, place)


def as_parameter_type(annotation: Any) -> TensorType | PointerType | dtype | None:
    """What an annotation makes of a parameter: a tensor, a pointer, a scalar, or None (a constant)."""
    if isinstance(annotation, (TensorType, PointerType, dtype)):
        return annotation
    if annotation in (int, float, bool):
        return dtype(annotation)
    if isinstance(annotation, str):
        return dtype(annotation)
    if type(annotation).__module__.split(".")[0] in ("torch", "numpy") and type(annotation).__name__.lower().endswith("dtype"):
        return dtype(annotation)
    return None


def make_parameter(builder: Builder, name: str, kind: TensorType | PointerType | dtype) -> Any:
    """The kernel's view of a parameter, appended to the builder's list."""
    builder.taken.setdefault(name, 0)
    if isinstance(kind, TensorType):
        scope = getattr(kind, "scope", "global")
        if scope != "global":
            raise FrontendError(
                f"the parameter {name} is a tile in {scope} memory, which no caller can pass",
                fix="annotate it with T.Tensor; on-chip annotations are for parameters of macros",
            )
        value: Any = Buffer(name, kind.shape, kind.dtype, "global", kind.strides)
    elif isinstance(kind, PointerType):
        value = Pointer(name, kind)
    else:
        value = symbol(name, kind)  # the same variable as a symbolic dimension of that name
    builder.parameters.append(value)
    return value

"""A digest of a function that is the same in every process: its text and the values that it reads.

It is computed without tracing, so that a compiled kernel is found on disk before TVM is imported. Whatever has no
canonical form (an open file, a tensor, an object without readable source) makes the digest None: then nothing is assumed.
"""

from __future__ import annotations

import builtins
import enum
import hashlib
import inspect
import sys
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, MethodWrapperType, ModuleType
from typing import Any

from ..language.dtypes import dtype
from ..language.expr import Expr
from ..language.tensor import TensorType
from .macro import Macro
from .prim_func import PrimFuncSource
from .source import Source, annotation_names, code_names, function_text

# Modules whose behaviour is pinned by other parts of the cache key (versions), so that their names are enough.
_PINNED = {"tilelang", "torch", "numpy", "tvm", "tvm_ffi"}


class _NoDigest(Exception):
    pass


class _Digest:
    """Feeds values in canonical form to a hash; cycles refer back by number."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.seen: dict[int, int] = {}
        self.alive: list[Any] = []  # so that an id is not reused while we run

    def tag(self, *parts: Any) -> None:
        for part in parts:
            data = str(part).encode()
            self.hash.update(len(data).to_bytes(8, "little") + data)

    def value(self, value: Any) -> None:
        kind = type(value)
        if value is None or kind in (bool, int, float, complex, str, bytes) or value is Ellipsis:
            self.tag(kind.__name__, repr(value))
            return
        if kind is dtype:
            self.tag("dtype", str(value))
            return
        if id(value) in self.seen:
            self.tag("again", self.seen[id(value)])
            return
        self.seen[id(value)] = len(self.seen)
        self.alive.append(value)
        self._object(value, kind)

    def _object(self, value: Any, kind: type) -> None:
        if kind in (tuple, list):
            self.tag(kind.__name__, len(value))
            for item in value:
                self.value(item)
        elif kind is dict:
            self.tag("dict", len(value))
            for key, item in value.items():
                self.value(key)
                self.value(item)
        elif kind in (set, frozenset):
            self.tag(kind.__name__, *sorted(digest_of(item) for item in value))
        elif kind in (range, slice):
            self.tag(kind.__name__, repr(value))
        elif isinstance(value, enum.Enum):
            self.tag("enum", kind.__module__, kind.__qualname__, value.name)
            self.value(value.value)
        elif isinstance(value, Expr):
            self.expression(value)
        elif isinstance(value, TensorType):
            self.tag("tensor", value.dtype)
            self.value(value.shape)
            self.value(value.strides)
        elif isinstance(value, Macro):
            self.function(value.func, value.scope)
        elif isinstance(value, PrimFuncSource):
            self.prim_func(value)
        elif hasattr(kind, "cache_identity"):  # eager and jitted functions say it themselves
            identity = value.cache_identity()
            if identity is None:
                raise _NoDigest(repr(value))
            self.tag("identity", identity)
        elif isinstance(value, ModuleType):
            self.tag("module", value.__name__)
        elif isinstance(value, FunctionType):
            self.tag("pinned", value.__module__, value.__qualname__) if _pinned(value.__module__) else self.function(value, {})
        elif isinstance(value, MethodType):
            self.value(value.__self__)
            self.value(value.__func__)
        elif isinstance(value, (BuiltinFunctionType, MethodWrapperType, type(str.join))):
            self.tag("builtin", getattr(value, "__module__", ""), value.__qualname__)
        elif isinstance(value, type):
            self.class_(value)
        elif kind.__module__.split(".")[0] == "torch" and kind.__name__ in ("dtype", "device", "Size"):
            self.tag("torch", repr(value))
        elif kind.__module__ == "numpy" and getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
            self.tag("numpy", kind.__name__, repr(value.item()))
        elif isinstance(value, tuple):  # a named tuple
            self.class_(kind)
            for item in value:
                self.value(item)
        else:
            self.instance(value, kind)

    def expression(self, value: Expr) -> None:
        if value.recipe is None:
            raise _NoDigest("an expression of a trace")
        self.tag("expr", value.dtype)
        self.value(value.recipe)

    def class_(self, value: type) -> None:
        if _pinned(value.__module__) or value.__module__ == "builtins":
            self.tag("class", value.__module__, value.__qualname__)
            return
        try:
            source = inspect.getsource(value)
        except (OSError, TypeError):
            raise _NoDigest(repr(value)) from None
        self.tag("class", value.__qualname__, source)
        for base in value.__bases__:
            self.value(base)

    def instance(self, value: Any, kind: type) -> None:
        """A plain object: its class's text and its fields. Classes that keep state elsewhere (in C, in slots) have none."""
        for base in kind.__mro__[:-1]:
            ours = base.__module__.split(".")[0] == "tilelang"
            if "__slots__" in vars(base) or (_pinned(base.__module__) and not ours) or base.__module__ == "builtins":
                raise _NoDigest(repr(kind))
        if not hasattr(value, "__dict__"):
            raise _NoDigest(repr(kind))
        self.class_(kind)
        self.tag("fields")
        self.value(dict(sorted(vars(value).items())))

    def prim_func(self, source: PrimFuncSource) -> None:
        self.function(source.func, source.scope, source.cells, source.names)

    def function(
        self,
        func: FunctionType,
        scope: dict[str, Any],
        cells: dict[str, Any] | None = None,
        names: dict[str, Any] | None = None,
    ) -> None:
        try:
            text = function_text(func)
        except (OSError, TypeError):
            raise _NoDigest(func.__qualname__) from None
        self.tag("function", func.__name__, "".join(text.lines))
        if cells is None:
            cells = {}
            for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=True):
                try:
                    cells[name] = cell.cell_contents
                except ValueError:
                    cells[name] = None
        if func.__name__ == "<lambda>":  # its source is the whole line, which may hold several
            self.code(func.__code__)
            unevaluated: set[str] = set()
        else:
            unevaluated = annotation_names(text.tree or Source(func).tree, signatures=True) - set(cells)
        mentioned = code_names(func.__code__) | unevaluated
        for name in sorted(cells):
            self.tag("cell", name)
            self.read(cells[name], mentioned)
        for name in sorted(mentioned):
            space = names if names is not None and name in names else func.__globals__
            if name in unevaluated and name in scope:
                space = scope
            if name in space:
                self.tag("global", name)
                self.read(space[name], mentioned)
            elif hasattr(builtins, name):
                self.tag("builtin", name)
        self.tag("defaults")
        self.value(func.__defaults__)
        self.value(func.__kwdefaults__)
        self.annotations(func, scope)

    def code(self, code: CodeType) -> None:
        """A code object, for functions whose text does not tell them apart."""
        self.tag("code", sys.version_info[:2], code.co_code.hex(), code.co_names, code.co_varnames)
        for constant in code.co_consts:
            self.code(constant) if isinstance(constant, CodeType) else self.value(constant)

    def annotations(self, func: FunctionType, scope: dict[str, Any]) -> None:
        """Annotation values; of string annotations, the values of the names in them."""
        for name, annotation in func.__annotations__.items():
            self.tag("annotation", name)
            if not isinstance(annotation, str) or type(annotation) is dtype:
                self.value(annotation)
                continue
            self.tag(annotation)
            try:
                mentioned = code_names(compile(annotation, "<annotation>", "eval"))
            except SyntaxError:
                continue
            for used in sorted(mentioned):
                for space in (scope, func.__globals__):
                    if used in space:
                        self.read(space[used], mentioned)
                        break

    def read(self, value: Any, mentioned: set[str]) -> None:
        """A value by name; of a user's module, the attributes that the function mentions."""
        if isinstance(value, ModuleType) and not _pinned(value.__name__):
            self.tag("module", value.__name__)
            for name in sorted(mentioned):
                if name in vars(value):
                    self.tag(name)
                    self.read(vars(value)[name], mentioned)
            return
        self.value(value)


def _pinned(module: str | None) -> bool:
    top = (module or "").split(".")[0]
    return top in _PINNED or top in sys.stdlib_module_names


def digest_of(value: Any) -> str:
    """The digest of one value; raises _NoDigest."""
    digest = _Digest()
    digest.value(value)
    return digest.hash.hexdigest()


def value_identity(value: Any) -> str | None:
    """A digest of any value, or None if it has no canonical form."""
    try:
        return digest_of(value)
    except (_NoDigest, RecursionError):
        return None


def _identity(feed: Any) -> str | None:
    digest = _Digest()
    try:
        feed(digest)
    except (_NoDigest, RecursionError):
        return None
    return digest.hash.hexdigest()


def function_identity(func: FunctionType, scope: dict[str, Any] | None = None) -> str | None:
    """A digest of a plain function: text, closure, globals, defaults and annotations, functions that it calls included.

    `scope` has the locals of the enclosing functions, for names that only annotations mention; the caller's by default.
    """
    from .annotations import caller_locals

    scope = caller_locals(func) if scope is None else scope
    return _identity(lambda digest: digest.function(func, scope))


def prim_func_identity(source: PrimFuncSource) -> str | None:
    """A digest of a @T.prim_func function."""
    return _identity(lambda digest: digest.prim_func(source))


__all__ = ["function_identity", "prim_func_identity", "value_identity"]

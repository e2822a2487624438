"""Programs between processes: the IR with the operators that it calls and the Python objects that it holds."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tvm_ffi

from .make import register_op, registered_effects
from .nodes import AttrStmt, Call, For, PrimFunc
from .visit import Mutator

# In the place of an object in the text of the IR; no attribute starts so.
_TOKEN = "\x1ftransport:"


def dump(func: PrimFunc) -> bytes:
    """A function as bytes for `load`.

    Operators are registered when a program first calls them, and IR that names an unknown one cannot be read: so they travel
    along. So do the objects of Python in attributes and annotations (an author's layouts), which TVM does not write down.
    """
    objects: list[Any] = []

    def take(value: Any) -> Any:
        if isinstance(value, _PLAIN):
            return value
        objects.append(value)
        return f"{_TOKEN}{len(objects) - 1}"

    body = pickle.dumps(_replaced(func, take))
    return pickle.dumps((registered_effects(), objects, body))


def load(data: bytes) -> PrimFunc:
    """The function that `dump` was given, in another process of the same version; only for data from such a process."""
    effects, objects, body = pickle.loads(data)
    for name, effect in effects.items():
        register_op(name, effect)

    def give(value: Any) -> Any:
        if isinstance(value, str) and value.startswith(_TOKEN):
            return objects[int(value.removeprefix(_TOKEN))]
        return value

    func: PrimFunc = pickle.loads(body)
    return _replaced(func, give) if objects else func


def dump_nodes(nodes: Sequence[Any]) -> bytes:
    """Expressions that share variables, as bytes for `load_nodes`."""
    return pickle.dumps(tvm_ffi.convert(list(nodes)))


def load_nodes(data: bytes) -> list[Any]:
    """The expressions that `dump_nodes` was given."""
    return list(pickle.loads(data))


_PLAIN = (str, int, float, type(None), tvm_ffi.core.Object)


def _replaced(func: PrimFunc, change: Callable[[Any], Any]) -> PrimFunc:
    body = _Replace(change).body(func.body)
    return func if body.same_as(func.body) else func.with_body(body)


class _Replace(Mutator):
    def __init__(self, change: Callable[[Any], Any]) -> None:
        super().__init__()
        self.change = change

    def _changed(self, value: Any) -> Any:
        if not isinstance(value, tvm_ffi.Array):
            return self.change(value)
        values = list(value)
        new = [self._changed(v) for v in values]
        return value if all(a is b for a, b in zip(new, values)) else new

    def _map(self, old: Mapping[Any, Any] | None) -> dict[str, Any] | None:
        """The attributes where one has changed, else None."""
        if old is None:
            return None
        values = {str(k): old[k] for k in old.keys()}
        new = {k: self._changed(v) for k, v in values.items()}
        return new if any(new[k] is not v for k, v in values.items()) else None

    def visit_Call(self, node: Call) -> Any:
        node = self.descend(node)
        attrs = self._map(node.attrs)
        if attrs is None:
            return node
        return Call(node.op, node.args, attrs=attrs, ty_args=node.ty_args, span=node.span, ret_ty=node.ty)

    def visit_For(self, node: For) -> Any:
        node = self.descend(node)
        notes = self._map(node.annotations)
        if notes is None:
            return node
        parts = node.loop_var, node.min, node.extent, node.kind, node.body
        return For(*parts, node.thread_binding, notes, node.step, node.span)

    def visit_AttrStmt(self, node: AttrStmt) -> Any:
        node = self.descend(node)
        key = node.node
        value = self._changed(key)
        return node if value is key else AttrStmt(value, node.attr_key, node.value, node.body, node.span)

"""Programs between processes: the IR with the operators that it calls."""

from __future__ import annotations

import pickle

from .make import register_op, registered_effects
from .nodes import PrimFunc


def dump(func: PrimFunc) -> bytes:
    """A function as bytes for `load`.

    Operators are registered when a program first calls them, and IR that names an unknown one cannot be read: so they travel
    along.
    """
    return pickle.dumps((registered_effects(), pickle.dumps(func)))


def load(data: bytes) -> PrimFunc:
    """The function that `dump` was given, in another process of the same version; only for data from such a process."""
    effects, body = pickle.loads(data)
    for name, effect in effects.items():
        register_op(name, effect)
    return pickle.loads(body)

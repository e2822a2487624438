"""Calls of device functions on a thread's registers: arrays of its own, or its part of a fragment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .buffer import Buffer
from .emit import statement, whole
from .pointers import FRAGMENT, LOCAL, pointer


@dataclass(frozen=True)
class Registers:
    """Registers of a thread from element `offset` on.

    Attributes
    ----------
    buffer : Buffer
        An array of T.alloc_local, or a fragment.
    layout : Fragment, optional
        What the fragment is laid out as: its register `offset` is then what the instruction means.
    """

    buffer: Any
    offset: Any
    layout: Any = None

    @staticmethod
    def of(array: Any, offset: Any, what: str) -> Registers:
        """Of an array of T.alloc_local, a fragment, `.data` of one, or what this returned."""
        if isinstance(array, Registers):
            return array
        address = pointer(array, 0, what, (*LOCAL, FRAGMENT))
        buffer = address.element.buffer
        if buffer.scope() == FRAGMENT:
            return Registers(buffer, offset)
        return Registers(buffer, pointer(address, offset, what))

    @property
    def is_fragment(self) -> bool:
        return isinstance(self.buffer, Buffer) and self.buffer.scope() == FRAGMENT

    @property
    def dtype(self) -> Any:
        return self.buffer.dtype


def call_on_registers(
    name: str, operands: tuple[Any, ...], what: str, attrs: dict[str, Any] | None = None, tiles: list[Any] | None = None
) -> None:
    """A call of a device function by every thread, on registers, addresses and values.

    `tiles`: shared memory that it reads while the author goes on (wgmma); its first operand is written until waited for.
    """
    if tiles is None and not any(isinstance(o, Registers) and o.is_fragment for o in operands):
        plain = tuple(o.offset if isinstance(o, Registers) else o for o in operands)
        statement(name, plain, attrs, what)
        return
    args: list[Any] = []
    fragments, layouts = [], []
    for position, operand in enumerate(operands):
        if isinstance(operand, Registers) and (operand.is_fragment or tiles is not None):
            fragments.append(position)
            layouts.append(operand.layout)
            start = operand.offset if operand.is_fragment else operand.offset.element.indices[0]
            args += [whole(operand.buffer, what), start]
        else:
            args.append(operand.offset if isinstance(operand, Registers) else operand)
    notes = {**(attrs or {}), "function": name, "fragments": fragments}
    if tiles is not None:
        distinct = list({id(tile): tile for tile in tiles}.values())
        notes["reads"] = len(distinct)
        args += [whole(tile, what) for tile in distinct]
    for position, layout in zip(fragments, layouts, strict=True):
        if layout is not None:
            notes[f"layout_{position}"] = layout
    statement("tl.register_call", tuple(args), notes, what)

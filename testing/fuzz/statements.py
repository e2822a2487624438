"""Statements of random programs: each prints itself and executes itself on a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from testing.fuzz.expressions import element_text, resolve
from testing.fuzz.memory import Frame, Memory, Rejected, Tile, checked


def indent(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


@dataclass(frozen=True)
class Slice:
    """A region: a start expression and a constant extent for each dimension; extent 0 means a plain index."""

    tile: Tile
    starts: tuple[Any, ...]
    extents: tuple[int, ...]

    def text(self) -> str:
        fixed = all(e.isdigit() for e in self.tile.extents)  # a name alone would have the symbolic extents
        if fixed and all(e == n and s.text() == "0" for s, e, n in zip(self.starts, self.extents, self.tile.shape)):
            return self.tile.name
        parts = []
        for s, e in zip(self.starts, self.extents):
            parts.append(s.text() if e == 0 else f"{s.text()} : {s.text()} + {e}" if s.text() != "0" else f"0:{e}")
        return f"{self.tile.name}[{', '.join(parts)}]"

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents without those of 1."""
        return tuple(e for e in self.extents if e > 1)

    def place(self, frame: Frame) -> tuple[tuple[Any, ...], Any]:
        """(indices, mask of those inside), of the region's full rank."""
        grid = np.indices([max(1, e) for e in self.extents]) if self.extents else []
        whole = [g + int(s.evaluate(frame)[0]) for g, s in zip(grid, self.starts)]
        inside = np.asarray(True)
        for value, extent in zip(whole, self.tile.shape):
            inside = inside & (value >= 0) & (value < extent)
        if self.tile.scope != "global" and not np.all(inside):
            raise Rejected("a region leaves its tile")
        return tuple(np.clip(v, 0, max(0, n - 1)) for v, n in zip(whole, self.tile.shape)), inside

    def read(self, frame: Frame) -> np.ndarray:
        memory = frame.memory[self.tile.name]
        place, inside = self.place(frame)
        if memory.values.size == 0:
            return np.zeros(self.shape)
        if np.any(inside & ~memory.defined[place]):
            raise Rejected("a region holds what nobody wrote")
        return np.where(inside, memory.values[place], 0.0).reshape(self.shape)

    def write(self, frame: Frame, values: np.ndarray) -> None:
        memory = frame.memory[self.tile.name]
        place, inside = self.place(frame)
        checked(values, self.tile.dtype, True)
        values = np.broadcast_to(values, self.shape).reshape(inside.shape)
        where = tuple(p[inside] for p in place)
        memory.values[where], memory.defined[where] = values[inside], True


@dataclass(frozen=True)
class Copy:
    src: Slice
    dst: Slice
    options: str = ""

    def lines(self) -> list[str]:
        return [f"T.copy({self.src.text()}, {self.dst.text()}{self.options})"]

    def run(self, frame: Frame) -> None:
        self.dst.write(frame, self.src.read(frame))


@dataclass(frozen=True)
class Leave(Copy):
    """A copy of a tile, known or not, to a tensor that is compared where it is known."""

    def run(self, frame: Frame) -> None:
        src, dst = frame.memory[self.src.tile.name], frame.memory[self.dst.tile.name]
        block = frame.variables["bx"]
        dst.values[block], dst.defined[block] = src.values, src.defined  # type: ignore[index]


@dataclass(frozen=True)
class Fill:
    dst: Slice
    value: Any

    def lines(self) -> list[str]:
        return [f"T.fill({self.dst.text()}, {self.value.text()})"]

    def run(self, frame: Frame) -> None:
        value, defined = self.value.evaluate(frame)
        if not defined:
            raise Rejected("fill with what nobody wrote")
        self.dst.write(frame, value)


_REDUCE = {
    "sum": np.add,
    "abssum": np.add,
    "max": np.maximum,
    "absmax": np.maximum,
    "min": np.minimum,
    "bitand": np.bitwise_and,
    "bitor": np.bitwise_or,
    "bitxor": np.bitwise_xor,
}


@dataclass(frozen=True)
class Reduce:
    kind: str
    src: Tile
    dst: Tile
    dim: int
    clear: bool
    part: Slice | None = None

    def lines(self) -> list[str]:
        clear = "" if self.clear or self.kind == "abssum" else ", clear=False"
        src = self.src.name if self.part is None else self.part.text()
        return [f"T.reduce_{self.kind}({src}, {self.dst.name}, dim={self.dim}{clear})"]

    def run(self, frame: Frame) -> None:
        src, dst = frame.memory[self.src.name], frame.memory[self.dst.name]
        if self.part is not None:
            src = Memory.of(self.part.read(frame).reshape(self.part.extents))
        if not src.defined.all() or (not self.clear and not dst.defined.all()):
            raise Rejected("reduces what nobody wrote")
        values = np.abs(src.values) if self.kind.startswith("abs") else src.values
        checked(values, self.dst.dtype, True)
        checked(np.abs(values).sum(self.dim), self.dst.dtype, self.kind.endswith("sum"))
        combine, exact = _REDUCE[self.kind], values.astype(np.int64)
        out = combine.reduce(exact, axis=self.dim)
        if not self.clear:
            out = combine(out.reshape(dst.values.shape), dst.values.astype(np.int64))
        dst.values[...] = checked(out.reshape(dst.values.shape).astype(np.float64), self.dst.dtype, True)
        dst.defined[...] = True


@dataclass(frozen=True)
class Gemm:
    a: Tile
    b: Tile
    c: Tile
    transpose_a: bool
    transpose_b: bool
    policy: str
    clear: bool

    def lines(self) -> list[str]:
        extra = f", transpose_A={self.transpose_a}, transpose_B={self.transpose_b}, policy=T.GemmWarpPolicy.{self.policy}"
        return [f"T.gemm({self.a.name}, {self.b.name}, {self.c.name}{extra}{', clear_accum=True' if self.clear else ''})"]

    def run(self, frame: Frame) -> None:
        a, b, c = (frame.memory[t.name] for t in (self.a, self.b, self.c))
        if not (a.defined.all() and b.defined.all() and (self.clear or c.defined.all())):
            raise Rejected("multiplies what nobody wrote")
        x = a.values.T if self.transpose_a else a.values
        y = b.values.T if self.transpose_b else b.values
        old = 0 if self.clear else c.values
        checked(np.abs(x) @ np.abs(y) + np.abs(old), self.c.dtype, True)
        c.values[...], c.defined[...] = x @ y + old, True


@dataclass(frozen=True)
class Store:
    """An element's assignment in a nest; the generator sees to it that iterations do not clash."""

    tile: Tile
    indices: tuple[Any, ...]
    value: Any

    def lines(self) -> list[str]:
        return [f"{element_text(self.tile, self.indices)} = {self.value.text()}"]

    def run(self, frame: Frame) -> None:
        value, defined = self.value.evaluate(frame)
        place, inside = resolve(self.tile, self.indices, frame)
        where = np.broadcast_to(np.logical_and(frame.active, inside), frame.variables["__shape"])
        if np.any(frame.active & ~defined):
            raise Rejected("stores what nobody wrote")
        checked(value, self.tile.dtype, frame.active)
        memory = frame.memory[self.tile.name]
        spots = tuple(np.broadcast_to(p, where.shape)[where] for p in place)
        values = np.broadcast_to(value, where.shape)[where]
        if spots and values.size:
            flat = np.ravel_multi_index(spots, memory.values.shape)
            if len(np.unique(flat)) != flat.size:
                raise Rejected("two iterations write one element")
        memory.values[spots], memory.defined[spots] = values, True


@dataclass(frozen=True)
class Atomic:
    tile: Tile
    indices: tuple[Any, ...]
    value: Any
    kind: str = "add"

    def lines(self) -> list[str]:
        return [f"T.atomic_{self.kind}({self.tile.name}[{', '.join(i.text() for i in self.indices)}], {self.value.text()})"]

    def run(self, frame: Frame) -> None:
        value, defined = self.value.evaluate(frame)
        place, inside = resolve(self.tile, self.indices, frame)
        if np.any(frame.active & ~defined):
            raise Rejected("adds what nobody wrote")
        where = np.broadcast_to(np.logical_and(frame.active, inside), frame.variables["__shape"])
        memory = frame.memory[self.tile.name]
        spots = tuple(np.broadcast_to(p, where.shape)[where] for p in place)
        if not memory.defined[spots].all():
            raise Rejected("adds to what nobody wrote")
        value = np.broadcast_to(value, where.shape)[where]
        if self.kind == "add":
            total = np.abs(memory.values)
            np.add.at(total, spots, np.abs(value))
            checked(total, self.tile.dtype, True)
            np.add.at(memory.values, spots, value)
        else:
            getattr(np, "maximum" if self.kind == "max" else "minimum").at(memory.values, spots, value)


@dataclass(frozen=True)
class AtomicTile:
    """A whole tile added to a region."""

    dst: Slice
    src: Slice

    def lines(self) -> list[str]:
        return [f"T.atomic_add({self.dst.text()}, {self.src.text()})"]

    def run(self, frame: Frame) -> None:
        value, memory = self.src.read(frame), frame.memory[self.dst.tile.name]
        place, inside = self.dst.place(frame)
        where = tuple(p[inside] for p in place)
        total = memory.values[where] + value.reshape(inside.shape)[inside]
        memory.values[where] = checked(total, self.dst.tile.dtype, True)


@dataclass(frozen=True)
class Bind:
    """A scalar of one iteration."""

    name: str
    value: Any

    def lines(self) -> list[str]:
        return [f"{self.name} = {self.value.text()}"]

    def run(self, frame: Frame) -> None:
        frame.variables[self.name] = self.value.evaluate(frame)


@dataclass(frozen=True)
class Guard:
    """`if` inside a nest."""

    condition: Any
    then: tuple[Any, ...]
    other: tuple[Any, ...] = ()

    def lines(self) -> list[str]:
        out = [f"if {self.condition.text()}:", *indent([line for s in self.then for line in s.lines()])]
        return [*out, "else:", *indent([line for s in self.other for line in s.lines()])] if self.other else out

    def run(self, frame: Frame) -> None:
        value, defined = self.condition.evaluate(frame)
        if np.any(frame.active & ~defined):
            raise Rejected("a condition reads what nobody wrote")
        for mask, body in ((value, self.then), (~value, self.other)):
            inner = frame.where(mask)
            for s in body:
                s.run(inner)


@dataclass(frozen=True)
class Inner:
    """A serial loop inside a nest, or around statements of the block."""

    var: str
    extent: int
    body: tuple[Any, ...]
    head: str = "T.serial({})"

    def lines(self) -> list[str]:
        return [f"for {self.var} in {self.head.format(self.extent)}:", *indent([line for s in self.body for line in s.lines()])]

    def run(self, frame: Frame) -> None:
        for k in range(self.extent):
            frame.variables[self.var] = k
            for s in self.body:
                s.run(frame)


@dataclass(frozen=True)
class Nest:
    variables: tuple[str, ...]
    extents: tuple[int, ...]
    body: tuple[Any, ...]
    options: str = ""

    def lines(self) -> list[str]:
        head = f"for {', '.join(self.variables)} in T.Parallel({', '.join(map(str, self.extents))}{self.options}):"
        return [head, *indent([line for s in self.body for line in s.lines()])]

    def run(self, frame: Frame) -> None:
        grid = np.indices(self.extents)
        inner = Frame(
            frame.memory,
            {**frame.variables, **dict(zip(self.variables, grid)), "__shape": self.extents},
            np.ones(self.extents, bool),
        )
        for s in self.body:
            s.run(inner)


@dataclass(frozen=True)
class Threads(Nest):
    """Statements that every thread executes for itself; the only variable is the thread index."""

    def lines(self) -> list[str]:
        return [line for s in self.body for line in s.lines()]


@dataclass(frozen=True)
class If:
    """A branch of the whole block."""

    condition: Any
    then: tuple[Any, ...]
    other: tuple[Any, ...] = ()

    lines = Guard.lines

    def run(self, frame: Frame) -> None:
        value, defined = self.condition.evaluate(frame)
        if not defined:
            raise Rejected("a condition reads what nobody wrote")
        for s in self.then if value else self.other:
            s.run(frame)


@dataclass(frozen=True)
class Assign:
    """A mutable scalar of the block (T.alloc_var)."""

    name: str
    value: Any

    def lines(self) -> list[str]:
        return [f"{self.name} = {self.value.text()}"]

    def run(self, frame: Frame) -> None:
        value, defined = self.value.evaluate(frame)
        if not defined:
            raise Rejected("assigns what nobody wrote")
        frame.variables[self.name] = float(checked(value, "int32", True))


@dataclass(frozen=True)
class While:
    """`while counter < bound`, the counter counting at the end of the body."""

    counter: str
    bound: int
    body: tuple[Any, ...]

    def lines(self) -> list[str]:
        body = [line for s in self.body for line in s.lines()]
        return [f"while {self.counter} < {self.bound}:", *indent([*body, f"{self.counter} += 1"])]

    def run(self, frame: Frame) -> None:
        while frame.variables[self.counter] < self.bound:
            for s in self.body:
                s.run(frame)
            frame.variables[self.counter] += 1

"""Seeded random programs on the public API.

A statement is kept only if the reference interpreter gives it one exact meaning, so that every comparison is of equal bits.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from testing.fuzz import statements as st
from testing.fuzz.expressions import Binary, Cast, Compare, Load, Name, Number, Select
from testing.fuzz.memory import LIMITS, Frame, Memory, Rejected, Tile
from testing.fuzz.program import Program

_SIZES = (1, 2, 3, 4, 5, 7, 8, 8, 12, 15, 16, 16, 16, 17, 24, 31, 32, 32, 32, 33, 48, 64, 64, 65, 80, 96, 100, 112, 127, 128, 130)
_THREADS = (32, 64, 64, 96, 128, 128, 128, 160, 256)
# fmt: off
_TYPES = (
    "float32",
    "float32",
    "float16",
    "float16",
    "bfloat16",
    "int32",
    "int32",
    "int8",
    "uint8",
    "int64",
    "float64",
    "float8_e4m3",
)
_GEMM = (
    ("float16", "float32"),
    ("float16", "float16"),
    ("bfloat16", "float32"),
    ("float32", "float32"),
    ("int8", "int32"),
    ("float8_e4m3", "float32"),
    ("float64", "float64"),
)
Variables = list[tuple[str, int]]


def generate(seed: int, statements: int = 6) -> Program:
    """The program of a seed."""
    return _Generator(seed).program(statements)


class _Generator:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.values = np.random.default_rng(seed)
        self.p = Program(seed, self.rng.choice(_THREADS), self.rng.choice((1, 1, 2, 3)))
        self.sizes = [self.rng.choice(_SIZES) for _ in range(self.rng.randint(2, 4))]
        self.types = [self.rng.choice(_TYPES) for _ in range(self.rng.randint(1, 3))]
        self.outer: Variables = []  # serial loops around
        self.count = 0
        self.frames: list[Frame] = []
        self.rows: dict[str, int] = {}  # of outputs whose rows are shared out among the blocks
        self.inside: list[Any] | None = None  # the body that is being written, if not the kernel's

    def pick(self, *items: Any) -> Any:
        return self.rng.choice(items)

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    # ------------------------------------------------------------------ the whole

    def program(self, statements: int) -> Program:
        self.tensors()
        for _ in range(self.rng.randint(2, 5)):
            self.tile()
        if self.chance(0.3):
            self.p.scalars.append("s0")
        self.frames = self.p.frames()
        for _ in range(statements):
            for _ in range(12):
                if self.keep(self.statement()):
                    break
        self.leave()
        return self.p

    def tensors(self) -> None:
        blocks = self.p.blocks
        for name in ("A", "B")[: self.rng.randint(1, 2)]:
            shape = [
                max(1, self.rng.choice(self.sizes) * self.pick(1, 1, 2) + self.pick(0, 0, 0, 1, -1, 5))
                for _ in range(self.pick(1, 2, 2))
            ]
            tensor = self.tensor(name, tuple(shape), self.rng.choice(self.types))
            high = min(4, LIMITS[tensor.dtype])
            low = 0 if tensor.dtype.startswith("uint") else -high
            self.p.initial[name] = self.values.integers(low, high + 1, tensor.shape).astype(np.float64)
        if self.chance(0.4):
            shape = (self.pick(30, 64, 80), self.pick(64, 64, 128, 72))
            tensor = self.tensor("Q", shape, self.pick("float16", "float32", "int32"))
            self.p.initial["Q"] = self.values.integers(-4, 5, tensor.shape).astype(np.float64)
        if self.chance(0.4):
            shape = (self.rng.choice(self.sizes), *([self.rng.choice(self.sizes)] if self.chance(0.4) else []))
            tensor = self.tensor("Acc", shape, self.pick("int32", "float32", "float32", "float16", "int64"))
            self.p.initial["Acc"] = np.zeros(shape)
        for name in ("O", "P")[: self.rng.randint(1, 2)]:
            shape = [self.rng.choice(self.sizes) for _ in range(self.pick(1, 2, 2))]
            if self.chance(0.5):
                self.tensor(name, (blocks, *shape), self.rng.choice(self.types))
            else:  # blocks own runs of rows, the last one perhaps not all of its own
                rows = max(1, shape[0] * blocks - self.pick(0, 0, 1, 3))
                self.tensor(name, (rows, *shape[1:]), self.rng.choice(self.types))
                self.rows[name] = shape[0]

    def tensor(self, name: str, shape: tuple[int, ...], dtype: str) -> Tile:
        extents = []
        for n in shape:
            if self.chance(0.15):
                symbol = next((s for s, v in self.p.symbols.items() if v == n), None) or f"n{len(self.p.symbols)}"
                self.p.symbols[symbol] = n
                extents.append(symbol)
            else:
                extents.append(str(n))
        strides: tuple[int, ...] = ()
        if self.chance(0.12) and name != "Acc":  # a pitch beyond the row, or elements apart
            pitch, step = shape[-1] + self.pick(1, 3, 8, 16), 1 if len(shape) > 1 else self.pick(1, 2)
            strides = tuple(pitch * int(np.prod(shape[d + 1 : -1])) for d in range(len(shape) - 1)) + (step,)
        tensor = Tile(name, "global", shape, dtype, tuple(extents), strides)
        self.p.tensors.append(tensor)
        return tensor

    def tile(self, shape: tuple[int, ...] | None = None, dtype: str | None = None, scope: str | None = None) -> Tile:
        if shape is None:
            shape = tuple(self.rng.choice(self.sizes) for _ in range(self.pick(1, 2, 2, 2, 3)))
            while np.prod(shape) > 6000:
                shape = (*shape[:-1], max(1, shape[-1] // 2)) if shape[-1] > 1 else shape[:-1]
        tile = Tile(
            self.fresh("t"), scope or self.pick("shared", "fragment", "fragment"), shape, dtype or self.rng.choice(self.types)
        )
        self.p.tiles.append(tile)
        for frame in self.frames:
            frame.memory[tile.name] = Memory.empty(shape)
        return tile

    def keep(self, statements: Any) -> bool:
        """Execute statements; False (and nothing changed) if they have no exact meaning."""
        if statements is None:
            return False
        saved = self.snapshot()
        found = statements if isinstance(statements, list) else [statements]
        try:
            for s in found:
                for frame in self.frames:
                    s.run(frame)
        except Rejected:
            self.restore(saved)
            return False
        (self.p.body if self.inside is None else self.inside).extend(found)
        return True

    def snapshot(self) -> Any:
        common = {t.name: self.frames[0].memory[t.name].copy() for t in self.p.tensors}
        own = [({n: m.copy() for n, m in f.memory.items() if n not in common}, dict(f.variables)) for f in self.frames]
        return common, own

    def restore(self, saved: Any) -> None:
        common, own = saved
        for frame, (tiles, variables) in zip(self.frames, own):
            fresh = {n: m for n, m in frame.memory.items() if n not in common and n not in tiles}
            for memory in fresh.values():
                memory.defined[...] = False
            frame.memory = {**fresh, **common, **tiles}
            frame.variables = {**dict.fromkeys(self.p.scalars, 0), **variables}

    # ------------------------------------------------------------------ statements

    def statement(self) -> Any:
        kinds = [self.copy] * 4 + [self.fill] + [self.nest] * 5 + [self.reduce] * 2
        kinds += [self.gemm] + [self.scalar] + [self.threads] * 2 + [self.stream] * 2
        if len(self.outer) < 2:
            kinds += [self.loop] * 2 + [self.branch]
        return self.rng.choice(kinds)()

    def defined(self) -> list[Tile]:
        """Tensors and tiles that hold something."""
        everything = [*self.p.tensors, *self.p.tiles]
        return [t for t in everything if t.scope != "local" and t.name != "Acc" and self.frames[0].memory[t.name].defined.any()]

    def tiles(self) -> list[Tile]:
        """The tiles of the block."""
        return [t for t in self.p.tiles if t.scope != "local"]

    def start(self, room: int, scope: str) -> Any:
        """The start of a region with `room` places to stand."""
        choices: list[Any] = [Number(0, "int32")] * 3
        if room > 0:
            choices.append(Number(self.rng.randint(0, room), "int32"))
        if scope == "global" and self.chance(0.3):
            choices.append(Number(max(0, room) + self.rng.randint(0, 2), "int32"))
        for name, extent in self.outer:
            if extent > 1 and room >= extent - 1:
                step = room // (extent - 1)
                choices += [Binary("*", Name(name), Number(self.rng.randint(1, max(1, step)), "int32"), "int32")] * 2
        return self.rng.choice(choices)

    def own_start(self, tile: Tile, dim: int) -> Any | None:
        """For a tensor that blocks write: where this block's rows begin (dimension 0); None for other dimensions."""
        if tile.scope != "global" or tile.name in self.p.initial or dim:
            return None
        rows = self.rows.get(tile.name)
        return Name("bx") if rows is None else Binary("*", Name("bx"), Number(rows, "int32"), "int32")

    def limit(self, tile: Tile, dim: int) -> int:
        """How many places of a dimension a block may touch."""
        if dim or tile.scope != "global" or tile.name in self.p.initial:
            return tile.shape[dim]
        return self.rows.get(tile.name, 1)

    def region(self, tile: Tile, shape: tuple[int, ...]) -> st.Slice | None:
        """A region of the tile with these extents (all above 1), right-aligned or not."""
        rank = len(tile.shape)
        if len(shape) > rank:
            return None
        dims = sorted(self.rng.sample(range(rank), len(shape))) if self.chance(0.5) else list(range(rank - len(shape), rank))
        starts, extents = [], []
        for d in range(rank):
            extent = shape[dims.index(d)] if d in dims else (0 if self.chance(0.5) else 1)
            own, limit = self.own_start(tile, d), self.limit(tile, d)
            over = tile.scope == "global" and own is None and self.chance(0.3)
            if max(1, extent) > limit and not over:
                return None
            start = self.start(limit - max(1, extent), tile.scope if over else "")
            if own is not None:
                start = own if start.text() == "0" else Binary("+", own, start, "int32")
            if start.text().isdigit() and int(start.text()) >= tile.shape[d]:
                return None
            starts.append(start)
            extents.append(extent)
        if not any(extents):
            extents[-1] = 1
        return st.Slice(tile, tuple(starts), tuple(extents))

    def copy(self) -> Any:
        dst = self.rng.choice([t for t in [*self.tiles(), *self.p.outputs]])
        sources = [t for t in self.defined() if t is not dst and t.name not in (o.name for o in self.p.outputs if o is dst)]
        if not sources:
            return None
        src = self.rng.choice(sources)
        shape = [self.limit(dst, d) for d in range(len(dst.shape))]
        if self.chance(0.25):
            d = self.rng.randrange(len(shape))
            shape[d] = self.rng.randint(1, shape[d])
        while len([n for n in shape if n > 1]) > len(src.shape):
            shape[self.rng.randrange(len(shape))] = 1
        wanted = tuple(n for n in shape if n > 1)
        into, out_of = self.region(dst, wanted), self.region(src, wanted)
        if into is None or out_of is None:
            return None
        options = self.pick("", "", "", "", "", ", coalesced_width=1", ", coalesced_width=2")
        return st.Copy(out_of, into, options)

    def fill(self) -> Any:
        dst = self.rng.choice([*self.tiles(), *self.p.outputs])
        shape = tuple(n for d in range(len(dst.shape)) if (n := self.limit(dst, d)) > 1)
        if shape and self.chance(0.4):
            d = self.rng.randrange(len(shape))
            n = self.rng.randint(1, shape[d])
            shape = tuple(x for x in (*shape[:d], n, *shape[d + 1 :]) if x > 1)
        region = self.region(dst, shape)
        return None if region is None else st.Fill(region, Number(self.rng.randint(0, 3), dst.dtype))

    def reduce(self) -> Any:
        tiles = [t for t in self.defined() if t.scope != "global" and len(t.shape) > 1 and t.has_arithmetic]
        if not tiles:
            return None
        src = self.rng.choice(tiles)
        dim = self.rng.randrange(len(src.shape))
        kinds = ["sum", "max", "min", "absmax", "abssum"] + ([] if src.is_float else ["bitand", "bitor", "bitxor"])
        if src.dtype.startswith("uint"):
            kinds = ["sum", "max", "min", "bitand", "bitor", "bitxor"]
        kind = self.rng.choice(kinds)
        extents, part = src.shape, None
        if self.chance(0.25):  # a part of the tile
            extents = tuple(n if self.chance(0.5) else self.pick(n, self.rng.randint(1, n)) for n in src.shape)
            starts = tuple(Number(self.pick(0, n - e), "int32") for n, e in zip(src.shape, extents))
            part = st.Slice(src, starts, extents)
        kept = (*extents[:dim], *extents[dim + 1 :])
        shape = kept if self.chance(0.7) else (*extents[:dim], 1, *extents[dim + 1 :])
        same = [t for t in self.p.tiles if t.shape == shape and t.dtype == src.dtype and t is not src]
        wider = "float32" if src.dtype in ("float16", "bfloat16") and self.chance(0.5) else src.dtype
        dst = self.rng.choice(same) if same and self.chance(0.7) else self.tile(shape, wider)
        clear = kind == "abssum" or self.chance(0.6)
        return st.Reduce(kind, src, dst, dim - (len(src.shape) if self.chance(0.3) else 0), clear, part)

    def gemm(self) -> Any:
        of, into = self.rng.choice(_GEMM)
        m, n, k = (self.pick(16, 16, 32, 32, 48, 64, 64, 80, 96, 8, self.rng.choice(self.sizes)) for _ in range(3))
        flip_a, flip_b = self.chance(0.35), self.chance(0.35)
        a = self.tile((k, m) if flip_a else (m, k), of, self.pick("shared", "shared", "shared", "fragment"))
        b = self.tile((n, k) if flip_b else (k, n), of, "shared")
        same = [t for t in self.p.tiles if t.shape == (m, n) and t.dtype == into and t.scope == "fragment"]
        c = self.rng.choice(same) if same and self.chance(0.6) else self.tile((m, n), into, "fragment")
        clear = self.chance(0.2)
        out: list[Any] = [] if clear else [st.Fill(self.all_of(c), Number(0, into))]
        body = [self.load_matrix(a), self.load_matrix(b)]
        body.append(st.Gemm(a, b, c, flip_a, flip_b, self.pick("Square", "Square", "FullRow", "FullCol"), clear))
        if self.chance(0.4) and len(self.outer) < 2:
            var = self.fresh("k")
            return [*out, st.Inner(var, self.rng.randint(0 if not clear else 1, 5), tuple(body), self.loop_head())]
        return [*out, *body]

    def stream(self) -> Any:
        """A pipelined loop whose loads can run ahead, with consumers, conditions and disturbances."""
        sources = [t for t in self.p.tensors if t.name == "Q"]
        if not sources or len(self.outer) > 1:
            return None
        source = sources[0]
        k, extent, stages = self.fresh("k"), self.rng.randint(0, 6), self.rng.randint(0, 4)
        rows, columns = self.pick(1, 4, 8, 16), self.pick(16, 32, 64)
        body: list[Any] = []
        tiles = [self.tile((rows, columns), source.dtype, "shared") for _ in range(self.rng.randint(1, 2))]
        kind_of = self.pick("float32", source.dtype, source.dtype)
        into = self.tile((rows, columns), kind_of, self.pick("fragment", "fragment", "shared"))
        zero = Number(0, "int32")
        for tile in tiles:
            down = Binary("*", Name(k), Number(self.pick(1, rows, rows), "int32"), "int32")
            across = self.pick(zero, zero, Number(16, "int32"), Binary("*", Name(k), Number(16, "int32"), "int32"))
            self.outer.append((k, extent))
            copy = st.Copy(st.Slice(source, (down, across), (rows, columns)), self.all_of(tile))
            i, j = self.fresh("i"), self.fresh("j")
            place = (Name(i), Name(j))
            flipped = (Binary("-", Number(rows - 1, "int32"), Name(i), "int32"), Name(j))
            value: Any = Load(tile, self.pick(place, place, flipped))
            value = value if tile.dtype == into.dtype else Cast(into.dtype, value)
            use = st.Nest((i, j), (rows, columns), (st.Store(into, place, Binary("+", Load(into, place), value, into.dtype)),))
            condition = Compare(self.pick("<", ">", "==", "!="), Name(k), Number(self.rng.randint(0, 4), "int32"))
            kind = self.rng.random()
            if kind < 0.2:  # both under one condition
                body += [st.If(condition, (copy, use))]
            elif kind < 0.35:  # the same condition twice
                body += [st.If(condition, (copy,)), st.If(condition, (use,))]
            elif kind < 0.45:  # the old content is carried along
                body += [st.If(Compare("or", condition, Compare("==", Name(k), zero)), (copy,)), use]
            elif kind < 0.55:  # read before it is filled
                body += [st.If(Compare(">", Name(k), zero), (use,)), copy]
            else:
                body += [copy, use]
            self.outer.pop()
            if self.chance(0.2):
                body.append(st.Fill(self.all_of(tile), Number(self.rng.randint(0, 3), tile.dtype)))
        if self.chance(0.3):
            self.rng.shuffle(body)
        if self.chance(0.2):
            body += self.body((k, max(1, extent)), 1)
        loop = st.Inner(k, extent, tuple(body), f"T.Pipelined({{}}, num_stages={stages})")
        return [st.Fill(self.all_of(into), Number(0, into.dtype)), loop]

    def all_of(self, tile: Tile) -> st.Slice:
        return st.Slice(tile, tuple(Number(0, "int32") for _ in tile.shape), tile.shape)

    def load_matrix(self, tile: Tile) -> Any:
        inputs = [t for t in self.p.tensors if t.name in ("A", "B") and len(t.shape) == 2]
        if inputs and self.chance(0.7):
            src = self.rng.choice(inputs)
            starts = tuple(self.start(max(0, n - e), "global") for n, e in zip(src.shape, tile.shape))
            if all(not s.text().isdigit() or int(s.text()) < n for s, n in zip(starts, src.shape)):
                return st.Copy(st.Slice(src, starts, tile.shape), self.all_of(tile))
        i, j = self.fresh("i"), self.fresh("j")
        value = Binary(
            "%",
            Binary("+", Binary("*", Name(i), Number(self.rng.randint(1, 5), "int32"), "int32"), Name(j), "int32"),
            Number(3, "int32"),
            "int32",
        )
        return st.Nest((i, j), tile.shape, (st.Store(tile, (Name(i), Name(j)), Cast(tile.dtype, value)),))

    def scalar(self) -> Any:
        if not self.p.scalars:
            return None
        name = self.rng.choice(self.p.scalars)
        tile = self.rng.choice(self.defined())
        element = Load(tile, tuple(Number(self.rng.randrange(self.limit(tile, d)), "int32") for d in range(len(tile.shape))))
        if self.own_start(tile, 0) is not None:
            return None
        return st.Assign(name, self.pick(Binary("+", Name(name), Number(1, "int32"), "int32"), Cast("int32", element)))

    # ------------------------------------------------------------------ loops and branches

    def loop_head(self) -> str:
        return self.pick("T.serial({})", "range({})", *(f"T.Pipelined({{}}, num_stages={n})" for n in range(5)), "T.unroll({})")

    def loop(self) -> Any:
        head, extent = self.loop_head(), self.rng.randint(0, 6)
        if "unroll" in head:
            extent = min(extent, 3)
        var = self.fresh("k")
        body = self.body((var, extent), self.rng.randint(1, 3))
        if not body:
            return None
        if self.p.scalars and self.chance(0.15) and "Pipelined" not in head:
            counter = self.fresh("w")
            self.p.scalars.append(counter)
            for frame in self.frames:
                frame.variables[counter] = 0
            return st.Inner(
                var,
                extent,
                (st.Assign(counter, Number(0, "int32")), st.While(counter, self.rng.randint(0, 3), tuple(body))),
                head,
            )
        return st.Inner(var, extent, tuple(body), head)

    def body(self, variable: tuple[str, int] | None, count: int) -> list[Any]:
        """Statements for a loop or branch, tried once on the side."""
        saved, outside = self.snapshot(), self.inside
        self.inside = []
        if variable is not None:
            self.outer.append(variable)
            for frame in self.frames:
                frame.variables[variable[0]] = 0
        for _ in range(count):
            for _ in range(8):
                if self.keep(self.statement()):
                    break
        found, self.inside = self.inside, outside
        if variable is not None:
            self.outer.pop()
        self.restore(saved)
        return found

    def branch(self) -> Any:
        then = self.body(None, self.rng.randint(1, 2))
        other = self.body(None, 1) if self.chance(0.5) else []
        if not then:
            return None
        choices: list[Any] = [Compare(self.pick("<", "==", ">", "!="), Name("bx"), Number(self.rng.randint(0, 2), "int32"))]
        choices += [
            Compare(self.pick("<", "==", ">"), Name(n), Number(self.rng.randint(0, max(0, e)), "int32")) for n, e in self.outer
        ] * 2
        choices += [Compare("<", Name(s), Number(self.rng.randint(0, 3), "int32")) for s in self.p.scalars]
        inputs = [t for t in self.p.tensors if t.name in ("A", "B") and t.has_arithmetic]
        tile = self.rng.choice(inputs) if inputs else None
        if tile is not None:
            element = Load(tile, tuple(Number(self.rng.randrange(n), "int32") for n in tile.shape))
            choices.append(Compare(">", element, Number(0, tile.dtype)))
        return st.If(self.rng.choice(choices), tuple(then), tuple(other))

    # ------------------------------------------------------------------ nests

    def nest(self) -> Any:
        target = self.rng.choice([*self.tiles(), *self.p.outputs])
        dims = list(range(len(target.shape)))
        self.rng.shuffle(dims) if self.chance(0.3) else None
        variables: Variables = []
        index: dict[int, Any] = {}
        for d in dims:
            limit = self.limit(target, d)
            if limit == 1 and self.chance(0.7):
                index[d] = Number(0, "int32")
                continue
            name = self.fresh("i")
            extent = limit if self.chance(0.75) else self.rng.randint(1, limit)
            variables.append((name, extent))
            slack = limit - extent
            index[d] = Name(name)
            if slack and self.chance(0.6):
                index[d] = Binary("+", Name(name), Number(self.rng.randint(1, slack), "int32"), "int32")
            elif self.chance(0.1):
                index[d] = Binary("-", Number(extent - 1, "int32"), Name(name), "int32")
            elif 2 * extent <= limit + 1 and self.chance(0.3):
                index[d] = Binary("*", Name(name), Number(2, "int32"), "int32")
        if not variables:
            variables.append((self.fresh("i"), 1))
        for d in dims:
            own = self.own_start(target, d)
            if own is not None:
                index[d] = own if index[d].text() == "0" else Binary("+", own, index[d], "int32")
        place = tuple(index[d] for d in range(len(target.shape)))
        if self.chance(0.12):
            return self.atomic(variables)
        written = {target.name: place}
        inner: list[Any] = []
        if self.chance(0.25):
            name = self.fresh("x")
            kind = self.rng.choice(self.types)
            if "float8" not in kind:
                inner.append(st.Bind(name, self.value(kind, variables, 1, written)))
                written["__scalar"] = (name, kind)  # type: ignore[assignment]
        inner.append(self.guarded(st.Store(target, place, self.stored(target, variables, written)), variables, written))
        if self.chance(0.2):
            inner.append(st.Store(target, place, self.stored(target, variables, written)))
        if self.chance(0.12):
            q, n = self.fresh("q"), self.rng.randint(0, 5)
            inner.append(st.Inner(q, n, (st.Store(target, place, self.stored(target, [*variables, (q, n)], written)),)))
        total = int(np.prod([e for _, e in variables]))
        if total > 9000:
            return None
        options = ", coalesced_width=2" if self.chance(0.05) else ""
        return st.Nest(tuple(n for n, _ in variables), tuple(e for _, e in variables), tuple(inner), options)

    def threads(self) -> Any:
        """Each thread writes elements of its own, perhaps through a private array."""
        targets = [t for t in [*self.p.tiles, *self.p.outputs] if t.scope in ("shared", "global") and t.has_arithmetic]
        if not targets:
            return None
        target = self.rng.choice(targets)
        limits = [self.limit(target, d) for d in range(len(target.shape))]
        mine = self.rng.choice([d for d, n in enumerate(limits) if n == max(limits)])
        variables: Variables = [("tx", self.p.threads)]
        place: list[Any] = [Number(self.rng.randrange(n), "int32") for n in limits]
        place[mine] = Name("tx")
        inner = None
        rest = [d for d, n in enumerate(limits) if d != mine and n > 1]
        if rest and self.chance(0.7):
            d = self.rng.choice(rest)
            inner = (self.fresh("q"), min(limits[d], 16))
            place[d] = Name(inner[0])
        for d in range(len(limits)):
            own = self.own_start(target, d)
            if own is not None:
                place[d] = own if place[d].text() == "0" else Binary("+", own, place[d], "int32")
        inside = [*variables, inner] if inner else variables
        heads = ("T.serial({})", "T.unroll({})", "T.vectorized({})")
        written = {target.name: tuple(place)}
        if inner and self.chance(0.5):
            private = self.tile((self.p.threads, inner[1]), target.dtype, "local")
            private_place = (Name("tx"), Name(inner[0]))
            value = self.stored(target, inside, {target.name: None})
            backwards = Binary("-", Number(inner[1] - 1, "int32"), Name(inner[0]), "int32")
            again = backwards if self.chance(0.3) else Name(inner[0])
            first = st.Inner(*inner, (st.Store(private, private_place, value),), self.pick(*heads))
            second = st.Inner(*inner, (st.Store(target, tuple(place), Load(private, (Name("tx"), again))),), self.pick(*heads))
            body = [first, second]
        else:
            store = st.Store(target, tuple(place), self.stored(target, inside, written))
            body = [st.Inner(*inner, (store,), self.pick(*heads))] if inner else [store]
        if limits[mine] < self.p.threads or self.chance(0.2):
            count = min(limits[mine], self.p.threads) - self.pick(0, 0, 0, 1)
            body = [st.Guard(Compare("<", Name("tx"), Number(count, "int32")), tuple(body))]
        return st.Threads(("tx",), (self.p.threads,), tuple(body))

    def stored(self, target: Tile, variables: Variables, written: dict[str, Any]) -> Any:
        if not target.has_arithmetic:
            return Cast(target.dtype, self.value("float32", variables, 1, written))
        return self.value(target.dtype, variables, self.pick(0, 1, 1, 2, 3), written)

    def guarded(self, store: Any, variables: Variables, written: dict[str, Any]) -> Any:
        if self.chance(0.75):
            return store
        other = (st.Store(store.tile, store.indices, self.stored(store.tile, variables, written)),) if self.chance(0.4) else ()
        return st.Guard(self.condition(variables, written), (store,), other)

    def atomic(self, variables: Variables) -> Any:
        targets = [t for t in self.p.tensors if t.name == "Acc"]
        targets += [t for t in self.p.tiles if t.scope == "shared" and t.dtype in ("int32", "float32", "float16", "float64")]
        if not targets:
            return None
        tile = self.rng.choice(targets)
        if self.chance(0.3):
            sources = [t for t in self.defined() if t.scope != "global" and t.dtype == tile.dtype and t is not tile]
            source = self.rng.choice(sources) if sources else None
            wide = () if source is None else tuple(n for n in source.shape if n > 1)
            region = None if source is None else self.region(tile, wide)
            return None if region is None or source is None else st.AtomicTile(region, self.all_of(source))
        place = tuple(self.index(n, variables, False) for n in tile.shape)
        value = self.value(tile.dtype, variables, 1, {tile.name: None, "Acc": None})
        kind = (
            self.pick("add", "add", "add", "max", "min")
            if tile.dtype in ("int32", "float32") and tile.scope == "shared"
            else "add"
        )
        return st.Nest(tuple(n for n, _ in variables), tuple(e for _, e in variables), (st.Atomic(tile, place, value, kind),))

    def condition(self, variables: Variables, written: dict[str, Any]) -> Any:
        name, extent = self.rng.choice(variables)
        simple = Compare(self.pick("<", ">=", "==", "!="), Name(name), Number(self.rng.randint(0, extent), "int32"))
        if self.chance(0.3):
            return simple
        if len(variables) > 1 and self.chance(0.4):
            a, b = self.rng.sample(variables, 2)
            return Compare(self.pick("<", ">="), Name(a[0]), Name(b[0]))
        kind = self.pick(*[t for t in self.types if "float8" not in t] or ["int32"])
        data = Compare(self.pick("<", ">"), self.value(kind, variables, 1, written), Number(1, kind))
        return data if self.chance(0.5) else Compare(self.pick("and", "or"), simple, data)

    def index(self, extent: int, variables: Variables, anywhere: bool) -> Any:
        """An index into a dimension; `anywhere`: perhaps outside."""
        names = [*variables, *[(n, e) for n, e in self.outer if self.chance(0.3)]]
        fitting = [v for v in names if v[1] <= extent]
        equal = [v for v in names if v[1] == extent]
        if equal and self.chance(0.65):
            return Name(self.rng.choice(equal)[0])
        name, n = self.rng.choice(fitting) if fitting and self.chance(0.8) else self.rng.choice(names)
        x = Name(name)
        forms: list[Any] = [Number(self.rng.randrange(extent), "int32")]
        if n <= extent:
            forms += [x, Binary("-", Number(n - 1, "int32"), x, "int32")]
            if extent > n:
                forms.append(Binary("+", x, Number(self.rng.randint(1, extent - n), "int32"), "int32"))
        if n <= 2 * extent:
            forms.append(Binary("//", x, Number(2, "int32"), "int32"))
        if 2 * n <= extent + 1:
            forms.append(Binary("*", x, Number(2, "int32"), "int32"))
        forms.append(Binary("%", x, Number(extent, "int32"), "int32"))
        if anywhere:
            forms += [Binary("+", x, Number(self.pick(1, 2), "int32"), "int32"), Binary("-", x, Number(1, "int32"), "int32")]
        return self.rng.choice(forms)

    def load(self, variables: Variables, written: dict[str, Any]) -> Any | None:
        tiles = self.defined()
        if not tiles:
            return None
        tile = self.rng.choice(tiles)
        if tile.name in written:
            return None if written[tile.name] is None else Load(tile, written[tile.name])
        place = []
        for d in range(len(tile.shape)):
            index = self.index(
                self.limit(tile, d), variables, tile.scope != "fragment" and tile.name in self.p.initial and self.chance(0.3)
            )
            own = self.own_start(tile, d)
            if index.text().isdigit() and int(index.text()) >= tile.shape[d]:
                return None
            place.append(index if own is None else Binary("+", own, index, "int32"))
        return Load(tile, tuple(place))

    def value(self, dtype: str, variables: Variables, depth: int, written: dict[str, Any]) -> Any:
        if depth <= 0 or self.chance(0.2):
            found = self.load(variables, written) if self.chance(0.75) else None
            if found is not None:
                return found if found.dtype == dtype else Cast(dtype, found)
            if "__scalar" in written and self.chance(0.7):
                name, kind = written["__scalar"]
                return Name(name, kind) if kind == dtype else Cast(dtype, Name(name, kind))
            if self.chance(0.4):
                name, extent = self.rng.choice([*variables, *self.outer, ("bx", 3)])
                return Cast(dtype, Name(name)) if dtype != "int32" else Name(name)
            return Cast(dtype, Number(self.rng.randint(0, 3), dtype))
        if "float8" in dtype:
            return Cast(dtype, self.value("float32", variables, depth, written))
        a = self.value(dtype, variables, depth - 1, written)
        if self.chance(0.2):
            b = self.value(dtype, variables, depth - 1, written)
            return Select(self.condition(variables, written), a, b, dtype, self.chance(0.3))
        op = self.pick("+", "+", "-", "*", "min", "max")
        b = Number(self.rng.randint(1, 2), dtype) if op == "*" else self.value(dtype, variables, depth - 1, written)
        return Binary(op, a, b, dtype)

    # ------------------------------------------------------------------ the end

    def leave(self) -> None:
        """Copy what tiles hold into outputs of their own, so that every mistake shows."""
        for tile in self.tiles():
            if not any(f.memory[tile.name].defined.any() for f in self.frames):
                continue
            name = f"R_{tile.name}"
            tensor = Tile(name, "global", (self.p.blocks, *tile.shape), tile.dtype, tuple(map(str, (self.p.blocks, *tile.shape))))
            self.p.tensors.append(tensor)
            memory = Memory.empty(tensor.shape)
            for frame in self.frames:
                frame.memory[name] = memory
            zeros = tuple(Number(0, "int32") for _ in tile.shape)
            self.keep(st.Leave(self.all_of(tile), st.Slice(tensor, (Name("bx"), *zeros), (0, *tile.shape))))

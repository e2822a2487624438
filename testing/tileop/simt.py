"""A small interpreter of lowered tile operators: every thread of a block in lockstep, one statement at a time, on numpy.

Per-thread values are arrays over the threads; values that are the same for all are numpy scalars or Python ints.
Shared and global memory is indexed logically, so layouts play no role, but ldmatrix checks 16-byte alignment in the
buffer's layout. A write to shared memory that another thread reads or overwrites without a barrier between is an error.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tilelang import ir
from tilelang.tileop.base import LoweringContext, dtype_bits

_SPECIAL = {"bfloat16": ml_dtypes.bfloat16, "float8_e4m3fn": ml_dtypes.float8_e4m3fn, "float8_e5m2": ml_dtypes.float8_e5m2}


def np_dtype(name: str) -> np.dtype:
    return np.dtype(_SPECIAL.get(name, name))


def poison(shape, dtype: np.dtype) -> np.ndarray:
    """NaN for floats, a rare pattern for integers."""
    if dtype.kind in "iub":
        return np.full(shape, 85, dtype)
    return np.full(shape, np.nan, np.float32).astype(dtype)


class Pointer:
    """The address of an element: of one per thread for memory, of a register array's element otherwise."""

    def __init__(self, buf, indices):
        self.buf, self.indices = buf, indices


class Simt:
    """Runs a statement for `ctx.num_threads` threads. `memory` maps shared and global buffers to arrays."""

    def __init__(self, ctx: LoweringContext, memory: dict) -> None:
        self.ctx, self.memory = ctx, dict(memory)
        self.T = ctx.num_threads
        self.threads = np.arange(self.T)
        self.registers: dict = {}
        self.env: dict = {ctx.tid: self.threads}
        self.writer: dict = {}
        self.reader: dict = {}
        self.counts: dict[str, int] = {}

    # ---------------------------------------------------------------- storage

    def array(self, buf) -> np.ndarray:
        scope = ir.scope_of(buf)
        if scope.startswith("local"):
            if buf not in self.registers:
                self.registers[buf] = poison((self.T, *ir.static_shape(buf)), np_dtype(ir.buffer_dtype(buf)))
            return self.registers[buf]
        return self.memory[buf]

    def fragment(self, buf) -> np.ndarray:
        """The per-thread registers of a fragment."""
        return self.array(self.ctx.registers_of(buf))

    def _place(self, buf, indices, mask):
        """(array, index tuple) with out-of-bounds checks on the active threads."""
        array = self.array(buf)
        is_local = ir.scope_of(buf).startswith("local")
        shape = array.shape[1:] if is_local else array.shape
        where = []
        for index, extent in zip(indices, shape):
            index = np.broadcast_to(np.asarray(index), (self.T,))
            bad = mask & ((index < 0) | (index >= extent))
            assert not bad.any(), (
                f"{buf.name}{list(shape)}: index {index[bad][0]} out of bounds in thread {np.flatnonzero(bad)[0]}"
            )
            where.append(np.where(mask, index, 0))
        return array, ((self.threads, *where) if is_local else tuple(where))

    def _note(self, buf, where, mask, write: bool) -> None:
        if not ir.scope_of(buf).startswith("shared"):
            return
        shape = self.memory[buf].shape
        writer = self.writer.setdefault(buf, np.full(shape, -1))
        reader = self.reader.setdefault(buf, np.full(shape, -1))
        active = tuple(w[mask] for w in where)
        tid = self.threads[mask]
        other = writer[active]
        assert not ((other >= 0) & (other != tid)).any(), f"race: {buf.name} written by another thread without a barrier"
        if write:
            other = reader[active]
            assert not ((other != -1) & (other != tid)).any(), f"race: {buf.name} overwritten while another thread reads it"
            writer[active] = tid
            assert (writer[active] == tid).all(), f"race: two threads write one element of {buf.name}"
        else:
            old = reader[active]
            reader[active] = np.where((old == -1) | (old == tid), tid, -2)
            reader[active] = np.where(reader[active] == tid, reader[active], -2)

    # ---------------------------------------------------------------- statements

    def run(self, stmt, mask=None) -> None:
        mask = np.ones(self.T, bool) if mask is None else mask
        if isinstance(stmt, ir.SeqStmt):
            for s in stmt.seq:
                self.run(s, mask)
        elif isinstance(stmt, ir.For):
            lo, n = self.uniform(stmt.min), self.uniform(stmt.extent)
            for i in range(lo, lo + n):
                self.env[stmt.loop_var] = i
                self.run(stmt.body, mask)
        elif isinstance(stmt, ir.IfThenElse):
            condition = np.broadcast_to(self.eval(stmt.condition, mask), (self.T,))
            if (mask & condition).any():
                self.run(stmt.then_case, mask & condition)
            if stmt.else_case is not None and (mask & ~condition).any():
                self.run(stmt.else_case, mask & ~condition)
        elif isinstance(stmt, ir.Bind):
            self.env[stmt.var] = self.eval(stmt.value, mask)
        elif isinstance(stmt, ir.BufferStore):
            self.store(stmt, mask)
        elif isinstance(stmt, ir.AllocBuffer):
            self.registers.pop(stmt.buffer, None)
        elif isinstance(stmt, ir.Evaluate):
            if not ir.is_noop(stmt):
                self.eval(stmt.value, mask)
        else:
            raise NotImplementedError(type(stmt))

    def store(self, stmt, mask) -> None:
        value = self.eval(stmt.value, mask)
        assert ir.dtype_of(stmt.value) == ir.buffer_dtype(stmt.buffer), f"store of {ir.dtype_of(stmt.value)} into {stmt.buffer}"
        array, where = self._place(stmt.buffer, [self.eval(i, mask) for i in stmt.indices], mask)
        self._note(stmt.buffer, where, mask, write=True)
        value = np.broadcast_to(np.asarray(value, dtype=array.dtype), (self.T,))
        array[tuple(w[mask] for w in where)] = value[mask]

    def uniform(self, expr) -> int:
        value = np.unique(self.eval(expr, np.ones(self.T, bool)))
        assert value.size == 1
        return int(value[0])

    # ---------------------------------------------------------------- expressions

    def eval(self, e, mask):
        if isinstance(e, ir.IntImm):
            return np.asarray(e.value, np_dtype(ir.dtype_of(e)))[()]
        if isinstance(e, ir.FloatImm):
            return np.asarray(e.value, np.float64).astype(np_dtype(ir.dtype_of(e)))[()]
        if isinstance(e, ir.Var):
            return self.env[e]
        if isinstance(e, ir.BufferLoad):
            array, where = self._place(e.source, [self.eval(i, mask) for i in e.indices], mask)
            self._note(e.source, where, mask, write=False)
            return array[where]
        if isinstance(e, ir.Cast):
            with np.errstate(all="ignore"):
                return np.asarray(self.eval(e.value, mask)).astype(np_dtype(ir.dtype_of(e)))
        if isinstance(e, ir.Call):
            return self.call(e, mask)
        if isinstance(e, ir.Select):
            return np.where(self.eval(e.condition, mask), self.eval(e.true_value, mask), self.eval(e.false_value, mask))
        if isinstance(e, ir.Not):
            return ~np.asarray(self.eval(e.a, mask))
        a = self.eval(e.a, mask)
        b = self.eval(e.b, mask)
        return self.binary(e, a, b)

    @staticmethod
    def binary(e, a, b):
        table = {
            ir.Add: np.add,
            ir.Sub: np.subtract,
            ir.Mul: np.multiply,
            ir.FloorDiv: np.floor_divide,
            ir.FloorMod: np.mod,
            ir.EQ: np.equal,
            ir.NE: np.not_equal,
            ir.LT: np.less,
            ir.LE: np.less_equal,
            ir.GT: np.greater,
            ir.GE: np.greater_equal,
            ir.And: np.logical_and,
            ir.Or: np.logical_or,
            ir.BitwiseAnd: np.bitwise_and,
            ir.BitwiseOr: np.bitwise_or,
            ir.BitwiseXor: np.bitwise_xor,
            ir.Max: _fmax,
            ir.Min: _fmin,
        }
        with np.errstate(all="ignore"):
            return table[type(e)](a, b)

    def call(self, e, mask):
        name = ir.call_name(e)
        self.counts[name] = self.counts.get(name, 0) + 1
        short = name.split(".")[-1]
        if short == "address_of":
            load = e.args[0]
            return Pointer(load.source, [self.eval(i, mask) for i in load.indices])
        if short == "if_then_else":
            condition = np.broadcast_to(self.eval(e.args[0], mask), (self.T,))
            return np.where(condition, self.eval(e.args[1], mask & condition), self.eval(e.args[2], mask & ~condition))
        if short.startswith("bitwise_"):
            op = {"bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor}[short]
            return op(self.eval(e.args[0], mask), self.eval(e.args[1], mask))
        if short == "sync_threads":
            assert mask.all(), "barrier in divergent code"
            for table in (self.writer, self.reader):
                for state in table.values():
                    state.fill(-1)
            return None
        if short == "mma_ready":
            return None
        args = [self.eval(a, mask) for a in e.args]
        if short.startswith("ldmatrix"):
            return self.ldmatrix(short, *args, mask)
        if short.startswith("mma_"):
            return self.mma(short, *args, mask)
        if short == "warp_reduce":
            return self.warp_reduce([str(t) for t in e.attrs["template"]], args[0], mask)
        if short == "isnan":
            return np.isnan(args[0])
        if short in ("fabs", "abs"):
            return np.abs(args[0])
        if short.startswith("atomic_"):
            return self.atomic(short, e, args, mask)
        raise NotImplementedError(name)

    # ---------------------------------------------------------------- collectives

    def _warps(self, mask):
        """Lane indices of the warps that are active; a warp must be active as a whole."""
        for lo in range(0, self.T, 32):
            lanes = np.arange(lo, min(lo + 32, self.T))
            assert mask[lanes].all() or not mask[lanes].any(), "collective instruction in a divergent warp"
            if mask[lanes].any():
                assert len(lanes) == 32
                yield lanes

    def _span(self, pointer: Pointer, lanes, count: int) -> np.ndarray:
        """A view-free copy of `count` registers from the address on, for each lane."""
        array = self.array(pointer.buf)
        start = np.broadcast_to(np.asarray(pointer.indices[0]), (self.T,))[lanes]
        assert (start >= 0).all() and (start + count <= array.shape[1]).all(), f"{pointer.buf.name}: registers out of bounds"
        return array[lanes[:, None], start[:, None] + np.arange(count)]

    def _set_span(self, pointer: Pointer, lanes, values) -> None:
        array = self.array(pointer.buf)
        start = np.broadcast_to(np.asarray(pointer.indices[0]), (self.T,))[lanes]
        assert (start >= 0).all() and (start + values.shape[1] <= array.shape[1]).all(), f"{pointer.buf.name}: out of bounds"
        array[lanes[:, None], start[:, None] + np.arange(values.shape[1])] = values

    def ldmatrix(self, name, registers, source, mask) -> None:
        count, trans = int(name.split("_x")[1][0]), name.endswith("_trans")
        buf = source.buf
        bits = dtype_bits(ir.buffer_dtype(buf))
        per_row, per_register = 128 // bits, max(1, 32 // bits)
        array = self.memory[buf]
        layout = self.ctx.shared_layout(buf)
        for lanes in self._warps(mask):
            index = [np.broadcast_to(np.asarray(i), (self.T,))[lanes] for i in source.indices]
            out = np.zeros((32, count * per_register), array.dtype)
            for matrix in range(count):
                rows = []
                for r in range(8):
                    at = [int(i[8 * matrix + r]) for i in index]
                    assert all(0 <= i < n for i, n in zip(at, array.shape)) and at[-1] + per_row <= array.shape[-1], (
                        "ldmatrix out of bounds"
                    )
                    first = layout.offset(at)
                    assert first % per_row == 0, f"ldmatrix address of {buf.name}{at} is not 16-byte aligned"
                    assert layout.offset([*at[:-1], at[-1] + per_row - 1]) == first + per_row - 1
                    where = tuple(np.full(per_row, i) for i in at[:-1]) + (at[-1] + np.arange(per_row),)
                    self._check_read(buf, where)
                    rows.append(array[tuple(at[:-1])][at[-1] : at[-1] + per_row])
                tile = np.stack(rows)
                if trans:
                    assert bits == 16
                    tile = tile.T
                out[:, matrix * per_register : (matrix + 1) * per_register] = tile.reshape(32, per_register)
            self._set_span(registers, lanes, out)

    def _check_read(self, buf, where) -> None:
        if buf in self.writer:
            assert (self.writer[buf][where] == -1).all(), f"race: ldmatrix reads {buf.name} without a barrier"

    def mma(self, name, c, a, b, mask) -> None:
        m, n, k = (int(x) for x in name.removeprefix("mma_m").replace("n", " ").replace("k", " ").split())
        a_at, b_at, c_at = _PTX[name]
        for lanes in self._warps(mask):
            a_regs, b_regs, c_regs = (self._span(p, lanes, at[0].shape[1]) for p, at in ((a, a_at), (b, b_at), (c, c_at)))
            wide = np.int64 if c_regs.dtype.kind in "iu" else np.float64
            A, B = np.zeros((m, k), wide), np.zeros((k, n), wide)
            A[a_at], B[b_at] = a_regs, b_regs
            with np.errstate(all="ignore"):
                D = A @ B
            self._set_span(c, lanes, (c_regs.astype(wide) + D[c_at]).astype(c_regs.dtype))

    def warp_reduce(self, template, value, mask):
        op, extent, stride = template[0].removeprefix("tl::op_"), int(template[1]), int(template[2])
        value = np.broadcast_to(value, (self.T,)).copy()
        assert mask.all(), "shuffle in divergent code"
        step = extent // 2 * stride
        while step >= stride:
            other = value[np.minimum(self.threads ^ step, self.T - 1)]
            value = combine(op, value, other)
            step //= 2
        return value

    def atomic(self, short, e, args, mask) -> None:
        pointer, value = args[0], args[1]
        lanes = 1
        if short == "atomic_add_vec":
            lanes = int(str(e.attrs["template"][0]))
        for t in np.flatnonzero(mask):
            at = [int(np.broadcast_to(np.asarray(i), (self.T,))[t]) for i in pointer.indices]
            array = self.array(pointer.buf)
            assert all(0 <= i < n for i, n in zip(at, array.shape)), f"atomic out of bounds: {at}"
            if lanes > 1:
                source = self.array(value.buf)
                first = int(np.broadcast_to(np.asarray(value.indices[0]), (self.T,))[t])
                assert at[-1] + lanes <= array.shape[-1] and int(np.ravel_multi_index(at, array.shape)) % lanes == 0, (
                    "unaligned vector"
                )
                for j in range(lanes):
                    spot = (*at[:-1], at[-1] + j)
                    array[spot] = array[spot] + source[t, first + j]
                continue
            v = np.broadcast_to(np.asarray(value), (self.T,))[t]
            op = {"atomic_add": "sum", "atomic_max": "max", "atomic_min": "min"}[short]
            array[tuple(at)] = combine(op, array[tuple(at)], v)


def _fmax(a, b):
    return np.fmax(a, b)


def _fmin(a, b):
    return np.fmin(a, b)


def combine(op: str, a, b):
    with np.errstate(all="ignore"):
        if op in ("sum", "abssum"):
            return (a + b) if op == "sum" else np.abs(a) + np.abs(b)
        if op == "absmax":
            return np.fmax(np.abs(a), np.abs(b))
        table = {
            "max": np.fmax,
            "min": np.fmin,
            "max_nan": np.maximum,
            "min_nan": np.minimum,
            "bitand": np.bitwise_and,
            "bitor": np.bitwise_or,
            "bitxor": np.bitwise_xor,
        }
        return table[op](a, b)


def _figure(*elements):
    """A PTX figure as (rows, columns) of every lane's registers; `elements` map (group, member) to (row, column)."""
    lane = np.arange(32)
    places = [at(lane // 4, lane % 4) for at in elements]
    return tuple(np.stack([np.broadcast_to(p[axis], 32) for p in places], axis=1) for axis in (0, 1))


def _m16n8(packed: int, half: int):
    """PTX ISA figures for m16n8k*: `packed` elements a register along k, `half` = k / 2; independent of the compiler's table."""
    a = [
        (lambda g, t, r=r, h=h, p=p: (g + 8 * r, half * h + packed * t + p))
        for h in range(2)
        for r in range(2)
        for p in range(packed)
    ]
    b = [(lambda g, t, h=h, p=p: (half * h + packed * t + p, g)) for h in range(2) for p in range(packed)]
    c = [(lambda g, t, r=r, p=p: (g + 8 * r, 2 * t + p)) for r in range(2) for p in range(2)]
    return _figure(*a), _figure(*b), _figure(*c)


_PTX = {
    "mma_m16n8k16": _m16n8(2, 8),
    "mma_m16n8k8": _m16n8(1, 4),
    "mma_m16n8k32": _m16n8(4, 16),
    "mma_m8n8k4": (
        _figure(lambda g, t: (g, t)),
        _figure(lambda g, t: (t, g)),
        _figure(lambda g, t: (g, 2 * t), lambda g, t: (g, 2 * t + 1)),
    ),
}


def scatter(layout, tile: np.ndarray, num_threads: int, dtype=None) -> np.ndarray:
    """Per-thread registers of a tile in a layout, poisoned where a thread holds nothing; replicas filled in."""
    out = poison((num_threads, layout.local_size), tile.dtype)
    for index in np.ndindex(*tile.shape):
        register = layout.local_of(index)
        for t in holders(layout, index):
            out[t, register] = tile[index]
    return out


def holders(layout, index) -> list[int]:
    """All threads that hold an element."""
    threads = [layout.thread_of(index)]
    for f in layout.replication:
        threads = [t + i * f.stride for t in threads for i in range(f.extent)]
    return threads


def gather(layout, registers: np.ndarray) -> np.ndarray:
    """The tile held in registers; every replica must agree."""
    tile = np.zeros(layout.shape, registers.dtype)
    for index in np.ndindex(*layout.shape):
        copies = registers[holders(layout, index), layout.local_of(index)]
        assert all(c.tobytes() == copies[0].tobytes() for c in copies), f"replicas of {index} differ: {copies}"
        tile[index] = copies[0]
    return tile

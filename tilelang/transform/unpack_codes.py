"""Find where a vector of elements is a function of small integer codes, and compute it in registers, many at a time.

Before: `half(((int(q[v / 2]) >> (v % 2 * 4)) & 15) - 8)` over `v < 32`
After:  `tl::unpack<4, 32, 0, -8>(w, q)` and the element `w[v]`

Whatever the author wrote - shifts and masks, division and remainder, a sign extension, the bits of a 4-bit float put together
by hand - an expression that reads one packed element and depends on nothing else but the code in it *is* its table of at most
256 values. The table is computed here and decides: `(code ^ flip) + bias` becomes `tl::unpack`, any other function of codes
of up to 4 bits `tl::look_up`, the rest stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import ir
from ..tileop.base import dtype_bits
from .tabulate import encode, tabulate
from .vector_width import packed_run

# Bias for which every step of tl::unpack is exact (src/device/tl/unpack.h).
_BIAS = {"float16": range(-1024, 1025), "bfloat16": range(-128, 129)}
_BYTES = ("int8", "uint8", "float8_e4m3fn", "float8_e4m3", "float8_e5m2")


@dataclass(frozen=True)
class CodeTable:
    """`extent` elements that are `patterns[code]`, bit patterns of `dtype`; code 0 is at `packed[start]`, lowest bits first."""

    packed: ir.Var
    start: Any
    bits: int
    extent: int
    dtype: str
    patterns: tuple[int, ...]

    @staticmethod
    def of(expr: Any, var: ir.Var, extent: int, analyzer: ir.Analyzer) -> CodeTable | None:
        """The table of an expression over `var < extent`; None if it is no function of codes in a register array."""
        dtype = ir.dtype_of(expr)
        if (dtype not in _BIAS and dtype not in _BYTES) or isinstance(expr, ir.BufferLoad):
            return None
        loads = ir.collect(expr, ir.BufferLoad)
        if not loads or not all(_is_code_array(load, loads[0]) for load in loads):
            return None
        index = loads[0].indices[0]
        run = packed_run(index, var, extent, analyzer)
        if run is None:
            start = ir.simplify(ir.substitute(index, {var: ir.const(0)}), analyzer)
            run = (start, 1) if ir.can_prove(index - start == var, analyzer) else None
        if run is None:
            return None
        start, pack = run
        width = dtype_bits(ir.buffer_dtype(loads[0].source))
        bits = width // pack
        if width % pack or bits not in (1, 2, 4, 8) or extent * bits % 8 or extent % 2:
            return None
        patterns = _patterns(expr, var, loads[0], start, pack, bits, analyzer)
        return None if patterns is None else CodeTable(loads[0].source, start, bits, extent, dtype, patterns)

    def call(self, array: ir.Var, start: Any, span: Any) -> ir.Stmt | None:
        """The call that writes the elements to `array[start...]`; None where no device function computes this table."""
        template = self._affine() or self._lookup()
        if template is None:
            return None
        name, arguments = template
        pointers = [ir.address_of(ir.load(array, [start])), ir.address_of(ir.load(self.packed, [self.start]))]
        words = [str(self.bits), str(self.extent), *arguments]
        return ir.evaluate(ir.call(name, pointers, attrs={"template": words}, span=span), span)

    def _affine(self) -> tuple[str, list[str]] | None:
        if self.dtype not in _BIAS:
            return None
        codes, own = np.arange(1 << self.bits), np.array(self.patterns)
        biases = np.array(_BIAS[self.dtype])
        for flip in (0, 1 << (self.bits - 1)):
            for bias in biases[encode(biases.astype(np.float64), self.dtype) == own[flip]]:
                if np.array_equal(encode(((codes ^ flip) + bias).astype(np.float64), self.dtype), own):
                    return "tl.unpack", [str(flip), str(bias)]
        return None

    def _lookup(self) -> tuple[str, list[str]] | None:
        if self.bits > 4 or self.extent % 4:
            return None
        entries = [*self.patterns, *[0] * (16 - len(self.patterns))]
        words = []
        for shift in range(0, dtype_bits(self.dtype), 8):
            for half in (entries[:8], entries[8:]):
                words.append(f"{int.from_bytes(bytes(e >> shift & 0xFF for e in half), 'little'):#x}")
        return "tl.look_up", words


def _is_code_array(load: Any, first: Any) -> bool:
    buf = load.source
    return (
        buf.same_as(first.source)
        and ir.scope_of(buf) == "local"
        and len(load.indices) == 1
        and ir.buffer_dtype(buf) in ("int8", "uint8", "int16", "uint16", "int32", "uint32")
        and ir.structural_equal(load.indices[0], first.indices[0])
    )


def _patterns(
    expr: Any, var: ir.Var, load: Any, start: Any, pack: int, bits: int, analyzer: ir.Analyzer
) -> tuple[int, ...] | None:
    """The bit pattern of `expr` for each code, if all lanes of a packed element compute the same function of their codes."""
    dtype, storage = ir.dtype_of(expr), ir.buffer_dtype(load.source)
    word, chunk = ir.var("word", storage), ir.var("chunk")
    analyzer.bind(chunk, ir.Range.from_min_extent(ir.const(0), ir.const(1 << 20)))
    found: np.ndarray | None = None
    for lane in range(pack):
        at_lane = _AtLane({var: chunk * pack + lane}, load.source, word, analyzer).visit(expr)
        table = _table(at_lane, word, lane * bits, bits)
        if table is None:
            return None
        codes = encode(table, dtype)
        if found is None:
            found = codes
        elif not np.array_equal(found, codes):
            return None
    return None if found is None else tuple(int(x) for x in found)


class _AtLane(ir.Mutator):
    """The expression with the vector variable at one lane of a packed element, which becomes a variable."""

    def __init__(self, at: dict[ir.Var, Any], packed: ir.Var, word: ir.Var, analyzer: ir.Analyzer) -> None:
        super().__init__()
        self.at, self.packed, self.word, self.analyzer = at, packed, word, analyzer

    def visit_BufferLoad(self, node: Any) -> Any:
        return self.word if node.source.same_as(self.packed) else node

    def visit(self, node: Any) -> Any:
        if isinstance(node, ir.StringImm) or ir.dtype_of(node) not in ("int32", "int64") or ir.contains(node, ir.BufferLoad):
            return super().visit(node)
        if ir.uses_var(node, self.at):
            return ir.simplify(ir.substitute(node, self.at), self.analyzer)
        return super().visit(node)


def _table(expr: Any, word: ir.Var, shift: int, bits: int) -> np.ndarray | None:
    """The values of an expression for each code that stands at bit `shift` of `word`; None if it depends on more."""
    storage = ir.dtype_of(word)
    width = dtype_bits(storage)
    if width == 8:
        patterns = np.arange(256)
        words = np.where(patterns > 127, patterns - 256, patterns) if storage == "int8" else patterns
        values = tabulate(expr, word, words)
        if values is None:
            return None
        codes = patterns >> shift & ((1 << bits) - 1)
        table = values[np.arange(1 << bits) << shift]
        return table if np.array_equal(values, table[codes]) and _same_signs(values, table[codes]) else None
    code = ir.var("code", "int32")
    isolated = _Isolate(word, shift, bits, code).visit(expr)
    return None if ir.uses_var(isolated, {word}) else tabulate(isolated, code, np.arange(1 << bits))


def _same_signs(a: np.ndarray, b: np.ndarray) -> bool:
    """Zeros have a sign too."""
    return a.dtype != np.float64 or np.array_equal(np.signbit(a), np.signbit(b))


class _Isolate(ir.Mutator):
    """Replaces `(word >> shift) & mask` by the code, where the word is too wide to try all its values."""

    def __init__(self, word: ir.Var, shift: int, bits: int, code: ir.Var) -> None:
        super().__init__()
        self.word, self.shift, self.bits, self.code = word, shift, bits, code

    def visit_BitwiseAnd(self, node: Any) -> Any:
        for value, mask in ((node.a, node.b), (node.b, node.a)):
            if ir.const_int(mask) == (1 << self.bits) - 1 and self._shifted(value) == self.shift:
                dtype = ir.dtype_of(node)
                return self.code if dtype == "int32" else ir.Cast(dtype, self.code)
        return self.descend(node)

    def _shifted(self, value: Any) -> int | None:
        """By how many bits a value is the word shifted right, its lowest `bits` bits being the word's own."""
        if isinstance(value, ir.Var):
            return 0 if value.same_as(self.word) else None
        if isinstance(value, ir.Cast):
            return self._shifted(value.value) if dtype_bits(ir.dtype_of(value)) >= self.bits and _is_int(value) else None
        if isinstance(value, ir.RShift) or isinstance(value, ir.Call) and ir.call_name(value).endswith("shift_right"):
            a, b = (value.a, value.b) if isinstance(value, ir.RShift) else list(value.args)[-2:]
            inner, amount = self._shifted(a), ir.const_int(b.value if isinstance(b, ir.Cast) else b)
            if inner is None or amount is None or amount < 0:
                return None
            total = inner + amount
            return total if amount + self.bits <= dtype_bits(ir.dtype_of(value)) else None
        return None


def _is_int(value: Any) -> bool:
    return ir.dtype_of(value).startswith(("int", "uint"))


class UnpackCodes(ir.Mutator):
    """Replaces the largest parts of an expression that are tables of codes by elements of arrays; `out` gets the calls."""

    def __init__(self, var: ir.Var, extent: int, analyzer: ir.Analyzer, out: list[ir.Stmt], span: Any) -> None:
        super().__init__()
        self.var, self.extent, self.analyzer, self.out, self.span = var, extent, analyzer, out, span

    def visit(self, node: Any) -> Any:
        if not isinstance(node, (ir.Cast, ir.BinaryOpExpr, *ir.BITWISE, ir.Select, ir.Call)):
            return super().visit(node)
        table = CodeTable.of(node, self.var, self.extent, self.analyzer)
        if table is None:
            return super().visit(node)
        array = ir.buffer((self.extent,), table.dtype, "codes", "local")
        call = table.call(array, ir.const(0), self.span)
        if call is None:
            return super().visit(node)
        self.out += [ir.alloc(array), call]
        return ir.load(array, [self.var])

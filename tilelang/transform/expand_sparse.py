"""2:4 sparse products for which the target has no instruction multiply an expanded copy of A.

Before: `tl.gemm(A, B, C, clear, E)`
After:  `for i, j in T.Parallel(m, k): dense[i, j] = if_then_else(A's j was kept, it, 0)` and `tl.gemm(dense, B, C, clear)`

A CPU has no such instruction. A GPU has none for products that whole instructions do not cover (16 x 8, 64 bytes along k), for
operands outside shared memory and registers, and for float64; into tensor memory there is one, which this version has not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..target import Target
from ..target.mma import find_instruction
from ..tileop.base import as_tile_op, dtype_bits
from ..tileop.gemm import Gemm
from ..tileop.gemm_wait import GemmWait
from ..tileop.mma.metadata import CODE_BITS, elements_of_word
from .kernel_program import KernelProgram
from .parallel_nest import ParallelNest

_WARP = 32


def expand_sparse(program: KernelProgram) -> KernelProgram:
    """Replace sparse products that no instruction takes."""
    return replace(program, body=_Expand(program).body(program.body))


class _Expand(ir.Mutator):
    def __init__(self, program: KernelProgram) -> None:
        super().__init__()
        self.program = program

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        op = as_tile_op(node)
        if not isinstance(op, Gemm) or not op.is_sparse:
            return node
        ctx = self.program.ctx
        why = _refusal(op, ctx.target, ctx.num_threads)
        if why is None:
            return node
        ctx.remark(node.span, f"gemm_sp expands {op.a.buffer.name} in shared memory: {why}")
        dense, nest = _expansion(op)
        product = ir.evaluate(op.dense(ir.full_region(dense)).to_call(), node.span)
        # Products under way may still read the expanded tile of the statement before.
        late = op.in_flight and not op.is_expanded
        waits = [ir.evaluate(GemmWait(0, (), node.span).to_call(), node.span)] if late else []
        return ir.seq([ir.alloc(dense, node.span), *waits, nest, product])


def _refusal(op: Gemm, target: Target, num_threads: int) -> str | None:
    """Why no sparse instruction takes the product, or None."""
    a, b, c = op.a, op.b, op.c
    if target.is_cpu:
        return "a CPU has no sparse matrix instructions"
    if op.is_expanded:
        return "tcgen05.mma.sp is not in this version"
    instruction = find_instruction(target.limits, a.dtype, b.dtype, c.dtype, sparse=True)
    if instruction is None:
        return f"{target.arch} has no sparse matrix instruction for {a.dtype} x {b.dtype} -> {c.dtype}"
    if num_threads % _WARP:
        return f"{num_threads} threads are not whole warps"
    if c.shape[0] % instruction.m or c.shape[1] % instruction.n or op.k % instruction.k:
        return f"m, n, k are not multiples of {instruction.m}, {instruction.n}, {instruction.k}"
    if not ir.scope_of(op.e.buffer).startswith("shared"):
        return f"the metadata {op.e.buffer.name} is not in shared memory"
    return None


def _expansion(op: Gemm) -> tuple[ir.Var, ir.Stmt]:
    """The dense tile of A and the nest that fills it."""
    a, e = op.a, op.e
    bits, word_bits = dtype_bits(a.dtype), dtype_bits(e.dtype)
    group = 2 if bits == 32 else 4
    dense = op.expanded_tile()
    i, j = ir.var("i"), ir.var("j")
    covered = elements_of_word(bits, word_bits)
    word_type = "uint32" if word_bits == 32 else "int32"
    word = ir.Cast(word_type, e.shared.at(i, j // covered))
    shift = ir.Cast(word_type, j // group % (covered // group) * CODE_BITS)
    code = ir.Cast("int32", (word >> shift) & ir.const(15, word_type))
    within, zero = j % group, ir.zero(a.dtype)

    def kept(index: Any) -> Any:
        return a.shared.at(i, index)

    if group == 2:
        value = ir.if_then_else((code & 3) // 2 == within, kept(j // group), zero)
    else:
        second = ir.if_then_else(code >> 2 == within, kept(j // group * 2 + 1), zero)
        value = ir.if_then_else(code & 3 == within, kept(j // group * 2), second)
    store = ir.BufferStore(dense, value, [i, j], op.span)
    return dense, ParallelNest((i, j), (a.shape[0], op.k), store, {}, op.span).to_stmt()

"""T.gemm on a CPU: one call of the register-blocked kernel of src/cpu/tl/gemm.h."""

from __future__ import annotations

from typing import Any

from ... import ir
from ...errors import UnsupportedError
from ...tileop.base import LoweringContext
from ...tileop.gemm import Gemm
from ...tileop.gemm_wait import GemmWait
from ...tileop.operand import Operand
from ...tileop.view import starts
from .lower_tiles import lowers


@lowers(Gemm)
def lower_gemm(op: Gemm, ctx: LoweringContext) -> ir.Stmt:
    """`tl::cpu_gemm<M, N, K, transpose_A, transpose_B>(A, lda, B, ldb, C, ldc, clear)`."""
    a, b, c = op.a, op.b, op.c
    arguments: list[Any] = []
    for operand, transposed in ((a, op.transpose_A), (b, op.transpose_B), (c, False)):
        arguments += [ir.address_of(ir.load(operand.buffer, starts(operand.region))), ir.const(_leading(op, operand, transposed))]
    shape = (*c.shape, a.shape[1])
    template = [*map(str, shape), *("true" if t else "false" for t in (op.transpose_A, op.transpose_B))]
    clear = op.clear_accum if ir.dtype_of(op.clear_accum) == "bool" else ir.NE(op.clear_accum, ir.as_expr(0))
    return ir.evaluate(ir.call("tl.cpu_gemm", [*arguments, clear], attrs={"template": template}, span=op.span), op.span)


@lowers(GemmWait)
def lower_wait(op: GemmWait, ctx: LoweringContext) -> ir.Stmt:
    """Products are complete when their statement ends: T.wait_wgmma has nothing to wait for."""
    return ir.noop()


def _leading(op: Gemm, operand: Operand, transposed: bool) -> int:
    """The step between the operand's stored rows; its columns must be adjacent."""
    strides = ir.strides_of(operand.buffer)
    rows, columns = operand.dims[::-1] if transposed else operand.dims
    if strides[columns] != 1:
        raise UnsupportedError(
            f"the columns of operand {operand.letter} of gemm, {operand.buffer.name}, are {strides[columns]} elements apart",
            fix="slice leading dimensions, so that the matrix is the last two",
            span=op.source,
        )
    return int(strides[rows])

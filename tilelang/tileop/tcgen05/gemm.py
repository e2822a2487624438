"""T.gemm into tensor memory: products that one thread issues and the tensor core runs by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ...errors import DTypeError, ShapeError, UnsupportedError
from ...layout import SharedLayout
from ...target import Target
from ...target.tcgen05 import LANES, MAX_N, TensorInstruction, find_tensor_instruction
from ..base import Effects, LoweringContext, TileOp, attribute, dtype_bits
from ..digits import add, guarded, loop, scale
from ..operand import SHARED, Operand
from ..ring import element_of
from ..wgmma.descriptor import DescribedMatrix
from .arrive import commit
from .tile import SCOPE, TensorTile, check_target, row_block


@dataclass(frozen=True, eq=False)
class Product:
    """One instruction: its operands, and which of the tiles along m, n and k it multiplies."""

    name: str
    template: list[str]
    target: Any
    left: Any
    right: Any
    keep: Any
    row_tile: Any
    column_tile: Any
    step: Any
    width: int


@dataclass(frozen=True, eq=False)
class TensorGemm(TileOp):
    """C += A @ B with C in tensor memory; made by `tl.gemm` where C is there.

    Parameters
    ----------
    A, B, C : TensorRegion
        A is m x k (k x m if `transpose_A`) in shared memory, or m x k in tensor memory; B is k x n (n x k if `transpose_B`) in
        shared memory; C is m x n, m 64 or a multiple of 128.
    clear_accum : Expr
        True where C is overwritten instead of added to.
    mbar : TensorRegion, optional
        A barrier that counts one arrival when the products are over.
    in_flight : bool
        The author waits, by `mbar` or by a later T.tcgen05_mma_arrive; else the statement does.
    done, phase : Var, optional
        The barrier and the parity of its phase by which the statement waits; given by `allocate_tensor_memory`.
    pair : bool
        Two blocks of the cluster multiply together: each has m rows of A and C, and half of the n columns of B.
    alone : bool
        Whichever thread comes by issues; else the first of those that run the statement.
    """

    A: ir.BufferRegion
    B: ir.BufferRegion
    C: ir.BufferRegion
    clear_accum: Any
    transpose_A: bool = False
    transpose_B: bool = False
    mbar: ir.BufferRegion | None = None
    in_flight: bool = False
    done: ir.Var | None = None
    phase: ir.Var | None = None
    alone: bool = False
    pair: bool = False
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> TensorGemm:
        a, b, c, clear, *rest = call.args
        flags = [bool(attribute(call, name, False)) for name in ("transpose_A", "transpose_B")]
        mbar = rest[0] if rest else None
        late, alone = bool(attribute(call, "in_flight", False)), bool(attribute(call, "alone", False))
        own, pair = (attribute(call, "done"), attribute(call, "phase")), bool(attribute(call, "pair", False))
        return cls(a, b, c, clear, flags[0], flags[1], mbar, late, own[0], own[1], alone, pair, span)

    def to_call(self) -> ir.Call:
        args = [self.A, self.B, self.C, self.clear_accum, *([self.mbar] if self.mbar is not None else [])]
        attrs: dict[str, Any] = {
            name: getattr(self, name) for name in ("transpose_A", "transpose_B", "in_flight", "alone", "pair")
        }
        attrs.update({name: value for name in ("done", "phase") if (value := getattr(self, name)) is not None})
        return ir.call("tl.gemm", args, attrs=attrs, span=self.span)

    # ------------------------------------------------------------------ operands

    @property
    def a(self) -> Operand:
        return Operand.of("A", self.A, self.transpose_A, self.source)

    @property
    def b(self) -> Operand:
        return Operand.of("B", self.B, self.transpose_B, self.source)

    @property
    def c(self) -> Operand:
        return Operand.of("C", self.C, False, self.source)

    @property
    def instruction(self) -> TensorInstruction:
        found = find_tensor_instruction(self.a.dtype, self.b.dtype, self.c.dtype)
        assert found is not None, "checked before"
        return found

    @property
    def blocks(self) -> int:
        return 2 if self.pair else 1

    @property
    def rows(self) -> int:
        """Rows of one instruction in each block."""
        return min(self.c.shape[0], LANES)

    @property
    def _n_step(self) -> int:
        return max(self.instruction.n_step(self.rows), 16 if self.pair else 8)

    @property
    def columns(self) -> int:
        """n of one instruction: the largest that divides n, and that does not cut a swizzled row where n is contiguous."""
        n, step = self.c.shape[1], self._n_step
        return next((w for w in range(min(n, MAX_N), 0, -1) if n % w == 0 and w % step == 0), 0)

    def check(self, target: Target) -> None:
        check_target(target, "T.gemm into tensor memory", self.source)
        a, b, c = self.a, self.b, self.c
        if b.scope not in SHARED or a.scope not in (*SHARED, SCOPE):
            raise UnsupportedError(
                f"T.gemm into tensor memory of {a.buffer.name} ({a.scope}) and {b.buffer.name} ({b.scope})",
                fix="A in shared or in tensor memory, B in shared memory: copy them there first",
                span=self.source,
            )
        if find_tensor_instruction(a.dtype, b.dtype, c.dtype) is None:
            raise DTypeError(
                f"tcgen05.mma does not multiply {a.dtype} by {b.dtype} into {c.dtype}",
                fix="float16 (to float32 or float16), bfloat16 or float32 (to float32), 8-bit floats (to float32 or float16), "
                "8-bit integers (to int32)",
                span=self.source,
            )
        (m, k), n = a.shape, c.shape[1]
        if a.shape[1] != b.shape[0] or (m, b.shape[1] * self.blocks) != c.shape:
            raise ShapeError(
                f"gemm multiplies {m} x {k} by {b.shape[0]} x {b.shape[1]} into {c.shape[0]} x {c.shape[1]}",
                fix="A is m x k, B is k x n (in a pair of blocks k x n / 2), C is m x n (or set transpose_A / transpose_B)",
                span=self.source,
            )
        if k % self.instruction.k or not self.columns:
            raise ShapeError(
                f"T.gemm into tensor memory with k = {k} and n = {n}",
                fix=f"k of {a.dtype} is a multiple of {self.instruction.k}, n of {self._n_step}",
                span=self.source,
            )
        if self.pair and m % LANES:
            raise ShapeError(
                f"a pair of blocks with {m} rows each",
                fix=f"each block has a multiple of {LANES} rows of A and C",
                span=self.source,
            )
        if a.scope == SCOPE and (self.transpose_A or m % LANES):
            raise UnsupportedError(
                f"A is {m} x {k}{', transposed,' * self.transpose_A} in tensor memory",
                fix=f"there A has a multiple of {LANES} rows, k along its columns",
                span=self.source,
            )

    def effects(self) -> Effects:
        """That C is written also keeps two executions apart: a thread must not miss a phase of the barrier by which it waits."""
        cleared = ir.const_int(self.clear_accum)
        reads = (self.A, self.B) if cleared else (self.A, self.B, self.C)
        return Effects(reads=reads, writes=(self.C,))

    @property
    def is_collective(self) -> bool:
        return not self.alone

    @property
    def is_counted(self) -> bool:
        return self.in_flight

    @property
    def reads_late(self) -> bool:
        return self.in_flight

    def reads_async_proxy(self, ctx: LoweringContext) -> bool:
        return True

    def shared_layouts(self, ctx: LoweringContext) -> dict[ir.Var, SharedLayout]:
        shared = [o for o in (self.a, self.b) if o.scope != SCOPE]
        return {o.buffer: SharedLayout.for_matrix(ir.static_shape(o.buffer), dtype_bits(o.dtype)) for o in shared}

    # ------------------------------------------------------------------ lowering

    def _described(self, operand: Operand, k_dim: int, ctx: LoweringContext) -> DescribedMatrix:
        found = DescribedMatrix.of(operand.shared, k_dim, self.instruction.any_major, ctx)
        if found is None:
            what = "k contiguous, " if not self.instruction.any_major else ""
            raise UnsupportedError(
                f"tcgen05.mma cannot read {operand.letter}, {operand.buffer.name}, in its layout",
                fix=f"a tile of {what}rows in multiples of 8 and contiguous rows of 32, 64 or a multiple of 128 bytes, in "
                "the layout that T.gemm gives it; parts of a tile start at multiples of 8 rows and of whole swizzled rows",
                span=self.source,
            )
        return found

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        def call(name: str, *args: Any, **attrs: Any) -> ir.Stmt:
            return ir.evaluate(ir.call(name, list(args), attrs=attrs or None, span=self.span), self.span)

        # What others did with tensor memory before the barrier that stands in front (PTX ISA, "tcgen05.fence").
        issue = [call("tl.tcgen05_fence_after"), self._products(ctx)]
        if self.mbar is not None:
            issue.append(commit(element_of(self.mbar), self.pair, ctx, self.span))
        after: list[ir.Stmt] = []
        if self.done is not None:
            assert self.phase is not None
            own, parity = ir.address_of(ir.load(self.done, [0])), ir.load(self.phase, [0])
            issue.append(commit(own, False, ctx, self.span))
            after = [
                call("tl.mbarrier_wait", own, parity),
                ir.BufferStore(self.phase, parity ^ ir.const(1, "uint32"), [ir.const(0)], self.span),
            ]
        first: list[Any] = [] if self.alone else [ir.as_expr(ctx.tid) == 0]
        if self.pair:  # one block of the two issues
            first.append(ir.as_expr(ir.call("tl.cluster_rank", [], ret="int32") % 2 == 0))
        leader = guarded(first, ir.seq(issue), self.span)
        return ir.seq([leader, *after])

    def _products(self, ctx: LoweringContext) -> ir.Stmt:
        a, b, c = self.a, self.b, self.c
        leading, m, n, first = row_block(self.C, self.source)
        into: TensorTile = ctx.tensor_tiles[c.buffer]
        left = self._described(a, 1, ctx) if a.scope != SCOPE else None
        right = self._described(b, 0, ctx)
        width, step = self._width(right), self.instruction.k
        majors = [*([left.k_major] if left is not None else []), right.k_major]
        template = [f"dtype:{o.dtype}" for o in (a, b, c)] + [str(self.rows * self.blocks), str(width)]
        template += ["false" if k else "true" for k in majors] + (["2"] if self.pair else [])
        cleared = ir.const_int(self.clear_accum)

        def product(i: Any, j: Any, s: Any) -> ir.Stmt:
            start = ir.as_expr(s == 0) if not isinstance(s, int) else ir.const(s == 0, "bool")
            keep: Any = ir.const(True, "bool")
            if cleared is None:
                keep = ir.Not(ir.And(start, ir.as_expr(self.clear_accum)))
            elif cleared:
                keep = ir.Not(start)
            target = into.address([*leading, i, add(first, scale(j, width))])
            described = right.at(scale(s, step), scale(j, width // self.blocks), self.span, "tl.tcgen05_descriptor")
            if left is not None:
                name, operand = (
                    "tl.tcgen05_mma_ss",
                    left.at(scale(i, self.rows), scale(s, step), self.span, "tl.tcgen05_descriptor"),
                )
            else:
                name, operand = "tl.tcgen05_mma_ts", self._address_of_a(i, s, ctx)
            return self._issue(Product(name, template, target, operand, described, keep, i, j, s, width), ctx)

        def steps(i: Any, j: Any) -> ir.Stmt:
            return loop("ki", a.shape[1] // step, lambda s: product(i, j, s), self.span)

        return loop("mi", m // self.rows, lambda i: loop("ni", n // width, lambda j: steps(i, j), self.span), self.span)

    def _issue(self, at: Product, ctx: LoweringContext) -> ir.Stmt:
        args = [at.target, at.left, at.right, at.keep]
        return ir.evaluate(ir.call(at.name, args, attrs={"template": at.template}, span=self.span), self.span)

    def _width(self, right: DescribedMatrix) -> int:
        """n of one instruction: tiles of B start where its descriptor can."""
        n, granule = self.c.shape[1], right.granule * self.blocks
        widths = (w for w in range(self.columns, 0, -1) if n % w == 0 and w % self._n_step == 0)
        return next((w for w in widths if w == n or w % granule == 0), self.columns)

    def _address_of_a(self, i: Any, s: Any, ctx: LoweringContext) -> Any:
        leading, _, _, first = row_block(self.A, self.source)
        tile: TensorTile = ctx.tensor_tiles[self.a.buffer]
        return tile.address([*leading, i, add(first, scale(s, self.instruction.k))])

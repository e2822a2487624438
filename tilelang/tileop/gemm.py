"""T.gemm: C += A @ B on tiles, by matrix instructions of a warp where they fit, else by each thread's own multiply-adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .. import ir
from ..errors import DTypeError, LayoutError, SemanticError, ShapeError, UnsupportedError
from ..layout import Fragment, SharedLayout
from ..target import Target
from ..target.mma import find_instruction
from ..target.wgmma import find_warpgroup_instruction
from ..transform import region as rg
from .base import Effects, LoweringContext, TileOp, attribute, dtype_bits, tile_op
from .digits import add, guarded, nest, walk_dim
from .fma import fma_c_layout, fma_operand_layout, lower_fma
from .mma import MmaPlan, Policy, lower_mma
from .mma.lower import RegisterTiles
from .mma.metadata import Metadata, elements_of_word
from .mma.operand import SharedMatrix
from .operand import FRAGMENT, SHARED, Operand
from .tcgen05 import SCOPE, TensorGemm
from .view import Region, view, whole_layout
from .wgmma import DescribedMatrix, WgmmaPlan, lower_wgmma

_COPY_FIRST = "copy it to a shared tile or a fragment first"
_SCOPE_FIX = {"A": _COPY_FIRST, "B": _COPY_FIRST, "C": "accumulate in T.alloc_fragment and copy it out"}


@tile_op("tl.gemm")
@dataclass(frozen=True, eq=False)
class Gemm(TileOp):
    """C += A @ B.

    Parameters
    ----------
    A, B, C : TensorRegion
        A is m x k (k x m if `transpose_A`), B is k x n (n x k if `transpose_B`), C is m x n; A and B in shared memory or
        fragments, C in a fragment or in shared memory. Other dimensions of the regions have extent 1.
    clear_accum : Expr
        True where C is overwritten instead of added to.
    policy : Policy
        How warps divide C where several divisions are equally much work.
    in_flight : bool
        Warpgroup instructions only: the products are left under way, for a `tl.gemm_wait`.
    E : TensorRegion, optional
        A is 2:4 sparse (of 32-bit elements 1:2) and holds the kept half of k; E, in shared memory, says where along k they
        were (`tileop/mma/metadata.py`), one row of words for each row of A, or a column if `transpose_E`. `expand_sparse` has
        left only those for which the target has an instruction.

    Matrix instructions of the target are used when whole instructions cover m, n and k, and the block consists of whole
    warps; float32 operands are then rounded to tf32 (10 mantissa bits). Otherwise each thread computes its
    elements of C. Then products are summed in C's dtype, or in float32 for C of 8 or 16 bits, which is rounded once.
    """

    A: Region
    B: Region
    C: Region
    clear_accum: Any
    transpose_A: bool = False
    transpose_B: bool = False
    policy: Policy = Policy.Square
    in_flight: bool = False
    span: Any = None
    E: Region | None = None
    transpose_E: bool = False

    # ------------------------------------------------------------------ conversion

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> TileOp:
        if (
            ir.scope_of(call.args[2].source) == SCOPE and attribute(call, "transpose_E") is None
        ):  # a sparse product is expanded first
            return TensorGemm.from_call(call, span)
        a, b, c, clear, *metadata = call.args
        policy = int(attribute(call, "policy", 0))
        if policy not in list(Policy):
            raise SemanticError(
                f"gemm policy {policy} is unknown", fix="use Square, FullRow or FullCol", span=ir.span_to_source(span)
            )
        flags = (bool(attribute(call, "transpose_A", False)), bool(attribute(call, "transpose_B", False)))
        sparse = (metadata[0], bool(attribute(call, "transpose_E", False))) if metadata else ()
        return cls(a, b, c, clear, *flags, Policy(policy), bool(attribute(call, "in_flight", False)), span, *sparse)

    def to_call(self) -> ir.Call:
        attrs = {"transpose_A": self.transpose_A, "transpose_B": self.transpose_B, "policy": int(self.policy)}
        if self.in_flight:
            attrs["in_flight"] = True
        operands = [self.A, self.B, self.C, self.clear_accum]
        if self.E is not None:
            operands.append(self.E)
            attrs["transpose_E"] = self.transpose_E
        return ir.call("tl.gemm", operands, attrs=attrs, span=self.span)

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
    def e(self) -> Operand:
        assert self.E is not None, "asked only of sparse products"
        return Operand.of("E", self.E, self.transpose_E, self.source)

    @property
    def is_sparse(self) -> bool:
        return self.E is not None

    @property
    def k(self) -> int:
        """Extent of the product along k, of which a sparse A holds half."""
        return self.b.shape[0]

    @property
    def is_expanded(self) -> bool:
        """A is sparse, C in tensor memory: this version has no sparse instruction for it, and the dense one waits for itself."""
        return self.is_sparse and ir.scope_of(self.C.source) == SCOPE

    def dense(self, a: Region) -> Gemm:
        """The product with a dense A, m x k."""
        in_flight = self.in_flight and not self.is_expanded
        return replace(self, A=a, transpose_A=False, E=None, transpose_E=False, in_flight=in_flight)

    def expanded_tile(self) -> ir.Var:
        """A tile for the dense A."""
        return ir.buffer((self.a.shape[0], self.k), self.a.dtype, f"{self.a.buffer.name}_dense", "shared.dyn", span=self.span)

    def check(self, target: Target) -> None:
        a, b, c = self.a, self.b, self.c
        # On a CPU an array of T.alloc_local is the block's: a block is one thread.
        tiles = (FRAGMENT, *SHARED, "local") if target.is_cpu else (FRAGMENT, *SHARED)
        for operand in (a, b) if self.is_expanded else (a, b, c):
            scope = ir.scope_of(operand.buffer)
            if scope not in tiles:
                raise UnsupportedError(
                    f"operand {operand.letter} of gemm, {operand.buffer.name}, is in {scope} memory",
                    fix=_SCOPE_FIX[operand.letter],
                    span=self.source,
                )
        m, n, k = c.shape[0], c.shape[1], a.shape[1] * (2 if self.is_sparse else 1)
        if self.is_sparse:
            self._check_metadata()
        if self.is_expanded:
            Gemm.from_call(self.dense(ir.full_region(self.expanded_tile())).to_call(), self.span).check(target)
            return
        if a.shape[0] != m or b.shape != (k, n):
            stored = [f"{o.letter} {o.buffer.name} is {_times(o.shape[::-1] if t else o.shape)}" + (", transposed" if t else "")
                      for o, t in ((a, self.transpose_A), (b, self.transpose_B), (c, False))]  # fmt: skip
            raise ShapeError(
                f"gemm multiplies {_times(a.shape)} by {_times(b.shape)} into {_times(c.shape)}: " + "; ".join(stored),
                fix=f"{self._shape_advice(a, b, c)} (or set transpose_A / transpose_B)",
                span=self.source,
            )
        for operand in (a, b):
            if operand.buffer.same_as(c.buffer) and not rg.disjoint(
                rg.ranges_of(operand.region), rg.ranges_of(c.region), ir.analyzer_for({})
            ):
                raise SemanticError(
                    f"gemm accumulates in {c.buffer.name} while it reads it as operand {operand.letter}",
                    fix=f"copy operand {operand.letter} to a tile of its own first",
                    span=self.source,
                )
        integral = [_is_integer(o.dtype) for o in (a, b, c)]
        bad = [o for o in (a, b, c) if o.dtype == "bool"]
        if bad:
            raise DTypeError(f"{bad[0].buffer.name} of gemm is bool", fix="use int8 or a float dtype", span=self.source)
        if integral[2] and not (integral[0] and integral[1]):
            raise DTypeError(
                f"gemm of {a.dtype} by {b.dtype} cannot accumulate in {c.dtype}",
                fix="allocate C with dtype float32",
                span=self.source,
            )

    def _check_metadata(self) -> None:
        a, e = self.a, self.e
        if not _is_integer(e.dtype) or dtype_bits(e.dtype) not in (8, 16, 32):
            raise DTypeError(
                f"the metadata {e.buffer.name} of gemm_sp is {e.dtype}", fix="int8, int16, int32 or uint", span=self.source
            )
        words = 2 * a.shape[1] / elements_of_word(dtype_bits(a.dtype), dtype_bits(e.dtype))
        if e.shape != (a.shape[0], words):
            raise ShapeError(
                f"the metadata {e.buffer.name} of gemm_sp is {_times(e.shape)}; {a.buffer.name} keeps {_times(a.shape)} elements",
                fix=f"{a.shape[0]} x {words:g} words of {e.dtype}",
                span=self.source,
            )

    def _shape_advice(self, a: Operand, b: Operand, c: Operand) -> str:
        if a.shape[1] != b.shape[0]:
            return f"A has k = {a.shape[1]}, B has k = {b.shape[0]}: make them equal"
        return f"C should be {_times((a.shape[0], b.shape[1]))}"

    def effects(self) -> Effects:
        cleared = ir.const_int(self.clear_accum)
        reads = (self.A, self.B) if self.E is None else (self.A, self.B, self.E)
        reads = reads if cleared else (*reads, self.C)
        return Effects(reads=reads, writes=(self.C,))

    # ------------------------------------------------------------------ layouts

    def plan(self, ctx: LoweringContext) -> WgmmaPlan | MmaPlan | None:
        """How matrix instructions cover the gemm on this target: of warpgroups, of warps, or not at all (None)."""
        return self._warpgroup_plan(ctx) or self._warp_plan(ctx)

    def _warpgroup_plan(self, ctx: LoweringContext) -> WgmmaPlan | None:
        """By wgmma: B in shared memory and A there or in registers, both where the instruction can read them."""
        a, b, c = self.a, self.b, self.c
        instruction = find_warpgroup_instruction(ctx.target.limits, a.dtype, b.dtype, c.dtype, self.is_sparse)
        if instruction is None or ctx.pass_configs.get("tl.disable_wgmma") or b.in_registers or not c.in_registers:
            return None
        if any(o.is_block(d) for o in (a, c) for d in (0, 1)):
            return None
        described = DescribedMatrix.of(b.shared, 0, instruction.any_major, ctx, instruction.b_bytes)
        if described is None or not (a.in_registers or DescribedMatrix.of(a.shared, 1, instruction.any_major, ctx)):
            return None
        return WgmmaPlan.make(instruction, c.shape[0], c.shape[1], self.k, ctx.num_threads, self.policy, described.granule)

    def runs_on_warpgroups(self, ctx: LoweringContext) -> bool:
        """True if the gemm becomes warpgroup instructions, which may be left under way."""
        return self._warpgroup_plan(ctx) is not None

    def columns_of_instruction(self, ctx: LoweringContext) -> int:
        """n of one warpgroup instruction."""
        plan = self._warpgroup_plan(ctx)
        assert plan is not None, "asked only of gemms on warpgroups"
        return plan.n_tile

    def reads_async_proxy(self, ctx: LoweringContext) -> bool:
        return self._warpgroup_plan(ctx) is not None

    def _warp_plan(self, ctx: LoweringContext) -> MmaPlan | None:
        """By mma.sync."""
        a, b, c = self.a, self.b, self.c
        instruction = find_instruction(ctx.target.limits, a.dtype, b.dtype, c.dtype, self.is_sparse)
        if instruction is None:
            return None
        exact = (c.is_block(0) or a.is_block(0), c.is_block(1) or b.is_block(1))
        return MmaPlan.make(instruction, c.shape[0], c.shape[1], self.k, ctx.num_threads, self.policy, exact)

    def _whole(self, part: Fragment, operand: Operand, ctx: LoweringContext) -> Fragment:
        return whole_layout(part, operand.region, operand.dims, ctx, self.source)

    def _needed(self, ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        """The layouts that matrix instructions dictate."""
        plan = self.plan(ctx)
        if plan is None:
            return {}
        parts = [(self.c, plan.c), (self.a, plan.a)]
        if isinstance(plan, MmaPlan):
            parts.append((self.b, plan.b))
        return {o.buffer: self._whole(part, o, ctx) for o, part in parts if o.in_registers}

    def strict_fragments(self, ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        return self._needed(ctx)

    def _from_c(self, known: Mapping[ir.Var, Fragment], ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        """Without matrix instructions: A and B so that each thread holds the rows and columns of its elements of C."""
        c = self.c
        if c.in_registers:
            if c.buffer not in known:
                return {}
            layout = view(known[c.buffer], c.region, c.dims, ctx, self.source).layout
        else:
            layout = fma_c_layout(c.shape, ctx.num_threads)
        operands = [o for o in (self.a, self.b) if o.in_registers]
        return {o.buffer: self._whole(fma_operand_layout(layout, o.letter, o.shape), o, ctx) for o in operands}

    def derive_fragments(self, known: Mapping[ir.Var, Fragment], ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        if self.plan(ctx) is not None:
            return {}
        return {buf: layout for buf, layout in self._from_c(known, ctx).items() if buf not in known}

    def default_fragments(self, known: Mapping[ir.Var, Fragment], ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        c = self.c
        if self.plan(ctx) is not None or not c.in_registers or c.buffer in known:
            return {}
        return {c.buffer: self._whole(fma_c_layout(c.shape, ctx.num_threads), c, ctx)}

    def required_fragments(self, ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        if self.plan(ctx) is not None:
            return {buf: layout for buf, layout in self._needed(ctx).items() if ctx.fragments.get(buf) != layout}
        needed = self._from_c(ctx.fragments, ctx)
        return {buf: layout for buf, layout in needed.items() if not (buf in ctx.fragments and ctx.fragments[buf] == layout)}

    def shared_layouts(self, ctx: LoweringContext) -> dict[ir.Var, SharedLayout]:
        shared = [o for o in (self.a, self.b) if not o.in_registers]
        return {o.buffer: SharedLayout.for_matrix(ir.static_shape(o.buffer), dtype_bits(o.dtype)) for o in shared}

    # ------------------------------------------------------------------ lowering

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        plan = self.plan(ctx)
        if plan is None:
            assert not self.is_sparse, "expand_sparse leaves those that an instruction covers"
            self._remark(ctx)
            return lower_fma(self, ctx)
        if isinstance(plan, WgmmaPlan):
            return self._lower_wgmma(plan, ctx)
        before, c, after = self._accumulator(plan, ctx)
        a = self._tiles(self.a, plan.a, plan.steps * plan.instruction.a.local_size, plan.instruction.a.local_size, ctx)
        b = self._tiles(self.b, plan.b, plan.steps * plan.instruction.b.local_size, plan.instruction.b.local_size, ctx)
        return ir.seq([*before, lower_mma(plan, a, b, c, ctx, self.span, self._metadata), *after])

    @property
    def _metadata(self) -> Metadata | None:
        return Metadata(self.e.shared, dtype_bits(self.a.dtype)) if self.is_sparse else None

    def _lower_wgmma(self, plan: WgmmaPlan, ctx: LoweringContext) -> ir.Stmt:
        c = self._register_tiles(self.c, plan.c, plan.column_tiles * plan.c_size, plan.c_size, ctx)
        b = DescribedMatrix.of(self.b.shared, 0, plan.instruction.any_major, ctx, plan.instruction.b_bytes)
        a: RegisterTiles | DescribedMatrix | None
        if self.a.in_registers:
            a = self._register_tiles(self.a, plan.a, plan.steps * plan.a_size, plan.a_size, ctx)
        else:
            a = DescribedMatrix.of(self.a.shared, 1, plan.instruction.any_major, ctx)
        assert a is not None and b is not None, "the plan was made for operands that wgmma can describe"
        return lower_wgmma(plan, a, b, c, self.clear_accum, ctx, self.in_flight, self.span, self._metadata)

    def _remark(self, ctx: LoweringContext) -> None:
        a, b, c = self.a, self.b, self.c
        shape = f"{c.shape[0]} x {c.shape[1]} x {a.shape[1]}"
        instruction = find_instruction(ctx.target.limits, a.dtype, b.dtype, c.dtype)
        if instruction is None:
            why = f"{ctx.target.arch} has no matrix instruction for {a.dtype} x {b.dtype} -> {c.dtype}"
        elif ctx.num_threads % 32:
            why = f"{ctx.num_threads} threads are not whole warps"
        else:
            why = f"m, n, k are not multiples of {instruction.m}, {instruction.n}, {instruction.k}"
        ctx.remark(self.span, f"gemm {shape} runs without matrix instructions: {why}")

    def _tiles(
        self, operand: Operand, part: Fragment, tile: int, step: int, ctx: LoweringContext
    ) -> RegisterTiles | SharedMatrix:
        return self._register_tiles(operand, part, tile, step, ctx) if operand.in_registers else operand.shared

    def _register_tiles(self, operand: Operand, part: Fragment, tile: int, step: int, ctx: LoweringContext) -> RegisterTiles:
        if ctx.fragments[operand.buffer] != self._whole(part, operand, ctx):
            raise LayoutError(
                f"fragment {operand.buffer.name} is not laid out as operand {operand.letter} of this gemm needs", span=self.source
            )
        found = view(ctx.fragments[operand.buffer], operand.region, operand.dims, ctx, self.source)
        return RegisterTiles(ctx.registers_of(operand.buffer), found.base, tile, step)

    def _accumulator(self, plan: MmaPlan, ctx: LoweringContext) -> tuple[list[Any], RegisterTiles, list[Any]]:
        """Statements before, the registers of C, statements after: clearing, and the way from and to a shared C."""
        c, size = self.c, plan.instruction.c.local_size
        strides = (plan.grid.column_tiles * size, size)
        if c.in_registers:
            tiles = self._register_tiles(c, plan.c, *strides, ctx)
            clear = self._clear(tiles.buffer, tiles.base, plan.c.local_size)
            return [clear], tiles, []
        registers = ir.buffer((plan.c.local_size,), c.dtype, f"{c.buffer.name}_tile", "local")
        tiles = RegisterTiles(registers, 0, *strides)
        before = [ir.alloc(registers), self._clear(registers, 0, plan.c.local_size)]
        cleared = ir.const_int(self.clear_accum)
        if not cleared:  # what is to be cleared need not have been written
            load = self._move(plan.c, registers, ctx, load=True)
            before.insert(1, guarded([] if cleared == 0 else [ir.Not(self.clear_accum)], load, self.span))
        return before, tiles, [self._move(plan.c, registers, ctx, load=False)]

    def _clear(self, registers: ir.Var, base: Any, count: int) -> Any:
        return clear_registers(registers, base, count, self.clear_accum, self.span)

    def _move(self, layout: Fragment, registers: ir.Var, ctx: LoweringContext, load: bool) -> ir.Stmt:
        """Copies C between shared memory and its registers."""
        rows, columns = walk_dim(layout, 0, ctx.tid), walk_dim(layout, 1, ctx.tid, "j")
        register = ir.as_expr(add(rows.register, columns.register))
        place = self.c.shared.at(rows.index, columns.index)
        if load:
            body: ir.Stmt = ir.BufferStore(registers, place, [register])
        else:
            body = ir.BufferStore(place.source, ir.load(registers, [register]), list(place.indices))
        body = nest([*rows.loops, *columns.loops], guarded([rows.padding, columns.padding], body, self.span), self.span)
        return guarded(layout.idle_conditions(ctx.tid, ctx.num_threads), body, self.span)

    def with_regions(self, **regions: Region) -> Gemm:
        """The same gemm on other regions."""
        return replace(self, **regions)


def clear_registers(registers: ir.Var, base: Any, count: int, condition: Any, span: Any) -> ir.Stmt | None:
    """Zeros in `registers[base : base + count]` where `condition` holds; None if it never does."""
    known = ir.const_int(condition)
    if known == 0:
        return None
    i = ir.var("i")
    body = nest([(i, count)], ir.BufferStore(registers, ir.zero(ir.buffer_dtype(registers)), [add(base, i)]), span)
    return body if known else guarded([condition], body, span)


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _is_integer(dtype: str) -> bool:
    return dtype.startswith(("int", "uint"))
